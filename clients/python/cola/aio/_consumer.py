"""Messages of a queue or topic as they come: an asynchronous iterator of deliveries."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, AsyncIterator, Iterable, List, Optional

from .. import _requests as requests
from .. import _verbs as verbs
from .._answers import Ok
from .._errors import ColaError, ConnectionLost, NoAnswer, NotFound
from .._message import Message
from .._requests import Duration, Start, milliseconds
from .._subscription import Subscriber, Subscription, ranges
from ._connection import Connection, deadline_of
from ._session import Session

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Type


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

    async def ack(self) -> None:
        """Done: a queue deletes it; reading a topic, it makes room for the next.

        Written when the event loop comes round, together with its neighbours. It is on the disk before any later
        request is answered (``Client.ping`` asks for no more than that). With ``ack="auto"`` this does nothing.

        - Raises ValueError: it was settled already. ConnectionLost; with ``reconnect`` StaleDelivery.
        """
        await self._settle("ack")

    async def nack(self, delay: Optional[Duration] = None) -> None:
        """Back to the queue: as its ``retry`` says, or at once to its place, for whoever comes next.

        - delay: in the place of what the queue says: 0 is at once, to its place; otherwise to the end of the queue,
          after so many milliseconds (or a timedelta).
        """
        await self._settle("nack", None if delay is None else milliseconds(delay))

    async def reject(self) -> None:
        """Not to be delivered again: a dead letter, if its queue says where those go."""
        await self._settle("reject")

    async def fail(
        self,
        attempts: Optional[int] = None,
        delay: Optional[Duration] = None,
        detail: Optional[str] = None,
        output: Optional[str] = None,
        default: bool = False,
    ) -> None:
        """A failed attempt, which the message remembers; see ``fail`` of ``cola.Delivery``."""
        line = requests.failed_attempt(self.delivery, attempts, delay, default, detail, output)
        await self._settle("fail", line=line)

    async def _settle(self, verb: str, delay: Optional[int] = None, line: Optional[bytes] = None) -> None:
        connection = self._connection
        if connection is None:
            return
        if self._is_settled:
            raise ValueError(f"delivery {self.delivery} (offset {self.offset}) was settled already")
        self._is_settled = True
        if self._consumer is not None and not self._consumer.may_settle(self):
            return
        if line is not None:
            connection.send_untagged(line, settled=1)
        elif verb == "ack":
            connection.ack(self.delivery, self.delivery)
        else:
            connection.settle(verb, self.delivery, self.delivery, delay)
        await connection.drain(None)


class Consumer(Subscriber[Delivery], AsyncIterator[Delivery]):
    """Iterates over deliveries; made by ``Client.consume``. Ends with its ``timeout``, if it has one, or ``close``.

    With ``reconnect`` it is taken up again after the connection was lost, as the blocking ``cola.Consumer`` is. A
    ``get`` that is cancelled takes no message.
    """

    def __init__(
        self, session: Session, subscription: Subscription, timeout: Optional[float], request_timeout: Optional[float]
    ) -> None:
        super().__init__(subscription)
        self.timeout = timeout
        self._session = session
        self._connection = session.connection
        self._request_timeout = request_timeout
        self._is_begun = False

    async def begin(self) -> None:
        self._connection = await self._session.live(deadline_of(self._request_timeout))
        self.number = self._session.next_number()
        await self._begin([self._subscription.request(self.number)])

    async def _begin(self, asked: "List[verbs.Request[None]]") -> None:
        self._is_begun = False
        self._connection.add_receiver(self.number, self)
        try:
            for request in asked:
                await self._ask(request)
        except (NoAnswer, asyncio.CancelledError):
            self._leave()
            raise
        except BaseException:
            self._connection.remove_receiver(self.number)
            raise
        self._is_begun = True

    async def _ask(self, request: "verbs.Request[None]", settled: int = 0) -> None:
        await self._connection.call(request.label, request.encode, self._request_timeout, settled=settled)

    def _leave(self) -> None:
        """Ends what may have begun without waiting for it: what still comes goes back."""
        left = _Left(self._connection, self.number, self.holds and not self._is_topic)
        self._ready.clear()
        if self._connection.is_open:
            self._connection.add_receiver(self.number, left)
            self._connection.publish(verbs.cancel(self.number, self.name).encode, left)

    async def _resume(self, deadline: Optional[float]) -> None:
        """On another connection."""
        self._connection = await self._session.live(deadline)
        if not self._is_topic:
            try:
                await self._session.ask(verbs.describe("topic", self.name), self._request_timeout)
                self._is_topic = True
            except NotFound:
                pass
        await self._begin(self._begin_again(self._session.next_number()))

    # What the connection calls

    def arrived(self, message: Message) -> None:
        assert isinstance(message, Delivery)
        message._belongs_to(self._connection, self.holds, self)
        self._ready.append(message)

    # What the program calls

    def __aiter__(self) -> Consumer:
        return self

    async def __anext__(self) -> Delivery:
        delivery = await self.get(self.timeout)
        if delivery is None:
            raise StopAsyncIteration
        return delivery

    async def get(self, timeout: Optional[float] = None) -> Optional[Delivery]:
        """The next delivery, or None if none came within ``timeout`` seconds (None: wait for ever) or it is closed.

        - Raises Cancelled: the queue or topic was deleted. Damaged: a message failed its check; the next call goes on.
          UnknownDelivery: an ack before was refused. ConnectionLost.
        """
        deadline = deadline_of(timeout)
        while True:
            try:
                delivery = await self._get(deadline)
            except ConnectionLost:
                if self._is_closed or not self._session.reconnects:
                    raise
                if not await self._is_resumed(deadline):
                    return None
                continue
            if delivery is None or self._is_news(delivery):
                return delivery
            if self.holds:
                self._connection.ack(delivery.delivery, delivery.delivery)

    async def _is_resumed(self, deadline: Optional[float]) -> bool:
        """False: not before the deadline.

        - Raises ColaError: it cannot be taken up again.
        """
        try:
            await self._resume(deadline)
        except ConnectionLost:
            pass  # once more: the caller finds it lost, and the time counts on
        except ColaError as problem:
            if problem.retryable and deadline is not None:
                await asyncio.sleep(deadline - asyncio.get_running_loop().time())
                return False
            raise
        return True

    async def _get(self, deadline: Optional[float]) -> Optional[Delivery]:
        if not self._is_begun and not self._is_closed:
            # A resumption was cancelled half-way.
            await self._begin(self._begin_again(self._session.next_number()))
        if not self._ready and not self._is_closed:
            await self._connection.wait(self._has_news, deadline)
        if self._ready:
            return self._ready.popleft()
        if self._error is not None and self._error.code == "cancelled":
            self._connection.remove_receiver(self.number)
        self._take_error()
        problem = self._connection.ack_problem()
        if problem is not None:
            raise problem
        return None

    def _has_news(self) -> bool:
        return bool(self._ready) or self._error is not None or self._is_closed or self._connection.has_ack_problem

    async def ack(self, deliveries: Iterable[Delivery]) -> None:
        """Acknowledges many at once, in as few ranges as they form."""
        if not self.holds:
            return
        numbers: List[int] = []
        for delivery in deliveries:
            if not delivery._is_settled and self.may_settle(delivery):
                delivery._is_settled = True
                numbers.append(delivery.delivery)
        for first, last in ranges(numbers):
            self._connection.ack(first, last)
        await self._connection.drain(None)

    def may_settle(self, delivery: Delivery) -> bool:
        """False: there is nothing to settle any more. Raises StaleDelivery: it cannot be settled any more."""
        connection = delivery._connection
        return connection is None or self._may_settle(delivery, connection.is_open, self._session.reconnects)

    async def grant(self, count: int) -> None:
        """``count`` more messages, for a consumer that was begun with ``credit``."""
        self._connection.send_untagged(requests.credit(self.number, count))
        await self._connection.drain(None)

    async def commit(self, delivery: Message) -> None:
        """Says that the group has read up to and with this record; waits until that is on the disk."""
        if self.group is None:
            raise ValueError(f"the consumer of {self.name!r} has no group to commit for; pass group= to consume")
        await self._session.ask(
            verbs.commit(self.name, self.group, delivery.offset + 1, delivery.partition or None), self._request_timeout
        )

    async def seek(self, position: Start, partition: Optional[int] = None) -> None:
        """Reads a topic on from there: ``first``, ``last``, ``next``, an offset, or ``@`` and milliseconds since 1970.

        What came before and was not looked at is still handed out. partition: that one alone.
        """
        await self._ask(verbs.seek(self.number, position, partition))
        self._sought(position, partition)

    async def close(self) -> None:
        """Takes no more messages, and gives back those that came and were not looked at.

        Deliveries that the program holds can still be acknowledged.
        """
        if self._is_closed:
            return
        self._is_closed = True
        connection = self._connection
        try:
            await self._ask(verbs.cancel(self.number, self.name))
        except ColaError as problem:
            # Its queue was deleted or the connection has ended: then there is nothing to give back.
            if not isinstance(problem, ConnectionLost) and problem.code != "not_found":
                raise
        connection.remove_receiver(self.number)
        unseen = [delivery.delivery for delivery in self._ready]
        self._ready.clear()
        if self.holds and connection.is_open:
            for first, last in ranges(unseen):
                await self._give_back(first, last)

    async def _give_back(self, first: int, last: int) -> None:
        """Of a queue: back to their places. A topic's records never left it, and only count as held until an ack."""
        if not self._is_topic:
            try:
                await self._ask(verbs.give_back(first, last), settled=last - first + 1)
                return
            except ConnectionLost:
                return
            except ColaError as problem:
                if problem.code == "unknown_delivery":  # the queue was deleted meanwhile
                    return
                if problem.code != "mismatch":
                    raise
        self._connection.ack(first, last)

    async def __aenter__(self) -> Consumer:
        return self

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.close()


class _Left:
    """In the place of a consumer that nobody waits for any more, until the server has heard of it."""

    def __init__(self, connection: Connection, number: int, gives_back: bool) -> None:
        self._connection = connection
        self._number = number
        self._gives_back = gives_back

    @property
    def holds(self) -> bool:
        return self._gives_back

    def arrived(self, message: Message) -> None:
        if self._gives_back:
            number = message.delivery
            self._connection.send_untagged(requests.give_back(number, number), settled=1)

    def failed(self, error: ColaError) -> None:
        pass  # nobody is there to hear of it

    def assigned(self, assigned: object) -> None:
        pass

    def confirmed(self, count: int, ok: Ok) -> None:
        self._connection.remove_receiver(self._number)

    def refused(self, error: ColaError) -> None:
        self._connection.remove_receiver(self._number)

    def describe(self, count: int) -> str:
        return f"cancel {self._number}"
