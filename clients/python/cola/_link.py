"""One process's connection to a queue, and the thread that has it to itself."""

from __future__ import annotations

import _thread
import copy
import select
import signal
import socket
import time
from collections import deque
from multiprocessing.util import Finalize
from typing import Any, Deque, Dict, Iterator, List, Optional

from ._client import Client, connect
from ._connection import Connection
from ._conversation import Call
from ._errors import ColaError, ConnectionLost, NoAnswer
from ._inbox import Inbox
from ._outbox import Outbox
from ._reconnect import Reconnect
from ._settings import Settings
from ._ticket import Command, Ticket
from ._verbs import Request

# The longest that a put or an acknowledgement waits for company, seconds.
_GATHER = 0.002
# How long a write may wait for the server to take more, while other work waits, seconds.
_WRITE = 0.002
# How long the end waits for the last confirms, seconds.
FAREWELL = 30.0
# How long the server may take for an answer, seconds.
_TIMEOUT = 30.0
# Finalizers of multiprocessing run from the highest to the lowest, and children are joined between those that are at
# least 0 and those below.
_BEFORE_CHILDREN_END = 10


class Question(Ticket):
    """A request that may be asked again over another connection."""

    __slots__ = ("request", "call")

    def __init__(self, request: "Request[Any]") -> None:
        super().__init__()
        self.request = request
        self.call: Optional[Call] = None

    def reach(self, link: "Link") -> None:
        link.questions.append(self)


class Opening(Ticket):
    """Wants a connection, to a queue that is made if it is not there. Tried once."""

    __slots__ = ()

    def reach(self, link: "Link") -> None:
        link.openings.append(self)


class Closing(Ticket):
    """Wants the end of the link: when everything is confirmed, or its deadline has come.

    - is_final: what the program has not done is given up, too.
    """

    __slots__ = ("is_final",)

    def __init__(self, deadline: Optional[float], is_final: bool) -> None:
        super().__init__(deadline)
        self.is_final = is_final

    def reach(self, link: "Link") -> None:
        link.closings.append(self)


class Link:
    """Outbox and inbox over one connection, and over the next when it is lost.

    A signal handler may raise anywhere in a call of the main thread: in the middle of a write, or holding a lock. So no
    call reads, writes or locks anything. It hands a command to the caretaker, a thread of this link in which no signal
    handler runs, and waits for a lock of its own (``Ticket``). Commands are added by one call into C; if that is cut
    off, it was done or it was not.

    The caretaker is started by the first command, as `threading` would not do it: ``Thread.start`` waits for a
    Condition, which an exception at the wrong place leaves locked for ever. It ends with the program.

    Invariant: fields without a word about callers are the caretaker's alone.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.outbox = Outbox(settings.name, settings.retry)
        self.inbox = Inbox(settings.name, settings.acknowledge == "done")
        self.questions: List[Question] = []
        self.openings: List[Opening] = []
        self.closings: List[Closing] = []
        self.waits_at_exit = True  # set by callers
        self._client: Optional[Client] = None
        self._connection: Optional[Connection] = None
        self._commands: Deque[Command] = deque()  # filled by callers
        self._caretakers: Dict[int, object] = {}  # the one that counts, under 0
        self._is_running = self._is_asleep = self._is_gathering = False  # read by callers
        self._is_urgent = False  # set by callers, too
        self._sleeper: Optional[socket.socket] = None
        self._waker: Optional[socket.socket] = None  # written to by callers
        self._at_exit: Optional[Finalize] = None
        self._is_closed = self._is_over = False
        self._wants_to_write = False
        self._attempts: Optional[Iterator[float]] = None
        self._attempts_begun = self._next_attempt = 0.0
        self._has_given_up = False

    # What callers call

    def hand(self, command: Command, is_urgent: bool = True) -> None:
        """Hands something over; what is not urgent waits a little for company."""
        self._commands.append(command)
        if is_urgent:
            self._is_urgent = True
        if not self._is_running:
            self._start()
        elif self._is_asleep or (is_urgent and self._is_gathering):
            self._wake()

    def ask(self, ticket: Ticket) -> object:
        """Hands a ticket over and waits for its answer."""
        try:
            self.hand(ticket)
            return ticket.wait()
        except BaseException:
            ticket.is_given_up = True
            raise

    @property
    def backlog(self) -> int:
        """How many commands were not looked at yet."""
        return len(self._commands)

    @property
    def is_used(self) -> bool:
        """Whether anything was ever asked of it."""
        return self._is_running or bool(self._commands)

    def _start(self) -> None:
        # Cut off in between, the next call does it again; of two caretakers the second ends at once.
        if self._at_exit is None:
            self._at_exit = Finalize(None, self.finish, exitpriority=_BEFORE_CHILDREN_END)
        _thread.start_new_thread(self._run, ())

    def _wake(self) -> None:
        waker = self._waker
        try:
            if waker is not None:
                waker.send(b"\0")
        except OSError:
            pass  # it is awake: there is more in the socket than it has read, or it has ended

    def abandon(self) -> None:
        """Has the caretaker finish; may be called from anywhere, since nothing is waited for."""
        if self._is_running or self._commands:
            self.hand(Closing(time.monotonic() + FAREWELL, True))

    def finish(self) -> None:
        """Waits until all that was put is confirmed, gives back what was not taken, and closes."""
        if self._is_running or self._commands:
            self.ask(Closing(time.monotonic() + FAREWELL, True))

    def leave_to_parent(self) -> None:
        """In a child after ``fork``: lets go of it without a word to the server."""
        if self._connection is not None:
            self._connection.leave_to_parent()
        for end in (self._sleeper, self._waker):
            if end is not None:
                end.close()

    # The caretaker

    def _run(self) -> None:
        # One that came to this thread would not wake the main thread, which handles it.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        me = object()
        if self._caretakers.setdefault(0, me) is not me:
            return
        problem: BaseException = ConnectionLost(f"the queue {self.settings.name!r} was closed")
        try:
            self._sleeper, self._waker = socket.socketpair()
            self._sleeper.setblocking(False)
            self._waker.setblocking(False)
            self._is_over = self._is_asleep = self._is_gathering = False
            self._is_running = True
            while not self._is_over:
                self._turn()
        except BaseException as bug:
            problem = bug  # whoever waits is told
            raise
        finally:
            self._end(problem)

    def _end(self, problem: BaseException) -> None:
        self._close()
        if self._at_exit is not None:
            self._at_exit.cancel()
            self._at_exit = None
        self._is_running = False
        self._take_commands()
        self._fail_all(problem)
        for closing in self.closings:
            closing.answer()
        self.closings = []
        for end in (self._sleeper, self._waker):
            if end is not None:
                end.close()
        self._sleeper = self._waker = None
        self._caretakers.clear()
        if self._commands:  # come since, and the caretaker that they started found this one
            self._start()

    def _turn(self) -> None:
        self._is_urgent = False
        self._take_commands()
        if self._is_closed:
            self._is_over = True
            return
        now = time.monotonic()
        if self._connection is None:
            self.inbox.settle(now)
            self.outbox.work_offline(now)
            self._keep_open(now)
            now = time.monotonic()
        connection = self._connection
        if connection is not None:
            if self.openings:
                self._answer_openings()
            try:
                if self.inbox.is_active:
                    self.inbox.work(now, _TIMEOUT, may_ask=not self.closings)
                if self.outbox.is_active:
                    self.outbox.work(connection, now, _TIMEOUT, connection.blocked)
                if self.questions:
                    self._ask_questions(connection, now)
                self._write(connection)
            except ConnectionLost:
                pass
            if not connection.is_open:
                self._lost(connection)
        if self._may_end(now):
            self._is_closed = self._is_over = True
            return
        self._sleep(now)

    def _take_commands(self) -> None:
        for _ in range(len(self._commands)):
            self._has_given_up = False
            self._commands.popleft().reach(self)

    def _ask_questions(self, connection: Connection, now: float) -> None:
        for question in self.questions:
            call = question.call
            if call is None:
                question.call = Call(question.request.label)
                connection.publish(question.request.encode, question.call)
                question.deadline = now + _TIMEOUT
            elif call.error is not None:
                question.fail(call.error)
            elif call.ok is not None:
                try:
                    question.answer(question.request.read(call))
                except ColaError as problem:
                    question.fail(problem)
            elif question.has_expired(now):
                question.fail(NoAnswer(f"no answer to {call.label} from {connection.name} within {_TIMEOUT} s"))
        self.questions = [question for question in self.questions if not question.is_answered]

    def _write(self, connection: Connection) -> None:
        self._wants_to_write = False
        try:
            if connection.has_outgoing:
                connection.flush(time.monotonic() + _WRITE)
        except NoAnswer:
            self._wants_to_write = True  # the server takes nothing more just now

    def _sleep(self, now: float) -> None:
        """Until there is something to do."""
        looks = [self.outbox.next_look()]
        if self.inbox.is_active:
            looks.append(self.inbox.next_look(now, _TIMEOUT))
        if self._connection is None:
            looks = [self._next_attempt] if self._is_wanted else []
        looks += [closing.deadline for closing in self.closings if not closing.is_answered]
        looks += [question.deadline for question in self.questions]
        until = min((look for look in looks if look is not None), default=None)
        timeout = None if until is None else max(0.0, until - now)
        self._is_asleep = True
        if self._commands:
            timeout = 0.0
        is_woken = self._poll(timeout)
        self._is_asleep = False
        if (is_woken or self._commands) and not self._is_urgent:
            self._is_gathering = True
            if not self._is_urgent:
                self._poll(_GATHER)
            self._is_gathering = False

    def _poll(self, timeout: Optional[float]) -> bool:
        """Waits until a caller calls or something can be read, and reads it; returns whether a caller has called."""
        sleeper, connection, poll = self._sleeper, self._connection, select.poll()
        assert sleeper is not None
        poll.register(sleeper, select.POLLIN)
        if connection is not None and connection.is_open:
            poll.register(connection.fileno(), select.POLLIN | (select.POLLOUT if self._wants_to_write else 0))
        is_woken = False
        for descriptor, event in poll.poll(None if timeout is None else timeout * 1000):
            if descriptor == sleeper.fileno():
                is_woken = True
                sleeper.recv(4096)
            elif connection is not None and event != select.POLLOUT:
                connection.read_what_is_there()
        return is_woken

    # The connection

    @property
    def _is_wanted(self) -> bool:
        if self.openings or self.questions or self.inbox.is_wanted or self.outbox.tickets or self.outbox.flushes:
            return True
        return self.outbox.is_wanted and not self._has_given_up

    def _keep_open(self, now: float) -> None:
        """Connects, if there is something to do; after an attempt that failed, at the time for the next."""
        if not self._is_wanted or now < self._next_attempt:
            return
        try:
            self._open()
        except ColaError as problem:
            self._failed_to_open(problem, time.monotonic())

    def _answer_openings(self) -> None:
        for opening in self.openings:
            opening.answer()
        self.openings = []

    def _open(self) -> None:
        settings = self.settings
        client = connect(settings.url, client=f"cola.Queue {settings.name}"[:255], timeout=_TIMEOUT)
        try:
            is_bounded = settings.attach(client, may_create=bool(self.openings) or settings.is_named)
        except BaseException:
            client.close()
            raise
        self._client, self._connection = client, client._connection
        self._attempts, self._next_attempt = None, 0.0
        self._wants_to_write = False
        self.outbox.is_bounded, self.outbox.body_max = is_bounded, client.body_max
        self.inbox.may_ask_ahead = not is_bounded
        self.inbox.opened(self._connection, time.monotonic())

    def _failed_to_open(self, problem: ColaError, now: float) -> None:
        for opening in self.openings:
            opening.fail(problem)
        self.openings = []
        policy = self.settings.reconnect
        if self._attempts is None:
            self._attempts, self._attempts_begun = (policy or Reconnect()).waits(), now
        self._next_attempt = now + next(self._attempts)
        gives_up = policy is None or not problem.retryable
        if policy is not None and policy.give_up_after is not None:
            gives_up = gives_up or self._next_attempt > self._attempts_begun + policy.give_up_after
        if gives_up:
            self._attempts, self._next_attempt = None, 0.0
            self._has_given_up = True
            self._fail_all(problem)
            return
        for ticket in self._tickets():
            if ticket.has_expired(self._next_attempt):
                ticket.fail(copy.copy(problem))
        self._drop_answered()

    def _lost(self, connection: Connection) -> None:
        self._client = self._connection = None
        self.outbox.lost(connection)
        self.inbox.lost()
        for question in self.questions:
            question.call = question.deadline = None
        if self.settings.reconnect is None:
            self.outbox.work_offline(time.monotonic())
            try:
                connection.check_open()
            except ConnectionLost as problem:
                self._fail_all(problem)

    def _tickets(self) -> List[Ticket]:
        return [*self.questions, *self.openings, *self.inbox.waiting, *self.outbox.tickets, *self.outbox.flushes]

    def _fail_all(self, problem: BaseException) -> None:
        for ticket in self._tickets():
            ticket.fail(copy.copy(problem))  # a traceback belongs to whom it is raised in
        self._drop_answered()

    def _drop_answered(self) -> None:
        self.questions = [one for one in self.questions if not one.is_answered]
        self.openings = [one for one in self.openings if not one.is_answered]
        self.inbox.waiting = deque(one for one in self.inbox.waiting if not one.is_answered)
        self.outbox.tickets = deque(one for one in self.outbox.tickets if not one.is_answered)
        self.outbox.flushes = [one for one in self.outbox.flushes if not one.is_answered]

    # The end

    def _may_end(self, now: float) -> bool:
        """Whether somebody wants the end, and all is done that is to be done before."""
        if not self.closings:
            return False
        while self.inbox.waiting:
            self.inbox.waiting.popleft().fail(ConnectionLost(f"the queue {self.settings.name!r} was closed"))
        if self._connection is None:
            return True
        if self.inbox.undone and not any(closing.is_final for closing in self.closings):
            # It goes on for these; who closed need not wait.
            if self.inbox.is_over:
                for closing in self.closings:
                    closing.answer()
            return False
        if any(closing.has_expired(now) for closing in self.closings):
            return True
        return self.inbox.is_over and (self.outbox.is_empty or not self.waits_at_exit)

    def _close(self) -> None:
        client, connection = self._client, self._connection
        if client is not None and connection is not None:
            client.close()
            self._lost(connection)
