"""What a process has taken out of a queue, ahead of its ``get()`` and by it."""

from __future__ import annotations

import functools
import threading
from collections import deque
from itertools import islice
from queue import Empty
from typing import TYPE_CHECKING, Any, Deque, Dict, List, Optional

from . import _requests as requests
from . import _verbs as verbs
from ._answers import Assigned
from ._connection import Connection
from ._consumer import Delivery
from ._conversation import Call
from ._errors import ColaError, NoAnswer
from ._message import Message
from ._subscription import ranges
from ._ticket import Command, Ticket

if TYPE_CHECKING:
    from ._link import Link

# No more is asked for at a time than the program takes in this time at its pace, seconds, ...
_AHEAD = 0.01
# ... and no more messages than this. Of two such batches one is being taken while the other comes.
_AHEAD_MAX = 256
# What was asked for and not taken for so long is given back, seconds.
_IDLE = 0.02
# While a call may take or reads what lies here, how soon that is looked at again, seconds.
_LOOK_AGAIN = 0.002


class Taking(Ticket):
    """One call of ``get``, from its beginning until the caretaker knows what became of it.

    The call says that by a single store to one of ``is_taken``, ``is_rejected`` and ``is_given_up``, which no signal
    can cut in two. ``is_taken`` is the last that it does: a call that raises has taken nothing.

    - is_now: it does not wait. slot: the message, or nothing. thread: the caller's.
    - is_done: of what counts as done only when the program says so. claims: whoever is about to say so, under 0.
    """

    __slots__ = ("is_now", "slot", "is_taken", "is_rejected", "is_done", "claims", "thread", "has_asked")

    def __init__(self, is_now: bool, deadline: Optional[float]) -> None:
        super().__init__(deadline)
        self.is_now = is_now
        self.slot: List[Delivery] = []
        self.is_taken = self.is_rejected = self.is_done = self.has_asked = False
        self.claims: Dict[int, object] = {}
        self.thread = threading.get_ident()

    def reach(self, link: "Link") -> None:
        link.inbox.waiting.append(self)


class Look(Command):
    """A call of ``get`` or ``task_done`` has said what became of it."""

    __slots__ = ()

    def reach(self, link: "Link") -> None:
        pass


LOOK = Look()


class Inbox:
    """Asks for as many messages as the program is about to take, and gives back what it then does not.

    A message that lies here is one that no other process can have. So a program that takes one now and then asks for
    one when it waits, and for none otherwise; only one that takes them quickly is sent several at a time.

    Callers use ``begin``, ``take_ready``, ``give_back`` and ``say_done``; all else is the caretaker's. ``_ready``,
    ``_takings`` and ``_said_done`` are shared: they are changed by single calls into C, so that neither threads nor
    signals come in between.

    - undone: how many messages are with the program, which has to say when they are done.
    - given_up: the last call that was cut off. A second signal may have come before it gave back what it had.
    """

    def __init__(self, queue: str, counts_done: bool) -> None:
        self.waiting: Deque[Taking] = deque()
        self.given_up: Optional[Taking] = None
        self.may_ask_ahead = False
        self.undone = 0
        self._queue = queue
        self._counts_done = counts_done
        self._ready: Deque[Delivery] = deque()
        self._takings: Deque[Taking] = deque()
        self._said_done: Deque[Taking] = deque()
        self._connection: Optional[Connection] = None
        self._number = 0  # of the consumer; 0: there is none
        self._last_number = 0
        self._expected = 0  # asked for, not come
        self._asking: Optional[Call] = None
        self._revoking: Optional[Call] = None
        self._getting: Optional[Call] = None
        self._called_at = 0.0  # when the last of these was asked
        self._error: Optional[ColaError] = None
        self._batch = 1
        self._count_taken = 0
        self._asked_at = 0.0
        self._used_at = 0.0
        self._is_being_read = False

    def __len__(self) -> int:
        return len(self._ready)

    # What callers call

    def begin(self, taking: Taking) -> None:
        """From here on the call has to say what became of it."""
        # What comes first is taken first: before what lies here that which a call was cut off with.
        if self.given_up is not None and self.given_up.slot and not self.given_up.is_rejected:
            self.give_back(self.given_up)
        self._takings.append(taking)

    def take_ready(self, taking: Taking) -> bool:
        """Moves what lies here first into the slot; false if nothing does."""
        while True:
            try:
                # One call into C from end to end: the message is in the one place or in the other.
                taking.slot.extend(islice(iter(self._ready.popleft, None), 1))
            except IndexError:
                return False
            connection = taking.slot[0]._connection
            if connection is not None and connection.is_open:
                return True
            taking.slot.clear()  # others get it

    def give_back(self, taking: Taking) -> None:
        """Moves a message from the slot to where it lay, if the caretaker has not done so."""
        try:
            self._ready.extendleft(islice(iter(taking.slot.pop, None), 1))
        except IndexError:
            pass

    def say_done(self, taking: Taking) -> None:
        """The caller is about to set ``is_done``."""
        self._said_done.append(taking)

    # What the caretaker calls

    @property
    def is_wanted(self) -> bool:
        return bool(self.waiting)

    @property
    def is_over(self) -> bool:
        """Nothing lies here, is asked for or is being read."""
        return not (self._ready or self._expected or self._is_being_read or self._calls)

    @property
    def _calls(self) -> bool:
        return self._asking is not None or self._revoking is not None or self._getting is not None

    def opened(self, connection: Connection, now: float) -> None:
        self._connection = connection
        self._asked_at = self._used_at = now

    def lost(self) -> None:
        """The server gives to others what lay here."""
        self._connection = None
        self._ready.clear()
        self._number = self._expected = 0
        self._asking = self._revoking = self._getting = self._error = None

    @property
    def is_active(self) -> bool:
        """Whether there may be something to do."""
        return bool(
            self._takings or self._ready or self._expected or self._said_done or self._calls or self._error is not None
        )

    def work(self, now: float, timeout: float, may_ask: bool) -> None:
        self.settle(now)
        self._hear_answers(now)
        self._serve(now)
        if self._connection is None or not self._connection.is_open:
            return
        if self._calls and now > self._called_at + timeout:
            self._fail_all(NoAnswer(f"no answer from {self._connection.name} within {timeout} s"))
        expired = self._expired(now)
        if self._revoking is None and self._asking is None and self._getting is None:
            if expired is not None:
                self._look_for(expired, now)
            elif self._expected == 0 and may_ask and (self.waiting or self._is_taken_fast(now)):
                self._ask(now)
            elif not self.waiting and (self._ready or self._expected):
                if now >= self._used_at + _IDLE or not may_ask:
                    self._give_back_all(now)

    def next_look(self, now: float, timeout: float) -> Optional[float]:
        """When something is to be done though nothing has happened; None: never."""
        times: List[float] = []
        if self._is_being_read or self._said_done or self._ready:
            times.append(now + _LOOK_AGAIN)
        if self._calls:
            times.append(max(now + _LOOK_AGAIN, self._called_at + timeout))
        else:
            times += [taking.deadline for taking in self.waiting if taking.deadline is not None]
            if not self.waiting and self._expected:
                times.append(self._used_at + _IDLE)
        return min(times, default=None)

    def settle(self, now: float) -> None:
        """Acknowledges, rejects or takes back what calls have said."""
        given_up: List[Taking] = []
        waiting = len(self.waiting)
        for _ in range(len(self._takings)):
            taking = self._takings.popleft()
            if taking.is_rejected:
                self._reject(taking)
            elif taking.is_given_up:
                given_up.append(taking)
            elif not taking.is_taken:
                self._takings.append(taking)
            else:
                self._used_at = now
                self._count_taken += 1
                if self._counts_done:
                    self.undone += 1
                else:
                    self._acknowledge(taking)
        self._is_being_read = len(self._takings) > waiting
        for taking in reversed(given_up):
            self.give_back(taking)
        for _ in range(len(self._said_done)):
            taking = self._said_done.popleft()
            if taking.is_done:
                if taking.slot:  # it may have been said before, and taken back by an interrupt
                    self.undone -= 1
                    self._acknowledge(taking)
                    taking.slot.clear()
            elif taking.claims:
                self._said_done.append(taking)

    def _acknowledge(self, taking: Taking) -> None:
        for message in taking.slot:
            connection = message._connection
            if connection is not None and connection.is_open:
                connection.ack(message.delivery)

    def _reject(self, taking: Taking) -> None:
        for message in taking.slot:
            connection, number = message._connection, message.delivery
            if connection is not None and connection.is_open:
                ask = functools.partial(requests.settle, "reject", number, number)
                connection.publish(ask, Call(f"reject {number}-{number}"))

    def _hear_answers(self, now: float) -> None:
        if self._revoking is not None and self._revoking.is_done:
            self._revoking = None
            self._expected = 0
        if self._asking is not None and self._asking.is_done:
            self._error, self._asking = self._asking.error or self._error, None
        getting = self._getting
        if getting is not None and getting.is_done:
            self._getting = None
            if getting.error is not None:
                self._error = getting.error
            elif getting.ok is not None and self._connection is not None:
                message = verbs.message_of(getting.ok, Delivery)
                if message is not None:
                    self._connection.hold()
                    message._connection = self._connection
                    self._ready.append(message)
        if self._error is not None:
            error, self._error = self._error, None
            if error.code == "damaged":
                # The message has used up what was asked for.
                self._revoke(now)
                if self.waiting:
                    self.waiting.popleft().fail(error)
            else:
                self._number = self._expected = 0
                self._fail_all(error)

    def _fail_all(self, error: ColaError) -> None:
        while self.waiting:
            self.waiting.popleft().fail(error)

    def _serve(self, now: float) -> None:
        while self.waiting:
            taking = self.waiting[0]
            if not taking.is_given_up:
                if not self.take_ready(taking):
                    return
                taking.answer()
                self._used_at = now
                self._is_being_read = True
            self.waiting.popleft()

    def _expired(self, now: float) -> Optional[Taking]:
        """A call whose time is over, and of which it is not yet known that there is nothing for it."""
        found: Optional[Taking] = None
        others_wait = any(not taking.has_expired(now) for taking in self.waiting)
        for taking in list(self.waiting):
            if not taking.has_expired(now):
                continue
            # While others wait, whatever comes is for them; and nothing has come.
            if self._expected == 0 and not self._calls and (taking.has_asked or not taking.is_now) or others_wait:
                self.waiting.remove(taking)
                taking.fail(Empty())
            elif found is None:
                found = taking
        return found

    def _look_for(self, taking: Taking, now: float) -> None:
        if self._expected:
            # What is asked for and comes later would lie here with nobody waiting for it.
            self._revoke(now)
            return
        taking.has_asked = True
        request = verbs.get(self._queue, "manual", Delivery)
        self._getting = self._call(request.label, request, now)

    def _call(self, label: str, request: "verbs.Request[Any]", now: float) -> Call:
        assert self._connection is not None
        call = Call(label)
        self._connection.publish(request.encode, call)
        self._called_at = now
        return call

    def _ask(self, now: float) -> None:
        assert self._connection is not None
        # Of a batch that is asked for while the one before lies here, nothing can be told yet.
        if self.may_ask_ahead and (self.waiting or self._count_taken >= self._batch):
            pace = (now - self._asked_at) / max(1, self._count_taken)
            self._asked_at, self._count_taken = now, 0
            self._batch = max(1, min(2 * self._batch, _AHEAD_MAX, int(_AHEAD / max(pace, 1e-9))))
        batch = self._expected = self._batch
        if self._number:
            # Tagged, so that it is answered; what is refused is told of by the consumer's own error.
            number = self._number
            self._connection.publish(lambda tag: requests.credit(number, batch, tag), Call("credit"))
            return
        self._last_number += 1
        number = self._number = self._last_number
        self._connection.add_receiver(number, self)
        self._asking = Call(f"consume {self._queue!r}")
        self._called_at = now
        self._connection.publish(lambda tag: requests.consume(self._queue, number, tag, credit=batch), self._asking)

    def _is_taken_fast(self, now: float) -> bool:
        return self._batch > 1 and 0 < len(self._ready) <= self._batch and now < self._used_at + _LOOK_AGAIN

    def _revoke(self, now: float) -> None:
        """Ends what is asked for. What has come by then lies here."""
        number, self._number = self._number, 0
        if number:
            self._revoking = self._call(f"cancel {number}", verbs.cancel(number, self._queue), now)

    def _give_back_all(self, now: float) -> None:
        """Everything that was not taken goes back to its place in the queue."""
        if self._number:
            self._revoke(now)
            return
        unseen: List[int] = []
        holder = Taking(True, None)
        while self.take_ready(holder):
            unseen.append(holder.slot.pop().delivery)
        assert self._connection is not None
        for first, last in ranges(unseen):
            _send_back(self._connection, first, last)

    # What the connection calls

    @property
    def holds(self) -> bool:
        return True

    def arrived(self, message: Message) -> None:
        assert isinstance(message, Delivery) and self._connection is not None
        self._expected -= 1
        message._connection = self._connection
        self._ready.append(message)

    def failed(self, error: ColaError) -> None:
        self._error = error

    def assigned(self, assigned: Assigned) -> None:
        pass  # of topics only


def _send_back(connection: Connection, first: int, last: int) -> None:
    # Nothing depends on the answer: what was refused is not held any more.
    connection.publish(lambda tag: requests.give_back(first, last, tag), Call(f"giving back {first}-{last}"))
