"""One connection of the asyncio client: a transport and a `Conversation`, shared by the tasks of one event loop."""

from __future__ import annotations

import asyncio
import time
from typing import Callable, Optional, Set, cast

from .. import _requests as requests
from .._address import Address
from .._answers import Decoder, Ok
from .._conversation import Answered, Call, Conversation, Receiver
from .._errors import ColaError, NoAnswer, ProtocolViolation
from .._message import Message

# Written at once, instead of when the loop comes round, if so much waits, bytes.
_BURST = 65_536


def deadline_of(timeout: Optional[float]) -> Optional[float]:
    """A point of the loop's clock; None is never."""
    return None if timeout is None else asyncio.get_running_loop().time() + timeout


class _Waiter:
    """A task that waits until ``done``, or the end of the connection."""

    __slots__ = ("done", "future")

    def __init__(self, done: Callable[[], bool], future: "asyncio.Future[None]") -> None:
        self.done = done
        self.future = future

    def wake(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


class _ReturnableCall(Call):
    """A call that nobody waits for any more may still bring something: ``too_late`` gives it back."""

    __slots__ = ("too_late",)

    def __init__(self, label: str, is_peek: bool) -> None:
        super().__init__(label, is_peek)
        self.too_late: Optional[Callable[[Ok], None]] = None

    def confirmed(self, count: int, ok: Ok) -> None:
        super().confirmed(count, ok)
        if self.too_late is not None:
            self.too_late(ok)


class Connection(asyncio.BufferedProtocol):
    """What is said in one turn of the loop is written together."""

    def __init__(self, name: str, make_message: Callable[[int, int, int], Message]) -> None:
        self.name = name
        self.last_sent = self.last_received = time.monotonic()
        self._loop = asyncio.get_running_loop()
        self._conversation = Conversation(name)
        self._decoder = Decoder(make_message)
        self._transport: Optional[asyncio.Transport] = None
        #: Whether the server takes nothing more just now.
        self.is_held_back = False
        self._will_write = False
        self._waiters: Set[_Waiter] = set()
        self._ended: "asyncio.Future[None]" = self._loop.create_future()

    @classmethod
    async def open(
        cls, address: Address, make_message: Callable[[int, int, int], Message], timeout: Optional[float]
    ) -> Connection:
        """
        - Raises Unreachable: nothing answers there.
        """
        loop = asyncio.get_running_loop()

        def make() -> Connection:
            return cls(f"the server at {address.shown}", make_message)

        try:
            if address.path is not None:
                opening = asyncio.ensure_future(loop.create_unix_connection(make, address.path))
            else:
                opening = asyncio.ensure_future(loop.create_connection(make, address.host, address.port))
            return (await asyncio.wait_for(opening, timeout))[1]
        except asyncio.TimeoutError:
            raise address.unreachable(OSError(f"not within {timeout} s")) from None
        except OSError as problem:
            raise address.unreachable(problem) from problem

    # Requests

    async def call(
        self,
        label: str,
        encode: Callable[[int], bytes],
        timeout: Optional[float],
        is_peek: bool = False,
        settled: int = 0,
        too_late: Optional[Callable[[Ok], None]] = None,
    ) -> Call:
        """Sends a request and waits for the answer.

        - settled: how many deliveries it settles. too_late: what to do with an answer that nobody waits for any more.
        - Raises ColaError: the server refused. NoAnswer: not answered in time. ConnectionLost.
        """
        call = _ReturnableCall(label, is_peek)
        self._conversation.ask(encode, call)
        self._conversation.held -= settled
        self._write_soon()
        try:
            if not await self.wait(lambda: call.is_done, deadline_of(timeout)):
                raise NoAnswer(self._conversation.no_answer(label, timeout))
        except BaseException:
            if call.ok is not None and too_late is not None:
                too_late(call.ok)
            call.too_late = too_late
            raise
        if call.error is not None:
            raise call.error
        return call

    def publish(self, encode: Callable[[int], bytes], owner: Answered) -> None:
        """Puts a request among the outgoing."""
        self._conversation.ask(encode, owner)
        if self._conversation.outgoing_bytes > _BURST:
            self._write()
        else:
            self._write_soon()

    def ack(self, first: int, last: int) -> None:
        """Written when the loop comes round, together with its neighbours."""
        self._conversation.ack(first, last)
        self._write_soon()

    def send_untagged(self, data: bytes, settled: int = 0) -> None:
        """What is answered only if it fails; see ``ack_problem``."""
        self._conversation.check_open()
        self._conversation.held -= settled
        self._conversation.say(data)
        self._write_soon()

    def settle(self, verb: str, first: int, last: int, delay: Optional[int] = None) -> None:
        """``nack`` or ``reject``."""
        self.send_untagged(requests.settle(verb, first, last, delay=delay), settled=last - first + 1)

    def hold(self) -> None:
        """A message came in an answer, and is to be acknowledged."""
        self._conversation.held += 1

    def ack_problem(self) -> Optional[ColaError]:
        """The next refusal of an ack, nack, reject or credit, which carry no tags."""
        problems = self._conversation.ack_problems
        return problems.popleft() if problems else None

    @property
    def has_ack_problem(self) -> bool:
        return bool(self._conversation.ack_problems)

    @property
    def blocked(self) -> Optional[str]:
        return self._conversation.blocked

    def add_receiver(self, number: int, receiver: Receiver) -> None:
        self._conversation.receivers[number] = receiver

    def remove_receiver(self, number: int) -> None:
        self._conversation.receivers.pop(number, None)

    # Waiting

    async def wait(self, done: Callable[[], bool], deadline: Optional[float]) -> bool:
        """Waits until ``done``.

        - Returns: False if the deadline came first.
        - Raises ConnectionLost: it ended before ``done``.
        """
        if done():
            return True
        self._conversation.check_open()
        waiter = _Waiter(done, self._loop.create_future())
        timer = None if deadline is None else self._loop.call_at(deadline, waiter.wake)
        self._waiters.add(waiter)
        try:
            await waiter.future
        finally:
            self._waiters.discard(waiter)
            if timer is not None:
                timer.cancel()
        if done():
            return True
        self._conversation.check_open()
        return False

    async def drain(self, deadline: Optional[float]) -> None:
        """Waits while the server takes nothing more.

        - Raises NoAnswer: the deadline came first. ConnectionLost.
        """
        self._conversation.check_open()
        if self.is_held_back and not await self.wait(lambda: not self.is_held_back, deadline):
            raise NoAnswer(f"{self.name} takes nothing more" + (f": {self.blocked}" if self.blocked else ""))

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not self.is_open or waiter.done():
                waiter.wake()

    # Writing

    def _write_soon(self) -> None:
        if not self._will_write:
            self._will_write = True
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        self._will_write = False
        if self._transport is None or self.is_held_back or not self._conversation.has_outgoing:
            return
        if not self.is_open:
            return
        self._transport.write(self._conversation.take_outgoing())
        self.last_sent = time.monotonic()

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._decoder.room()

    def buffer_updated(self, count: int) -> None:
        self.last_received = time.monotonic()
        try:
            for event in self._decoder.received(count):
                self._conversation.heard(event)
        except ProtocolViolation as problem:
            self.lose(f"{self.name} does not speak the protocol: {problem.sentence}")
            return
        self._wake()

    def pause_writing(self) -> None:
        self.is_held_back = True

    def resume_writing(self) -> None:
        self.is_held_back = False
        self._write_soon()
        self._wake()

    def connection_lost(self, problem: Optional[Exception]) -> None:
        if problem is None:
            self.lose(f"{self.name} closed the connection")
        else:
            self.lose(f"the connection to {self.name} broke ({getattr(problem, 'strerror', None) or problem})")
        if not self._ended.done():
            self._ended.set_result(None)

    # The end

    @property
    def is_open(self) -> bool:
        return self._conversation.is_open

    def farewell(self) -> Optional[ColaError]:
        """What the server gave as its reason when it closed."""
        return self._conversation.farewell()

    def lose(self, reason: str) -> None:
        """Ends the connection from this side; tasks that wait raise ConnectionLost."""
        self._conversation.end(reason)
        self._wake()
        if self._transport is not None:
            self._transport.abort()

    async def ended(self) -> None:
        """Waits until the socket is closed; call ``lose`` before."""
        await asyncio.shield(self._ended)
