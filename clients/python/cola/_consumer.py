"""Messages of a queue or topic as they come: an iterator of deliveries."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Iterable, Iterator, List, Optional

from . import _requests as requests
from . import _verbs as verbs
from ._connection import Connection, deadline_of
from ._errors import ColaError, ConnectionLost, NotFound
from ._message import Message
from ._requests import Duration, Start, milliseconds
from ._session import Session
from ._subscription import Subscriber, Subscription, ranges

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
        """Back to the queue: as its ``retry`` says, or at once to its place, for whoever comes next.

        - delay: in the place of what the queue says: 0 is at once, to its place; otherwise to the end of the queue,
          after so many milliseconds (or a timedelta).
        """
        self._settle("nack", None if delay is None else milliseconds(delay))

    def reject(self) -> None:
        """Not to be delivered again: a dead letter, if its queue says where those go."""
        self._settle("reject")

    def fail(
        self,
        attempts: Optional[int] = None,
        delay: Optional[Duration] = None,
        detail: Optional[str] = None,
        output: Optional[str] = None,
        default: bool = False,
    ) -> None:
        """A failed attempt, which the message remembers.

        - attempts: tried again after ``delay`` (milliseconds, or a timedelta) unless so many have failed now; then, or
          where it is not said, a dead letter, or parked where the queue names no place for those.
        - detail, output: why, and what there is to read about it; at most 8,192 bytes together.
        - default: a ``retry`` of the queue goes before ``attempts`` and ``delay``.
        """
        line = requests.failed_attempt(self.delivery, attempts, delay, default, detail, output)
        self._settle("fail", line=line)

    def _settle(self, verb: str, delay: Optional[int] = None, line: Optional[bytes] = None) -> None:
        connection = self._connection
        if connection is None:
            return
        if self._is_settled:
            raise ValueError(f"delivery {self.delivery} (offset {self.offset}) was settled already")
        self._is_settled = True
        consumer = self._consumer
        if consumer is not None and not consumer.may_settle(self):
            return
        try:
            if line is not None:
                connection.send_untagged(line, settled=1)
                return
            if verb != "ack":
                connection.settle(verb, self.delivery, self.delivery, delay)
                return
            connection.ack(self.delivery)
            if consumer is None or consumer.ack_is_due(1):
                connection.flush(None)
        except ConnectionLost:
            if consumer is None or consumer.may_settle(self):
                raise


class Consumer(Subscriber[Delivery], Iterator[Delivery]):
    """Iterates over deliveries; made by ``Client.consume``. Ends with its ``timeout``, if it has one, or ``close``.

    With ``reconnect`` it is taken up again after the connection was lost: what was handed out and not acknowledged
    comes again from a queue; a topic is read on behind the last record handed out, or by a member of a group from
    where the group has committed.
    """

    def __init__(
        self,
        session: Session,
        subscription: Subscription,
        timeout: Optional[float],
        ack_every: Optional[int],
        request_timeout: Optional[float],
    ) -> None:
        super().__init__(subscription)
        self.timeout = timeout
        self._session = session
        self._connection = session.live(deadline_of(request_timeout))
        self._ack_every = subscription.acks_together if ack_every is None else ack_every
        self._unwritten_acks = 0
        self._request_timeout = request_timeout
        self._begin([subscription.request(self._take_number())])

    def _take_number(self) -> int:
        self.number = self._session.next_number()
        return self.number

    def _begin(self, asked: "List[verbs.Request[None]]") -> None:
        self._connection.add_receiver(self.number, self)
        try:
            for request in asked:
                self._ask(request)
        except BaseException:
            self._connection.remove_receiver(self.number)
            raise

    def _ask(self, request: "verbs.Request[None]", settled: int = 0) -> None:
        self._connection.call(request.label, request.encode, self._request_timeout, settled=settled)

    def _resume(self, deadline: Optional[float]) -> None:
        """On another connection."""
        self._connection = self._session.live(deadline)
        self._unwritten_acks = 0
        if not self._is_topic:
            try:
                self._session.ask(verbs.describe("topic", self.name), self._request_timeout)
                self._is_topic = True
            except NotFound:
                pass
        self._begin(self._begin_again(self._take_number()))

    # What the connection calls

    def arrived(self, message: Message) -> None:
        assert isinstance(message, Delivery)
        message._belongs_to(self._connection, self.holds, self)
        self._ready.append(message)

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
        deadline = deadline_of(timeout)
        while True:
            try:
                delivery = self._get(deadline)
            except ConnectionLost:
                if self._is_closed or not self._session.reconnects:
                    raise
                if not self._is_resumed(deadline):
                    return None
                continue
            if delivery is None or self._is_news(delivery):
                return delivery
            if self.holds:
                self._connection.ack(delivery.delivery)

    def _is_resumed(self, deadline: Optional[float]) -> bool:
        """False: not before the deadline.

        - Raises ColaError: it cannot be taken up again.
        """
        try:
            self._resume(deadline)
        except ConnectionLost:
            pass  # once more: the caller finds it lost, and the time counts on
        except ColaError as problem:
            if problem.retryable and deadline is not None:
                time.sleep(max(0.0, deadline - time.monotonic()))
                return False
            raise
        return True

    def _get(self, deadline: Optional[float]) -> Optional[Delivery]:
        connection = self._connection
        # An ack does not wait while the program works on the next message.
        if self._unwritten_acks and connection.unsent_for() > ACK_WAIT:
            self._write_acks()
        if not self._ready and not self._is_closed:
            self._unwritten_acks = 0
            connection.wait(self._has_news, deadline)
        try:
            return self._ready.popleft()
        except IndexError:
            pass
        if self._error is not None and self._error.code == "cancelled":
            connection.remove_receiver(self.number)
        self._take_error()
        problem = connection.ack_problem()
        if problem is not None:
            raise problem
        return None

    def _has_news(self) -> bool:
        return bool(self._ready) or self._error is not None or self._is_closed or self._connection.has_ack_problem

    def ack(self, deliveries: Iterable[Delivery]) -> None:
        """Acknowledges many at once, in as few ranges as they form."""
        if not self.holds:
            return
        numbers: List[int] = []
        for delivery in deliveries:
            if not delivery._is_settled and self.may_settle(delivery):
                delivery._is_settled = True
                numbers.append(delivery.delivery)
        try:
            for first, last in ranges(numbers):
                self._connection.ack(first, last)
            if self.ack_is_due(len(numbers)):
                self._connection.flush(None)
        except ConnectionLost:
            # Of a topic there is nothing to settle; and only a client that reconnects knows that it will go on.
            if not (self._is_topic and self._session.reconnects):
                raise

    def may_settle(self, delivery: Delivery) -> bool:
        """False: there is nothing to settle any more. Raises StaleDelivery: it cannot be settled any more."""
        connection = delivery._connection
        return connection is None or self._may_settle(delivery, connection.is_open, self._session.reconnects)

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
        self._session.ask(
            verbs.commit(self.name, self.group, delivery.offset + 1, delivery.partition or None), self._request_timeout
        )

    def seek(self, position: Start, partition: Optional[int] = None) -> None:
        """Reads a topic on from there: ``first``, ``last``, ``next``, an offset, or ``@`` and milliseconds since 1970.

        What came before and was not looked at is still handed out. partition: that one alone.
        """
        self._ask(verbs.seek(self.number, position, partition))
        self._sought(position, partition)

    def close(self) -> None:
        """Takes no more messages, and gives back those that came and were not looked at.

        Deliveries that the program holds can still be acknowledged.
        """
        if self._is_closed:
            return
        self._is_closed = True
        connection = self._connection
        try:
            self._ask(verbs.cancel(self.number, self.name))
        except ColaError as problem:
            # Its queue was deleted or the connection has ended: then there is nothing to give back.
            if not isinstance(problem, ConnectionLost) and problem.code != "not_found":
                raise
        connection.remove_receiver(self.number)
        unseen = list(self._ready)
        self._ready.clear()
        if self.holds and connection.is_open:
            for first, last in ranges([delivery.delivery for delivery in unseen]):
                self._give_back(first, last)

    def _give_back(self, first: int, last: int) -> None:
        """Of a queue: back to their places. A topic's records never left it, and only count as held until an ack."""
        if not self._is_topic:
            try:
                self._ask(verbs.give_back(first, last), settled=last - first + 1)
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
