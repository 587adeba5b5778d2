"""What is said on one connection, without the connection: requests in order, answers to whom they belong (sans-IO).

It neither reads, writes nor waits, and knows neither threads nor tasks: the blocking connection and that of
`cola.aio` each move its bytes and call it from one place at a time.

Invariant: answers come in the order of the requests, so what waits is a queue of runs of tags, and a merged ``ok``
costs one step for each run, not for each tag.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Callable, Deque, Dict, List, Optional, Protocol, Tuple

from . import _requests as requests
from ._answers import Assigned, Err, Event, Notice, Ok
from ._errors import ColaError, ConnectionLost, ProtocolViolation, error_for
from ._message import Message

# `bye` does not say whether to try again; section 7 does.
_BYE_RETRY = ("busy", "shutting_down")


class Answered(Protocol):
    """What a run of requests belongs to. Called while answers are taken in: take note and return."""

    def confirmed(self, count: int, ok: Ok) -> None: ...

    def refused(self, error: ColaError) -> None: ...

    def describe(self, count: int) -> str:
        """The last ``count`` requests that were not answered, for a person."""
        ...


class Receiver(Protocol):
    """Where the messages of a consumer go. Called while they are taken in."""

    @property
    def holds(self) -> bool:
        """Whether its messages are to be acknowledged."""
        ...

    def arrived(self, message: Message) -> None: ...

    def failed(self, error: ColaError) -> None: ...

    def assigned(self, assigned: Assigned) -> None: ...


class _Run:
    """Requests with the tags ``first`` to ``last`` that wait for their answers."""

    __slots__ = ("first", "last", "owner")

    def __init__(self, tag: int, owner: Answered) -> None:
        self.first = self.last = tag
        self.owner = owner


class Call:
    """One request and its answer; for ``peek`` with the messages that come before it."""

    __slots__ = ("label", "is_peek", "ok", "error", "messages")

    def __init__(self, label: str, is_peek: bool = False) -> None:
        self.label = label
        self.is_peek = is_peek
        self.ok: Optional[Ok] = None
        self.error: Optional[ColaError] = None
        self.messages: List[Message] = []

    def confirmed(self, count: int, ok: Ok) -> None:
        self.ok = ok

    def refused(self, error: ColaError) -> None:
        self.error = error

    def describe(self, count: int) -> str:
        return self.label

    @property
    def is_done(self) -> bool:
        return self.ok is not None or self.error is not None


class Conversation:
    """The state of one connection.

    - ``name``: the server's, for messages. ``blocked``: why the server holds publishers back, or None.
    - ``held``: deliveries that came and were not settled. ``ack_problems``: refusals of what carries no tag.
    - ``outgoing_bytes``, ``outgoing_since``: what is to be written, and since when the oldest of it waits.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.blocked: Optional[str] = None
        self.held = 0
        self.ack_problems: Deque[ColaError] = deque(maxlen=100)
        self.receivers: Dict[int, Receiver] = {}
        self.outgoing_bytes = 0
        self.outgoing_since = 0.0
        self._outgoing: List[bytes] = []
        self._acks: Optional[Tuple[int, int]] = None  # a range that is acknowledged and not yet among the outgoing
        self._next_tag = 1
        self._waiting: Deque[_Run] = deque()
        self._bye: Optional[Notice] = None
        self._lost: Optional[Tuple[str, Tuple[str, ...], int]] = None

    # Out

    def ask(self, encode: Callable[[int], bytes], owner: Answered) -> None:
        """Puts the request that ``encode`` makes for its tag among the outgoing.

        - Raises ConnectionLost: it has ended.
        """
        if self._lost is not None:
            self.check_open()
        tag = self._next_tag
        self.say(encode(tag))
        self._next_tag = tag + 1
        last = self._waiting[-1] if self._waiting else None
        if last is not None and last.owner is owner:
            last.last = tag
        else:
            self._waiting.append(_Run(tag, owner))

    def say(self, data: bytes) -> None:
        """Puts bytes among the outgoing."""
        if not self._outgoing:
            self.outgoing_since = time.monotonic()
        # An ack is on the disk before the answer to any later request, so it must stand before that request.
        if self._acks is not None:
            self._move_acks()
        self._outgoing.append(data)
        self.outgoing_bytes += len(data)

    def ack(self, first: int, last: int) -> None:
        """Takes note of an ack. Neighbouring deliveries become one line, written with what is written next."""
        self.check_open()
        self.held -= last - first + 1
        if self._acks is not None and self._acks[1] + 1 == first:
            self._acks = (self._acks[0], last)
            return
        if self._acks is not None:
            self._move_acks()
        if not self._outgoing:
            self.outgoing_since = time.monotonic()
        self._acks = (first, last)

    def _move_acks(self) -> None:
        assert self._acks is not None
        line = requests.settle("ack", *self._acks)
        self._acks = None
        self._outgoing.append(line)
        self.outgoing_bytes += len(line)

    @property
    def has_outgoing(self) -> bool:
        return bool(self._outgoing) or self._acks is not None

    def take_outgoing(self) -> bytes:
        """All that is to be written."""
        if self._acks is not None:
            self._move_acks()
        data = self._outgoing[0] if len(self._outgoing) == 1 else b"".join(self._outgoing)
        self._outgoing, self.outgoing_bytes = [], 0
        return data

    def put_back(self, data: bytes) -> None:
        """What was taken and could not be written."""
        self._outgoing.insert(0, data)
        self.outgoing_bytes += len(data)

    def unsent_for(self) -> float:
        """Seconds since the oldest thing was put among the outgoing; 0 if there is nothing."""
        return time.monotonic() - self.outgoing_since if self.has_outgoing else 0.0

    # In

    def heard(self, event: Event) -> None:
        """Hands an event to whom it belongs.

        - Raises ProtocolViolation: it answers nothing that was asked.
        """
        if isinstance(event, Message):
            receiver = self.receivers.get(event.consumer)
            if receiver is not None:
                self.held += receiver.holds
                receiver.arrived(event)
            elif event.consumer == 0:
                self._heard_peeked(event)
        elif isinstance(event, Ok):
            self._heard_ok(event)
        elif isinstance(event, Err):
            error = error_for(event.code, event.retry, event.sentence)
            if event.consumer is not None:
                receiver = self.receivers.get(event.consumer)
                if receiver is not None:
                    receiver.failed(error)
            elif event.tag is None:
                self.ack_problems.append(error)
            else:
                self._take(event.tag, event.tag).refused(error)
        elif isinstance(event, Assigned):
            receiver = self.receivers.get(event.consumer)
            if receiver is not None:
                receiver.assigned(event)
        elif event.kind == "blocked":
            self.blocked = event.sentence
        elif event.kind == "unblocked":
            self.blocked = None
        elif event.kind == "bye":
            self._bye = event

    def _heard_peeked(self, message: Message) -> None:
        # Not simply to what waits first: messages may come before the answers to requests that are older.
        for run in self._waiting:
            if isinstance(run.owner, Call) and run.owner.is_peek:
                run.owner.messages.append(message)
                return

    def _heard_ok(self, ok: Ok) -> None:
        if ok.tag is None:
            raise ProtocolViolation("an ok without a tag, where every request has one")
        tag, last = ok.tag, ok.tag if ok.tag_last is None else ok.tag_last
        while tag <= last:
            end = min(last, self._waiting[0].last) if self._waiting else last
            self._take(tag, end).confirmed(end - tag + 1, ok)
            tag = end + 1

    def _take(self, first: int, last: int) -> Answered:
        """The owner of these tags, which must be the next that wait."""
        run = self._waiting[0] if self._waiting else None
        if run is None or run.first != first:
            expected = "none waits" if run is None else f"{run.first} is next"
            raise ProtocolViolation(f"an answer with the tag {first}, but {expected}")
        if last == run.last:
            self._waiting.popleft()
        else:
            run.first = last + 1
        return run.owner

    # The end

    def end(self, reason: str) -> None:
        """Notes that the connection has ended; only the first reason counts, and the server's own before any."""
        if self._lost is not None:
            return
        if self._bye is not None:
            reason = f"{self.name} said {self._bye.code}: {self._bye.sentence}"
        in_flight = tuple(run.owner.describe(run.last - run.first + 1) for run in self._waiting)
        self._waiting.clear()
        self._outgoing, self.outgoing_bytes, self._acks = [], 0, None
        self._lost = (reason, in_flight, max(0, self.held))

    @property
    def is_open(self) -> bool:
        return self._lost is None

    def check_open(self) -> None:
        """
        - Raises ConnectionLost: a fresh one each time, since a traceback belongs to whom it is raised in.
        """
        if self._lost is not None:
            raise ConnectionLost(*self._lost)

    def farewell(self) -> Optional[ColaError]:
        """What the server gave as its reason when it closed."""
        bye = self._bye
        return None if bye is None else error_for(bye.code, bye.code in _BYE_RETRY, bye.sentence)

    def no_answer(self, label: str, timeout: Optional[float]) -> str:
        held = f"; the server holds publishers back: {self.blocked}" if self.blocked else ""
        return f"no answer to {label} from {self.name} within {timeout} s; it may still be carried out{held}"
