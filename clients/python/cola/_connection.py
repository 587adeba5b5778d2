"""One connection of the blocking client: a socket and a `Conversation`, shared by the threads of a program.

There is no thread of its own. Whoever waits for something takes the role of the reader, if nobody has it, and hands
each event to whom it belongs; the others sleep until something has changed. So a program of one thread pays for no
switch, and one with a publisher and a consumer thread needs no second connection. Whoever writes and is held back by
the server reads meanwhile: the server stops reading from a connection that does not read its answers.

Invariant: ``_lock`` guards every field and is never held over a system call.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from typing import Callable, Optional

from . import _requests as requests
from ._answers import Decoder
from ._conversation import Answered, Call, Conversation, Receiver
from ._errors import ColaError, NoAnswer, ProtocolViolation
from ._message import Message

# What is written together at most before a thread that only adds to it is made to wait.
_OUTGOING_MAX = 1_048_576
# While somebody else reads, how long a held-back writer waits before it looks whether that is still so.
_LOOK_AGAIN = 0.05


def deadline_of(timeout: Optional[float]) -> Optional[float]:
    """A point of the monotonic clock; None is never."""
    return None if timeout is None else time.monotonic() + timeout


def _left(deadline: Optional[float]) -> Optional[float]:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


class Connection:
    def __init__(self, connected: socket.socket, name: str, make_message: Callable[[int, int, int], Message]) -> None:
        connected.setblocking(False)
        self.name = name
        self.last_sent = self.last_received = time.monotonic()
        self._socket = connected
        self._decoder = Decoder(make_message)
        self._conversation = Conversation(name)
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._reading = self._writing = False

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
            self._conversation.ask(make, call)
            self._conversation.held -= settled
        if not self.wait(lambda: call.is_done, deadline):
            raise NoAnswer(self._conversation.no_answer(label, timeout))
        if call.error is not None:
            raise call.error
        return call

    def publish(self, make: Callable[[int], bytes], owner: Answered) -> int:
        """Puts a request among the outgoing without waiting, and returns how many bytes are there."""
        try:
            with self._lock:
                self._conversation.ask(make, owner)
                return self._conversation.outgoing_bytes
        except KeyboardInterrupt:
            # Perhaps it was noted and not put among the outgoing: nothing can follow.
            self._lose("the program was interrupted while it published")
            raise

    # Acknowledging

    def ack(self, delivery: int, last: Optional[int] = None) -> None:
        """Takes note of an ack. Neighbouring deliveries become one line, written with what is written next."""
        with self._lock:
            self._conversation.ack(delivery, delivery if last is None else last)

    def settle(self, verb: str, first: int, last: int, delay: Optional[int] = None) -> None:
        """``nack`` or ``reject``; written at once."""
        self.send_untagged(requests.settle(verb, first, last, delay=delay), settled=last - first + 1)

    def send_untagged(self, data: bytes, settled: int = 0, timeout: Optional[float] = None) -> None:
        """Writes what is answered only if it fails; see ``ack_problem``."""
        with self._lock:
            self._conversation.check_open()
            self._conversation.held -= settled
            self._conversation.say(data)
        self.flush(deadline_of(timeout))

    def hold(self) -> None:
        """A message came in an answer, and is to be acknowledged."""
        with self._lock:
            self._conversation.held += 1

    def ack_problem(self) -> Optional[ColaError]:
        """The next refusal of an ack, nack, reject or credit, which carry no tags."""
        with self._lock:
            problems = self._conversation.ack_problems
            return problems.popleft() if problems else None

    @property
    def has_ack_problem(self) -> bool:
        return bool(self._conversation.ack_problems)

    def unsent_for(self) -> float:
        """Seconds since the oldest thing was put among the outgoing; 0 if there is nothing."""
        return self._conversation.unsent_for()

    @property
    def blocked(self) -> Optional[str]:
        """Why the server holds publishers back, as far as was read."""
        return self._conversation.blocked

    # Consumers

    def add_receiver(self, number: int, receiver: Receiver) -> None:
        with self._lock:
            self._conversation.receivers[number] = receiver

    def remove_receiver(self, number: int) -> None:
        with self._lock:
            self._conversation.receivers.pop(number, None)

    # Waiting, reading, writing

    def wait(self, done: Callable[[], bool], deadline: Optional[float]) -> bool:
        """Writes what is to be written, then reads until ``done``, which is called with the lock held.

        - Returns: False if the deadline came first; what has come by then was read.
        - Raises ConnectionLost: it ended before ``done``.
        """
        has_read = False
        while True:
            self.flush(deadline)
            is_reading = False
            try:
                with self._lock:
                    if done():
                        return True
                    self._conversation.check_open()
                    left = _left(deadline)
                    if left == 0.0 and (has_read or self._reading):
                        return False
                    if self._reading:
                        self._changed.wait(left)
                        continue
                    self._reading = is_reading = has_read = True
                self._receive(left)
            finally:
                if is_reading:
                    self._leave_reading()

    def flush(self, deadline: Optional[float]) -> None:
        """Writes all that is outgoing; if another thread writes already, that one does, unless there is too much.

        - Raises NoAnswer: the server took nothing more before the deadline. ConnectionLost.
        """
        while True:
            data, sent, is_writing = b"", 0, False
            try:
                with self._lock:
                    if not self._conversation.has_outgoing:
                        return
                    self._conversation.check_open()
                    if self._writing:
                        if self._conversation.outgoing_bytes < _OUTGOING_MAX:
                            return
                        if _left(deadline) == 0.0:
                            raise self._takes_nothing()
                        self._changed.wait(_LOOK_AGAIN)
                        continue
                    self._writing = is_writing = True
                    data = self._conversation.take_outgoing()
                sent = self._write(data, deadline)
            except BaseException:
                # Ctrl-C: how much of it was sent is not known, so nothing can follow.
                if is_writing:
                    self._lose("the program was interrupted while it wrote")
                raise
            finally:
                if is_writing:
                    with self._lock:
                        if sent < len(data):
                            self._conversation.put_back(data[sent:])
                        self._writing = False
                        self._changed.notify_all()
            if sent < len(data):
                with self._lock:
                    self._conversation.check_open()
                raise self._takes_nothing()

    def _takes_nothing(self) -> NoAnswer:
        return NoAnswer(f"{self.name} takes nothing more" + (f": {self.blocked}" if self.blocked else ""))

    def _write(self, data: bytes, deadline: Optional[float]) -> int:
        """As much of ``data`` as goes before the deadline and the end of the connection; returns how much."""
        rest = memoryview(data)
        while rest:
            try:
                count = self._socket.send(rest)
            except BlockingIOError:
                if not self.is_open or not self._wait_to_write(deadline):
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
                    self._conversation.heard(event)
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
            if self._reading or not self.is_open:
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
            if not self.is_open or self.last_received == before:
                return

    # The end

    def _lose(self, reason: str) -> None:
        with self._lock:
            self._conversation.end(reason)
            self._changed.notify_all()
        self._socket.close()

    def farewell(self) -> Optional[ColaError]:
        """What the server gave as its reason when it closed."""
        return self._conversation.farewell()

    @property
    def is_open(self) -> bool:
        return self._conversation.is_open

    @property
    def has_outgoing(self) -> bool:
        return self._conversation.has_outgoing

    def fileno(self) -> int:
        """Of the socket; -1 once it is closed."""
        return self._socket.fileno()

    def check_open(self) -> None:
        """
        - Raises ConnectionLost: it has ended.
        """
        self._conversation.check_open()

    def lose(self, reason: str) -> None:
        """Ends the connection from this side; threads that wait raise ConnectionLost."""
        # The reason first: a thread that sleeps in poll wakes with the shutdown, and would say that the server closed.
        with self._lock:
            self._conversation.end(reason)
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._lose(reason)

    def leave_to_parent(self) -> None:
        """In a child process: lets go of the socket, which the parent goes on using."""
        self._socket.close()
