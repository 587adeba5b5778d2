"""What a consumer asked for and what has come for it, whichever connection brings it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Deque, Dict, Generic, List, Optional, Sequence

from . import _requests as requests
from . import _verbs as verbs
from ._answers import Assigned
from ._errors import ColaError, StaleDelivery
from ._message import Message
from ._requests import Start
from ._verbs import AnyMessage, Request


@dataclass(frozen=True)
class Subscription:
    """The parameters of ``Client.consume``."""

    name: str
    prefetch: Optional[int]
    credit: Optional[int]
    ack: str
    start: Optional[Start]
    group: Optional[str]
    join: Optional[str]
    partitions: Optional[Sequence[int]]
    priority: Optional[int]
    exclusive: bool

    def __post_init__(self) -> None:
        if self.ack not in ("manual", "auto"):
            raise ValueError(f"ack is 'manual' or 'auto', not {self.ack!r}")

    @property
    def is_manual(self) -> bool:
        return self.ack == "manual"

    @property
    def is_topic(self) -> bool:
        """False also where it is not known."""
        return self.start is not None or self.group is not None or self.partitions is not None

    @property
    def acks_together(self) -> int:
        """How many acks travel together, if the program does not say."""
        return max(1, (self.prefetch or self.credit or (4 if self.credit == 0 else 100)) // 4)

    def request(self, number: int) -> Request[None]:
        # Without either, 100 is what the server takes; but then it need not be known here.
        prefetch = 100 if self.prefetch is None and self.credit is None else self.prefetch
        # `manual` is what holds if nothing is said, and a topic knows no `ack`.
        ack = None if self.is_manual else self.ack
        return Request(
            f"consume {self.name!r}",
            lambda tag: requests.consume(
                self.name,
                number,
                tag,
                self.start,
                self.group,
                prefetch,
                self.credit,
                ack,
                self.join,
                self.partitions,
                self.priority,
                self.exclusive,
            ),
            lambda call: None,
        )


class Subscriber(Generic[AnyMessage]):
    """The part of a consumer that does not wait: what the connection calls, and what it has brought."""

    def __init__(self, subscription: Subscription) -> None:
        self.name = subscription.name
        self.group = subscription.group
        #: By which the connection knows it; another after each reconnect.
        self.number = 0
        #: As a member of a group: the partitions it reads, each with the offset it began at; None before the first.
        self.assignment: Optional[Dict[int, int]] = None
        self.generation = 0
        self._subscription = subscription
        self._is_topic = subscription.is_topic
        self._ready: Deque[AnyMessage] = deque()
        self._error: Optional[ColaError] = None
        self._is_closed = False
        # Of each partition that records were handed out from: the offset that comes next; and, on a connection that
        # reads on where another ended, below what its records came before.
        self._next_offsets: Dict[int, int] = {}
        self._came_before: Dict[int, int] = {}

    @property
    def holds(self) -> bool:
        return self._subscription.is_manual

    def arrived(self, message: Message) -> None:
        raise NotImplementedError

    def failed(self, error: ColaError) -> None:
        self._error = error

    def assigned(self, assigned: Assigned) -> None:
        self.assignment, self.generation = assigned.partitions, assigned.generation

    def _begin_again(self, number: int) -> List[Request[None]]:
        """What takes it up on another connection: a topic is read on behind the last record that was handed out."""
        self.number = number
        self._error = None
        if self.holds:
            self._ready.clear()  # the server gives them to somebody again
        if not self._is_topic or self._subscription.join is not None:
            self._next_offsets.clear()
        self._came_before = dict(self._next_offsets)
        seeks = [verbs.seek(number, offset, partition) for partition, offset in self._next_offsets.items()]
        return [self._subscription.request(number), *seeks]

    def _is_news(self, message: Message) -> bool:
        """Takes note of where it stands; false for a record that came again before the server knew where to go on."""
        partition = message.partition
        if self._came_before:
            if message.offset < self._came_before.get(partition, 0):
                return False
            self._came_before.pop(partition, None)
        self._next_offsets[partition] = message.offset + 1
        return True

    def _may_settle(self, message: Message, is_open: bool, reconnects: bool) -> bool:
        """False: it is a record of a topic that came over a connection that is lost, and there is nothing to settle.

        - Raises StaleDelivery: it came from a queue that way. Without ``reconnect``, using the connection will tell.
        """
        if is_open or not reconnects:
            return True
        if self._is_topic:
            return False
        raise StaleDelivery(
            f"delivery {message.delivery} (offset {message.offset} of {self.name!r}) came over a connection that was "
            "lost; the server gives the message to a consumer again, and it cannot be settled any more"
        )

    def _take_error(self) -> None:
        """
        - Raises ColaError: what befell the consumer.
        """
        error, self._error = self._error, None
        if error is None:
            return
        if error.code == "cancelled":
            self._is_closed = True
        raise error

    def _sought(self, position: Start, partition: Optional[int]) -> None:
        """The program reads on from elsewhere."""
        self._came_before.clear()
        if partition is None:
            self._next_offsets.clear()
            self._subscription = replace(self._subscription, start=position)
        else:
            self._next_offsets.pop(partition, None)


def ranges(numbers: List[int]) -> "List[tuple[int, int]]":
    """The numbers as ranges of neighbours, in order."""
    found: "List[tuple[int, int]]" = []
    for number in sorted(numbers):
        if found and found[-1][1] + 1 == number:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found
