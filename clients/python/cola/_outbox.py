"""What a process has put into a queue and the server has not confirmed yet."""

from __future__ import annotations

import random
from collections import deque
from queue import Full
from typing import TYPE_CHECKING, Deque, Iterator, List, Optional

from . import _requests as requests
from ._answers import Ok
from ._connection import Connection
from ._conversation import Call
from ._errors import ColaError, ConnectionLost, NoAnswer, TooLarge, error_for
from ._reconnect import Reconnect
from ._ticket import Command, Ticket

if TYPE_CHECKING:
    from ._link import Link

# So much may be unconfirmed before a put waits.
_WINDOW = 2_000
_WINDOW_BYTES = 16_777_216
# Of puts of more bytes few may be on their way to the caretaker.
_LARGE, _LARGE_MAX = 65_536, 4
# Given to the connection at most, before it has written what it has.
_OUTGOING_MAX = 262_144
# While a queue is full, how long until it is tried again, seconds.
_AGAIN = Reconnect(first=0.001, most=0.025)
# Without waiting, but into a queue without a limit: how long the server may confirm nothing at all, seconds.
_NO_PROGRESS = 1.0
# How long a put that does not wait still waits for another that is in the middle of one, seconds.
_IN_PASSING = 0.05


class Put(Command):
    """One object on its way: pickled, and with the id by which the queue knows it again, if it is to be retried."""

    __slots__ = ("data", "message_id")

    def __init__(self, data: bytes, message_id: Optional[str]) -> None:
        self.data = data
        self.message_id = message_id

    def reach(self, link: "Link") -> None:
        link.outbox.add(self)


class PutTicket(Ticket):
    """A put whose caller waits: until there is room, or in a queue with a limit until the server has it.

    - is_patient: it may wait for room, until its deadline.
    """

    __slots__ = ("put", "is_patient", "call", "begun", "confirms", "again_at", "waits")

    def __init__(self, put: Put, is_patient: bool, deadline: Optional[float]) -> None:
        super().__init__(deadline)
        self.put = put
        self.is_patient = is_patient
        self.call: Optional[Call] = None
        self.begun: Optional[float] = None
        self.confirms = 0
        self.again_at = 0.0
        self.waits: Iterator[float] = _AGAIN.waits(random.random)

    def reach(self, link: "Link") -> None:
        link.outbox.tickets.append(self)


class Flush(Ticket):
    __slots__ = ()

    def reach(self, link: "Link") -> None:
        link.outbox.flushes.append(self)


class Outbox:
    """Puts without waiting for each confirm, or into a queue with a limit one by one. The caretaker's.

    - is_ready: read by callers: a put may just be handed over.
    """

    def __init__(self, queue: str, retry: bool) -> None:
        self.is_ready = False
        self.is_bounded = False
        self.body_max = 0
        self.tickets: Deque[PutTicket] = deque()
        self.flushes: List[Flush] = []
        self._queue = queue
        self._retry = retry
        self._unsent: Deque[Put] = deque()
        self._pending: Deque[Put] = deque()  # sent, not confirmed
        self._bytes = 0  # of both
        self._confirms = 0
        self._has_been_full = False
        self._has_changed = True
        self._unsure = 0  # of lost connections, not confirmed and not to be sent again
        self._refused = 0
        self._first_refusal: Optional[ColaError] = None

    def has_room(self, put: Put, others: int) -> bool:
        """Called by callers: whether a put may be handed over behind ``others`` that were not looked at yet."""
        size = len(put.data)
        return self.is_ready and others < (_WINDOW if size <= _LARGE else _LARGE_MAX) and size <= self.body_max

    # What the caretaker calls

    @property
    def is_wanted(self) -> bool:
        """Whether there is something to do that needs a connection."""
        return bool(self._unsent or self._pending or self.tickets)

    @property
    def is_active(self) -> bool:
        """Whether there may be something to do."""
        return bool(self._has_changed or self.tickets or self._unsent or self.flushes)

    @property
    def is_empty(self) -> bool:
        return not (self._unsent or self._pending)

    @property
    def count(self) -> int:
        return len(self._unsent) + len(self._pending)

    def add(self, put: Put) -> None:
        self._unsent.append(put)
        self._bytes += len(put.data)

    def work(self, connection: Connection, now: float, timeout: float, blocked: Optional[str]) -> None:
        """Sends what can be sent, and answers the tickets that can be answered."""
        self._serve(connection, now, timeout)
        self._send(connection)
        self._answer_flushes(now, blocked)
        self._look_whether_full()
        self._has_changed = False
        self.is_ready = not (self.is_bounded or self._has_been_full or self._first_refusal or self._unsure)

    def _send(self, connection: Connection) -> None:
        outgoing = 0
        while self._unsent and outgoing <= _OUTGOING_MAX:
            put = self._unsent.popleft()
            self._pending.append(put)
            outgoing = connection.publish(lambda tag: _encoded(self._queue, put, tag), self)

    def _look_whether_full(self) -> None:
        # Until half of the window is free, so that writes and reads are few and large.
        share = 2 if self._has_been_full else 1
        self._has_been_full = self.count * share >= _WINDOW or self._bytes * share >= _WINDOW_BYTES

    def _serve(self, connection: Connection, now: float, timeout: float) -> None:
        while self.tickets:
            ticket = self.tickets[0]
            if ticket.call is None and ticket.is_given_up:
                self.tickets.popleft()
                continue
            if ticket.call is None and len(ticket.put.data) > self.body_max:
                ticket.fail(_too_large(ticket.put, self.body_max))
            elif self.is_bounded:
                self._serve_bounded(ticket, connection, now, timeout)
            else:
                self._serve_unbounded(ticket, now)
            if not ticket.is_answered:
                self._expire_behind(now)
                return
            self.tickets.popleft()

    def _expire_behind(self, now: float) -> None:
        """Answers those whose time is over before it is their turn."""
        if len(self.tickets) > 1:
            for ticket in list(self.tickets)[1:]:
                if ticket.has_expired(now - _IN_PASSING):
                    self.tickets.remove(ticket)
                    ticket.fail(Full())

    def _serve_bounded(self, ticket: PutTicket, connection: Connection, now: float, timeout: float) -> None:
        # One at a time: were several on their way, a later one could find the room that an earlier one did not.
        call = ticket.call
        if call is None:
            if now >= ticket.again_at:
                if self._raise_unsure(ticket):
                    return
                shown = f"put {len(ticket.put.data)} bytes into the queue {self._queue!r}"
                ticket.call, ticket.begun = Call(shown), now
                connection.publish(lambda tag: _encoded(self._queue, ticket.put, tag), ticket.call)
        elif call.ok is not None:
            ticket.answer()
        elif call.error is not None:
            ticket.call = None
            if call.error.code != "full":
                ticket.fail(call.error)
            elif ticket.has_expired(now):
                ticket.fail(Full())
            else:
                ticket.again_at = now + next(ticket.waits)
                if ticket.deadline is not None:
                    ticket.again_at = min(ticket.again_at, ticket.deadline)
        elif ticket.deadline is not None and ticket.begun is not None and now > ticket.begun + timeout:
            # Without a deadline a server that holds publishers back is waited for.
            ticket.fail(NoAnswer(f"no answer to {call.label} within {timeout} s; it may still be carried out"))

    def _serve_unbounded(self, ticket: PutTicket, now: float) -> None:
        if self._raise_unsure(ticket) or self._raise_refusal(ticket):
            return
        self._look_whether_full()
        if ticket.begun is None:
            ticket.begun, ticket.confirms = now, self._confirms
        if not self._has_been_full or not ticket.is_patient and self._confirms > ticket.confirms:
            self.add(ticket.put)
            ticket.answer()
        elif ticket.is_patient and ticket.has_expired(now):
            ticket.fail(Full())
        elif not ticket.is_patient and now > ticket.begun + _NO_PROGRESS:
            # There is no limit to be full; but without any progress the server holds publishers back.
            ticket.fail(Full())

    def work_offline(self, now: float) -> None:
        """Answers the tickets that can be answered without a connection."""
        self._answer_flushes(now)
        while self._unsure and self.tickets:
            self._raise_unsure(self.tickets.popleft())

    def _answer_flushes(self, now: float, blocked: Optional[str] = None) -> None:
        for flush in self.flushes:
            # What is in doubt is told first, even if more waits to be sent: without a server only "unreachable" would
            # be heard.
            if self._raise_unsure(flush):
                continue
            if self.is_empty:
                if not self._raise_refusal(flush):
                    flush.answer()
            elif flush.has_expired(now):
                flush.fail(
                    NoAnswer(
                        f"{self.count} objects put into the queue {self._queue!r} are not confirmed yet"
                        + (f"; the server holds publishers back: {blocked}" if blocked else "")
                    )
                )
        self.flushes = [flush for flush in self.flushes if not (flush.is_answered or flush.is_given_up)]

    def next_look(self) -> Optional[float]:
        """When something is to be done though nothing has happened; None: never."""
        if not (self.flushes or self.tickets):
            return None
        times = [flush.deadline for flush in self.flushes if flush.deadline is not None]
        if self.tickets:
            times += [one.deadline + _IN_PASSING for one in list(self.tickets)[1:] if one.deadline is not None]
            ticket = self.tickets[0]
            if self.is_bounded and ticket.call is None:
                times.append(ticket.again_at)
            elif not self.is_bounded and ticket.is_patient:
                times += [] if ticket.deadline is None else [ticket.deadline]
            elif ticket.begun is not None:
                times.append(ticket.begun + _NO_PROGRESS)
        return min(times, default=None)

    def lost(self, connection: Connection) -> None:
        """What the lost connection did not confirm is sent again or is in doubt."""
        self.is_ready = False
        self._has_changed = True
        if self._retry:
            self._unsent.extendleft(reversed(self._pending))
        else:
            self._unsure += self.count
            self._unsent.clear()
            self._bytes = 0
        self._pending.clear()
        if self.tickets and self.tickets[0].call is not None:
            if self._retry:
                self.tickets[0].call = None
            else:
                ticket = self.tickets.popleft()
                try:
                    connection.check_open()
                except ConnectionLost as problem:
                    ticket.fail(problem)

    def _raise_unsure(self, ticket: Ticket) -> bool:
        count, self._unsure = self._unsure, 0
        if count:
            shown = f"{count} objects put into the queue {self._queue!r}"
            said = f"the connection was lost while {shown} were not confirmed; each may be in it or not"
            ticket.fail(ConnectionLost(said, (shown,)))
        return count > 0

    def _raise_refusal(self, ticket: Ticket) -> bool:
        error, self._first_refusal = self._first_refusal, None
        if error is None:
            return False
        count, self._refused = self._refused, 0
        ticket.fail(
            error_for(
                error.code,
                error.retryable,
                f"{count} of the objects that were put into the queue {self._queue!r} before were refused and are not "
                f"in it; the first because: {error.sentence}",
            )
        )
        return True

    # What the connection calls

    def confirmed(self, count: int, ok: Ok) -> None:
        self._has_changed = True
        self._confirms += count
        for _ in range(count):
            self._bytes -= len(self._pending.popleft().data)

    def refused(self, error: ColaError) -> None:
        self._bytes -= len(self._pending.popleft().data)
        self._has_changed = True
        self._refused += 1
        self._first_refusal = self._first_refusal or error

    def describe(self, count: int) -> str:
        return f"{count} objects put into the queue {self._queue!r}"


def _encoded(queue: str, put: Put, tag: int) -> bytes:
    return requests.pub(queue, put.data, tag, properties=requests.properties(message_id=put.message_id))


def _too_large(put: Put, most: int) -> TooLarge:
    return TooLarge(
        f"the pickled object has {len(put.data)} bytes; the server allows at most {most} (its setting body-max)"
    )
