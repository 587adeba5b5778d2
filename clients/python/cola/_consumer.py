"""Messages of a queue or topic as they come: an iterator of deliveries."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Deque, Dict, Iterable, Iterator, List, Optional, Tuple

from . import _requests as requests
from ._answers import Assigned
from ._connection import Connection, deadline_of
from ._errors import ColaError, ConnectionLost
from ._message import Message
from ._requests import Duration, Start, milliseconds

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Type

# An ack that waited this long for company goes out with the next call, seconds.
ACK_WAIT = 0.005


class Delivery(Message):
    """A message that this connection holds until it is acknowledged, or the connection ends."""

    __slots__ = ("_connection", "_consumer", "_is_settled")

    def __init__(self, consumer: int, delivery: int, offset: int) -> None:
        super().__init__(consumer, delivery, offset)
        self._connection: Optional[Connection] = None
        self._consumer: Optional[Consumer] = None
        self._is_settled = False

    def _belongs_to(self, connection: Connection, is_held: bool, consumer: Optional[Consumer] = None) -> None:
        self._connection = connection if is_held else None
        self._consumer = consumer

    def ack(self) -> None:
        """Done: a queue deletes it; reading a topic, it makes room for the next.

        Acks of neighbouring deliveries travel together. One is on the disk before any later request is answered
        (``Client.ping`` asks for no more than that). With ``ack="auto"`` this does nothing.

        - Raises ValueError: it was settled already. ConnectionLost.
        """
        self._settle("ack")

    def nack(self, delay: Optional[Duration] = None) -> None:
        """Back to its place in the queue, for whoever comes next.

        - delay: to the end of the queue, after so many milliseconds (or a timedelta).
        """
        self._settle("nack", None if delay is None else milliseconds(delay))

    def reject(self) -> None:
        """Not to be delivered again: a dead letter, if its queue says where those go."""
        self._settle("reject")

    def _settle(self, verb: str, delay: Optional[int] = None) -> None:
        connection = self._connection
        if connection is None:
            return
        if self._is_settled:
            raise ValueError(f"delivery {self.delivery} (offset {self.offset}) was settled already")
        self._is_settled = True
        if verb != "ack":
            connection.settle(verb, self.delivery, self.delivery, delay)
            return
        connection.ack(self.delivery)
        consumer = self._consumer
        if consumer is None or consumer.ack_is_due(1):
            connection.flush(None)


class Consumer(Iterator[Delivery]):
    """Iterates over deliveries; made by ``Client.consume``. Ends with its ``timeout``, if it has one, or ``close``."""

    def __init__(
        self,
        connection: Connection,
        name: str,
        number: int,
        is_manual: bool,
        is_topic: bool,
        group: Optional[str],
        timeout: Optional[float],
        ack_every: int,
        request_timeout: Optional[float],
    ) -> None:
        self.name = name
        self.number = number
        self.group = group
        self.timeout = timeout
        self._connection = connection
        self._is_manual = is_manual
        self._is_topic = is_topic  # False also where it is not known
        self._ack_every = ack_every
        self._unwritten_acks = 0
        self._request_timeout = request_timeout
        self._ready: Deque[Delivery] = deque()
        self._error: Optional[ColaError] = None
        self._is_closed = False
        # As a member of a group: the partitions it reads, each with the offset it began at; None before the first.
        self.assignment: Optional[Dict[int, int]] = None
        self.generation = 0

    # What the connection calls

    @property
    def holds(self) -> bool:
        return self._is_manual

    def arrived(self, message: Message) -> None:
        assert isinstance(message, Delivery)
        message._belongs_to(self._connection, self._is_manual, self)
        self._ready.append(message)

    def failed(self, error: ColaError) -> None:
        self._error = error

    def assigned(self, assigned: Assigned) -> None:
        self.assignment, self.generation = assigned.partitions, assigned.generation

    # What the program calls

    def __iter__(self) -> Consumer:
        return self

    def __next__(self) -> Delivery:
        delivery = self.get(self.timeout)
        if delivery is None:
            raise StopIteration
        return delivery

    def get(self, timeout: Optional[float] = None) -> Optional[Delivery]:
        """The next delivery, or None if none came within ``timeout`` seconds (None: wait for ever) or it is closed.

        - Raises Cancelled: the queue or topic was deleted. Damaged: a message failed its check; the next call goes on.
          UnknownDelivery: an ack before was refused. ConnectionLost.
        """
        connection = self._connection
        # An ack does not wait while the program works on the next message.
        if self._unwritten_acks and connection.unsent_for() > ACK_WAIT:
            self._write_acks()
        if not self._ready and not self._is_closed:
            self._unwritten_acks = 0
            connection.wait(self._has_news, deadline_of(timeout))
        try:
            return self._ready.popleft()
        except IndexError:
            pass
        error, self._error = self._error, None
        if error is not None:
            if error.code == "cancelled":
                self._is_closed = True
                connection.remove_receiver(self.number)
            raise error
        problem = connection.ack_problem()
        if problem is not None:
            raise problem
        return None

    def _has_news(self) -> bool:
        return bool(self._ready) or self._error is not None or self._is_closed or self._connection.has_ack_problem

    def ack(self, deliveries: Iterable[Delivery]) -> None:
        """Acknowledges many at once, in as few ranges as they form."""
        if not self._is_manual:
            return
        numbers: List[int] = []
        for delivery in deliveries:
            if not delivery._is_settled:
                delivery._is_settled = True
                numbers.append(delivery.delivery)
        for first, last in ranges(numbers):
            self._connection.ack(first, last)
        if self.ack_is_due(len(numbers)):
            self._connection.flush(None)

    def ack_is_due(self, count: int) -> bool:
        """Takes note of ``count`` acks; true if they should be written now."""
        self._unwritten_acks += count
        if self._unwritten_acks < self._ack_every and self._connection.unsent_for() <= ACK_WAIT:
            return False
        self._unwritten_acks = 0
        return True

    def _write_acks(self) -> None:
        self._unwritten_acks = 0
        self._connection.flush(None)

    def grant(self, count: int) -> None:
        """``count`` more messages, for a consumer that was begun with ``credit``."""
        self._connection.send_untagged(requests.credit(self.number, count))

    def commit(self, delivery: Message) -> None:
        """Says that the group has read up to and with this record; waits until that is on the disk."""
        if self.group is None:
            raise ValueError(f"the consumer of {self.name!r} has no group to commit for; pass group= to consume")
        group, offset, partition = self.group, delivery.offset + 1, delivery.partition or None
        label = f"commit {self.name!r} {group!r} {offset}"
        self._connection.call(
            label, lambda tag: requests.commit(self.name, group, offset, tag, partition), self._request_timeout
        )

    def seek(self, position: Start, partition: Optional[int] = None) -> None:
        """Reads a topic on from there: ``first``, ``last``, ``next``, an offset, or ``@`` and milliseconds since 1970.

        What came before and was not looked at is still handed out. partition: that one alone.
        """
        self._connection.call(
            f"seek {self.number} {position}",
            lambda tag: requests.seek(self.number, position, tag, partition),
            self._request_timeout,
        )

    def close(self) -> None:
        """Takes no more messages, and gives back those that came and were not looked at.

        Deliveries that the program holds can still be acknowledged.
        """
        if self._is_closed:
            return
        self._is_closed = True
        connection = self._connection
        try:
            connection.call(
                f"cancel {self.number} ({self.name!r})",
                lambda tag: requests.cancel(self.number, tag),
                self._request_timeout,
            )
        except ColaError as problem:
            # Its queue was deleted or the connection has ended: then there is nothing to give back.
            if not isinstance(problem, ConnectionLost) and problem.code != "not_found":
                raise
        connection.remove_receiver(self.number)
        unseen = list(self._ready)
        self._ready.clear()
        if self._is_manual and connection.is_open:
            for first, last in ranges([delivery.delivery for delivery in unseen]):
                self._give_back(first, last)

    def _give_back(self, first: int, last: int) -> None:
        """Of a queue: back to their places. A topic's records never left it, and only count as held until an ack."""
        if not self._is_topic:
            try:
                self._connection.call(
                    f"nack {first}-{last}",
                    lambda tag: requests.settle("nack", first, last, tag),
                    self._request_timeout,
                    settled=last - first + 1,
                )
                return
            except ConnectionLost:
                return
            except ColaError as problem:
                if problem.code == "unknown_delivery":  # the queue was deleted meanwhile
                    return
                if problem.code != "mismatch":
                    raise
        self._connection.ack(first, last)

    def __enter__(self) -> Consumer:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()


def ranges(numbers: List[int]) -> List[Tuple[int, int]]:
    """The numbers as ranges of neighbours, in order."""
    ranges: List[Tuple[int, int]] = []
    for number in sorted(numbers):
        if ranges and ranges[-1][1] + 1 == number:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges
