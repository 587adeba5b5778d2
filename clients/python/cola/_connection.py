"""One connection: requests out, events in, shared by the threads of a program.

There is no thread of its own. Whoever waits for something takes the role of the reader, if nobody has it, and hands
each event to whom it belongs; the others sleep until something has changed. So a program of one thread pays for no
switch, and one with a publisher and a consumer thread needs no second connection. Whoever writes and is held back by
the server reads meanwhile: the server stops reading from a connection that does not read its answers.

Invariants: ``_lock`` guards every field and is never held over a system call. Answers come in the order of the
requests, so what waits is a queue of runs of tags, and a merged ``ok`` costs one step for each run, not for each tag.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import deque
from typing import Callable, Deque, Dict, List, Optional, Protocol, Tuple

from . import _requests as requests
from ._answers import Assigned, Decoder, Err, Event, Notice, Ok
from ._errors import ColaError, ConnectionLost, NoAnswer, ProtocolViolation, error_for
from ._message import Message

# What is written together at most before a thread that only adds to it is made to wait.
_OUTGOING_MAX = 1_048_576
# While somebody else reads, how long a held-back writer waits before it looks whether that is still so.
_LOOK_AGAIN = 0.05
# `bye` does not say whether to try again; section 7 does.
_BYE_RETRY = ("busy", "shutting_down")


class Answered(Protocol):
    """What a run of requests belongs to. Called with the connection's lock held: take note and return."""

    def confirmed(self, count: int, ok: Ok) -> None: ...

    def refused(self, error: ColaError) -> None: ...

    def describe(self, count: int) -> str:
        """The last ``count`` requests that were not answered, for a person."""
        ...


class Receiver(Protocol):
    """Where the messages of a consumer go. Called with the connection's lock held."""

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


def deadline_of(timeout: Optional[float]) -> Optional[float]:
    """A point of the monotonic clock; None is never."""
    return None if timeout is None else time.monotonic() + timeout


def _left(deadline: Optional[float]) -> Optional[float]:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


class Connection:
    def __init__(self, connected: socket.socket, name: str, make_message: Callable[[int, int, int], Message]) -> None:
        connected.setblocking(False)
        self.name = name
        self.blocked: Optional[str] = None  # why the server holds publishers back
        self.last_sent = self.last_received = time.monotonic()
        self._socket = connected
        self._decoder = Decoder(make_message)
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._reading = self._writing = False
        self._outgoing: List[bytes] = []
        self._outgoing_bytes = 0
        self._outgoing_since = 0.0
        self._next_tag = 1
        self._waiting: Deque[_Run] = deque()
        self._receivers: Dict[int, Receiver] = {}
        self._acks: Optional[Tuple[int, int]] = None  # a range that is acknowledged and not yet among the outgoing
        self._ack_problems: Deque[ColaError] = deque(maxlen=100)
        self._held = 0  # deliveries that came and were not settled
        self._bye: Optional[Notice] = None
        self._lost: Optional[Tuple[str, Tuple[str, ...], int]] = None

    # Requests

    def call(
        self,
        label: str,
        make: Callable[[int], bytes],
        timeout: Optional[float],
        is_peek: bool = False,
        settled: int = 0,
    ) -> Call:
        """Sends the request that ``make`` encodes for its tag, and waits for the answer.

        - settled: how many deliveries it settles.
        - Raises ColaError: the server refused. NoAnswer: not answered in time. ConnectionLost.
        """
        call = Call(label, is_peek)
        deadline = deadline_of(timeout)
        with self._lock:
            self._enqueue_tagged(make, call)
            self._held -= settled
        if not self.wait(lambda: call.is_done, deadline):
            held = f"; the server holds publishers back: {self.blocked}" if self.blocked else ""
            raise NoAnswer(
                f"no answer to {label} from {self.name} within {timeout} s; it may still be carried out{held}"
            )
        if call.error is not None:
            raise call.error
        return call

    def publish(self, make: Callable[[int], bytes], owner: Answered) -> int:
        """Puts a request among the outgoing without waiting, and returns how many bytes are there."""
        try:
            with self._lock:
                self._enqueue_tagged(make, owner)
                return self._outgoing_bytes
        except KeyboardInterrupt:
            # Perhaps it was noted and not put among the outgoing: nothing can follow.
            self._lose("the program was interrupted while it published")
            raise

    def _enqueue_tagged(self, make: Callable[[int], bytes], owner: Answered) -> None:
        self._check_open()
        tag = self._next_tag
        self._enqueue(make(tag))
        self._next_tag = tag + 1
        last = self._waiting[-1] if self._waiting else None
        if last is not None and last.owner is owner:
            last.last = tag
        else:
            self._waiting.append(_Run(tag, owner))

    def _enqueue(self, data: bytes) -> None:
        if not self._outgoing:
            self._outgoing_since = time.monotonic()
        # An ack is on the disk before the answer to any later request, so it must stand before that request.
        if self._acks is not None:
            self._move_acks()
        self._outgoing.append(data)
        self._outgoing_bytes += len(data)

    def _check_open(self) -> None:
        if self._lost is not None:
            raise self._lost_again()

    def _lost_again(self) -> ConnectionLost:
        """A fresh exception each time: several threads may raise it, and a traceback belongs to one of them."""
        assert self._lost is not None
        return ConnectionLost(*self._lost)

    # Acknowledging

    def ack(self, delivery: int, last: Optional[int] = None) -> None:
        """Takes note of an ack. Neighbouring deliveries become one line, written with what is written next."""
        last = delivery if last is None else last
        with self._lock:
            self._check_open()
            self._held -= last - delivery + 1
            if self._acks is not None and self._acks[1] + 1 == delivery:
                self._acks = (self._acks[0], last)
                return
            if self._acks is not None:
                self._move_acks()
            if not self._outgoing:
                self._outgoing_since = time.monotonic()
            self._acks = (delivery, last)

    def _move_acks(self) -> None:
        assert self._acks is not None
        line = requests.settle("ack", *self._acks)
        self._acks = None
        self._outgoing.append(line)
        self._outgoing_bytes += len(line)

    def settle(self, verb: str, first: int, last: int, delay: Optional[int] = None) -> None:
        """``nack`` or ``reject``; written at once."""
        self.send_untagged(requests.settle(verb, first, last, delay=delay), settled=last - first + 1)

    def send_untagged(self, data: bytes, settled: int = 0, timeout: Optional[float] = None) -> None:
        """Writes what is answered only if it fails; see ``ack_problem``."""
        with self._lock:
            self._check_open()
            self._held -= settled
            self._enqueue(data)
        self.flush(deadline_of(timeout))

    def hold(self) -> None:
        """A message came in an answer, and is to be acknowledged."""
        with self._lock:
            self._held += 1

    def ack_problem(self) -> Optional[ColaError]:
        """The next refusal of an ack, nack, reject or credit, which carry no tags."""
        with self._lock:
            return self._ack_problems.popleft() if self._ack_problems else None

    @property
    def has_ack_problem(self) -> bool:
        return bool(self._ack_problems)

    def unsent_for(self) -> float:
        """Seconds since the oldest thing was put among the outgoing; 0 if there is nothing."""
        since = self._outgoing_since
        return time.monotonic() - since if self._outgoing or self._acks is not None else 0.0

    # Consumers

    def add_receiver(self, number: int, receiver: Receiver) -> None:
        with self._lock:
            self._receivers[number] = receiver

    def remove_receiver(self, number: int) -> None:
        with self._lock:
            self._receivers.pop(number, None)

    # Waiting, reading, writing

    def wait(self, done: Callable[[], bool], deadline: Optional[float]) -> bool:
        """Writes what is to be written, then reads until ``done``, which is called with the lock held.

        - Returns: False if the deadline came first; what has come by then was read.
        - Raises ConnectionLost: it ended before ``done``.
        """
        has_read = False
        while True:
            self.flush(deadline)
            with self._lock:
                if done():
                    return True
                self._check_open()
                left = _left(deadline)
                if left == 0.0 and (has_read or self._reading):
                    return False
                if self._reading:
                    self._changed.wait(left)
                    continue
                self._reading = has_read = True
            try:
                self._receive(left)
            finally:
                self._leave_reading()

    def flush(self, deadline: Optional[float]) -> None:
        """Writes all that is outgoing; if another thread writes already, that one does, unless there is too much.

        - Raises NoAnswer: the server took nothing more before the deadline. ConnectionLost.
        """
        while True:
            with self._lock:
                if self._acks is not None:
                    self._move_acks()
                if not self._outgoing:
                    return
                self._check_open()
                if self._writing:
                    if self._outgoing_bytes < _OUTGOING_MAX:
                        return
                    if _left(deadline) == 0.0:
                        raise self._takes_nothing()
                    self._changed.wait(_LOOK_AGAIN)
                    continue
                data = self._outgoing[0] if len(self._outgoing) == 1 else b"".join(self._outgoing)
                self._outgoing, self._outgoing_bytes = [], 0
                self._writing = True
            sent = 0
            try:
                sent = self._write(data, deadline)
            except BaseException:
                # Ctrl-C: how much of it was sent is not known, so nothing can follow.
                self._lose("the program was interrupted while it wrote")
                raise
            finally:
                with self._lock:
                    if sent < len(data):
                        self._outgoing.insert(0, data[sent:])
                        self._outgoing_bytes += len(data) - sent
                    self._writing = False
                    self._changed.notify_all()
            if sent < len(data):
                self._raise_if_lost()
                raise self._takes_nothing()

    def _takes_nothing(self) -> NoAnswer:
        return NoAnswer(f"{self.name} takes nothing more" + (f": {self.blocked}" if self.blocked else ""))

    def _raise_if_lost(self) -> None:
        with self._lock:
            self._check_open()

    def _write(self, data: bytes, deadline: Optional[float]) -> int:
        """As much of ``data`` as goes before the deadline and the end of the connection; returns how much."""
        rest = memoryview(data)
        while rest:
            try:
                count = self._socket.send(rest)
            except BlockingIOError:
                if self._lost is not None or not self._wait_to_write(deadline):
                    break
                continue
            except OSError as problem:
                # What the server said before it closed may still be there to read, and says more than this error.
                self._read_last_words()
                self._lose(f"{self.name} closed the connection ({problem.strerror or problem})")
                break
            rest = rest[count:]
            self.last_sent = time.monotonic()
        return len(data) - len(rest)

    def _wait_to_write(self, deadline: Optional[float]) -> bool:
        with self._lock:
            reads = not self._reading
            self._reading = True
        try:
            left = _left(deadline)
            if left == 0.0:
                return False
            # Somebody else reads now, but may stop to: then it is up to this thread.
            wait = left if reads else min(_LOOK_AGAIN, _LOOK_AGAIN if left is None else left)
            if self._poll(reads, True, wait) & select.POLLIN and reads:
                self._receive(0.0)
        finally:
            if reads:
                self._leave_reading()
        return True

    def _leave_reading(self) -> None:
        with self._lock:
            self._reading = False
            self._changed.notify_all()

    def _poll(self, read: bool, write: bool, timeout: Optional[float]) -> int:
        poll = select.poll()
        try:
            poll.register(self._socket, (select.POLLIN if read else 0) | (select.POLLOUT if write else 0))
            found = poll.poll(None if timeout is None else timeout * 1000)
        except (OSError, ValueError):  # closed by another thread
            return select.POLLHUP
        return found[0][1] if found else 0

    def _receive(self, timeout: Optional[float]) -> None:
        """Reads once, as the one thread that may. A connection that ended is noted, not raised."""
        if not self._take_in() and timeout != 0.0 and self._poll(True, False, timeout):
            self._take_in()

    def _take_in(self) -> bool:
        """Reads what is there and hands it over; false if nothing is."""
        try:
            count = self._socket.recv_into(self._decoder.room())
            if count == 0:
                self._lose(f"{self.name} closed the connection")
                return True
            self.last_received = time.monotonic()
            events = self._decoder.received(count)
            with self._lock:
                for event in events:
                    self._dispatch(event)
        except BlockingIOError:
            return False
        except (OSError, ValueError) as problem:
            self._lose(f"the connection to {self.name} broke ({getattr(problem, 'strerror', None) or problem})")
        except ProtocolViolation as problem:
            self._lose(f"{self.name} does not speak the protocol: {problem.sentence}")
        except BaseException:
            # Ctrl-C between two events: some are handed over and some are not, so nothing can be relied on.
            self._lose("the program was interrupted while it read")
            raise
        return True

    def read_what_is_there(self) -> None:
        """Takes in what has come, without waiting, unless another thread is reading."""
        with self._lock:
            if self._reading or self._lost is not None:
                return
            self._reading = True
        try:
            self._receive(0.0)
        finally:
            self._leave_reading()

    def _read_last_words(self) -> None:
        for _ in range(100):
            before = self.last_received
            self.read_what_is_there()
            if self._lost is not None or self.last_received == before:
                return

    def _dispatch(self, event: Event) -> None:
        if isinstance(event, Message):
            receiver = self._receivers.get(event.consumer)
            if receiver is not None:
                self._held += receiver.holds
                receiver.arrived(event)
            elif event.consumer == 0:
                self._dispatch_peeked(event)
        elif isinstance(event, Ok):
            self._dispatch_ok(event)
        elif isinstance(event, Err):
            error = error_for(event.code, event.retry, event.sentence)
            if event.consumer is not None:
                receiver = self._receivers.get(event.consumer)
                if receiver is not None:
                    receiver.failed(error)
            elif event.tag is None:
                self._ack_problems.append(error)
            else:
                self._take(event.tag, event.tag).refused(error)
        elif isinstance(event, Assigned):
            receiver = self._receivers.get(event.consumer)
            if receiver is not None:
                receiver.assigned(event)
        elif event.kind == "blocked":
            self.blocked = event.sentence
        elif event.kind == "unblocked":
            self.blocked = None
        elif event.kind == "bye":
            self._bye = event

    def _dispatch_peeked(self, message: Message) -> None:
        # Not simply to what waits first: messages may come before the answers to requests that are older.
        for run in self._waiting:
            if isinstance(run.owner, Call) and run.owner.is_peek:
                run.owner.messages.append(message)
                return

    def _dispatch_ok(self, ok: Ok) -> None:
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

    def _lose(self, reason: str) -> None:
        with self._lock:
            if self._lost is None:
                if self._bye is not None:
                    reason = f"{self.name} said {self._bye.code}: {self._bye.sentence}"
                in_flight = tuple(run.owner.describe(run.last - run.first + 1) for run in self._waiting)
                self._waiting.clear()
                self._outgoing, self._outgoing_bytes, self._acks = [], 0, None
                self._lost = (reason, in_flight, max(0, self._held))
            self._changed.notify_all()
        self._socket.close()

    def farewell(self) -> Optional[ColaError]:
        """What the server gave as its reason when it closed."""
        bye = self._bye
        return None if bye is None else error_for(bye.code, bye.code in _BYE_RETRY, bye.sentence)

    @property
    def is_open(self) -> bool:
        return self._lost is None

    def lose(self, reason: str) -> None:
        """Ends the connection from this side; threads that wait raise ConnectionLost."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes a thread that sleeps in poll
        except OSError:
            pass
        self._lose(reason)

    def leave_to_parent(self) -> None:
        """In a child process: lets go of the socket, which the parent goes on using."""
        self._socket.close()
