"""``multiprocessing.Queue`` with a broker in between: change the import, and the objects outlive their processes."""

from __future__ import annotations

import os
import pickle
import threading
import time
import uuid
import weakref
from collections import deque
from itertools import count, islice
from multiprocessing.reduction import ForkingPickler
from multiprocessing.util import Finalize
from typing import Any, Deque, Iterator, Optional, Tuple, Union

from . import _errors as errors
from . import _verbs as verbs
from ._address import Address
from ._client import connect
from ._connection import deadline_of
from ._inbox import LOOK, Taking
from ._link import FAREWELL, Closing, Link, Opening, Question
from ._outbox import Flush, Put, PutTicket
from ._reconnect import Reconnect, policy_of
from ._settings import Settings
from ._ticket import Ticket

# While a queue is joined, how long until it is looked at again, seconds.
_LOOK_AGAIN = Reconnect(first=0.001, most=0.025)
# Finalizers of multiprocessing run from the highest to the lowest, and children are joined before those below 0.
_AFTER_CHILDREN_ENDED = -100

_all: "weakref.WeakSet[Queue]" = weakref.WeakSet()


class Queue:
    """A queue of Python objects that any process can put into and get from: a ``multiprocessing.Queue`` in a broker.

    - maxsize: objects that may wait in it; 0: no limit. ``put`` waits while it is full, whichever process filled it.
    - name: with one, the queue is durable: it and what was put outlive every process and the server, and others reach
      it by the name. Without one it lives as long as the process that made it: it is deleted when that process exits
      in order, after its children; it can be handed to other processes, by ``fork`` or pickled.
    - url: where the server is, as for ``connect``.
    - acknowledge: ``get``: what ``get`` has returned is gone from the queue, as in multiprocessing; an object that a
      process had got when it died is lost, unless it or its connection died within milliseconds. ``done``: an object
      is gone with ``task_done``; what a process had not done when it died, others get; ``join`` waits until all of it
      is done.
    - retry: what was put and not confirmed when the connection was lost is sent again; the queue is then declared
      with a deduplication window of ten minutes, so that nothing is in it twice. Otherwise the next ``put`` or the
      ``close`` raises ConnectionLost and says how many objects are in doubt.
    - reconnect: whether, and how, to connect again when the connection is lost.

    ``put`` promises that the object is pickled and on its way; ``flush``, ``qsize``, ``close``, ``join_thread``, the
    end of the process, and each ``put`` into a queue with a ``maxsize`` wait until the server has it: of a queue with
    a name, on its disk. The objects of one process come out in the order in which it put them.

    Objects travel as pickles. Unpickling runs code: get only from queues that only programs you trust can put into.

    - Raises Unreachable: no server runs there.
    """

    def __init__(
        self,
        maxsize: int = 0,
        *,
        name: Optional[str] = None,
        url: Optional[str] = None,
        acknowledge: str = "get",
        retry: bool = False,
        reconnect: Union[bool, Reconnect] = Reconnect(give_up_after=30.0),
    ) -> None:
        if acknowledge not in ("get", "done"):
            raise ValueError(f"acknowledge is 'get' or 'done', not {acknowledge!r}")
        self._settings = Settings(
            Address(url).absolute,
            name or f"multiprocessing-{uuid.uuid4().hex}",
            max(0, maxsize),
            name is not None,
            acknowledge,
            retry,
            policy_of(reconnect),
        )
        self._begin()
        if name is None:
            # Not with `close`: children may still get from it.
            Finalize(None, _delete, (self._settings.url, self.name), exitpriority=_AFTER_CHILDREN_ENDED)
        self._link.ask(Opening())

    def _begin(self) -> None:
        """What belongs to one process."""
        self._link = Link(self._settings)
        # Garbage is collected anywhere, so the queue's end is only noted.
        self._on_collected = weakref.finalize(self, self._link.abandon)
        self._on_collected.atexit = False
        self._undone: Deque[Taking] = deque()  # got and not done
        self._is_closed = False
        # By which the queue knows an object again; no other process makes the same.
        self._id, self._numbers = uuid.uuid4().hex, count()
        _all.add(self)

    @property
    def name(self) -> str:
        """By which others reach it."""
        return self._settings.name

    # Putting

    def put(self, obj: Any, block: bool = True, timeout: Optional[float] = None) -> None:
        """Puts an object in, waiting while the queue is full.

        Cut off by a signal handler that raises, it may have put the object or not.

        - Raises queue.Full: it is full, or still is after ``timeout`` seconds. ValueError: it is closed. TooLarge.
          ConnectionLost: objects put before are in doubt.
        """
        self._check_open()
        deadline = deadline_of(timeout if block else 0.0)
        message_id = f"{self._id}-{next(self._numbers)}" if self._settings.retry else None
        put = Put(bytes(ForkingPickler.dumps(obj)), message_id)
        link = self._link
        if link.outbox.has_room(put, link.backlog):
            link.hand(put, is_urgent=False)
        else:
            self._ask(PutTicket(put, block, deadline))

    def put_nowait(self, obj: Any) -> None:
        self.put(obj, False)

    def flush(self, timeout: Optional[float] = None) -> None:
        """Waits until everything this process has put is confirmed.

        - Raises NoAnswer: not within ``timeout`` seconds. ConnectionLost. ColaError: the server refused some of it.
        """
        if self._link.is_used:
            self._ask(Flush(deadline_of(timeout)))

    # Getting

    def get(self, block: bool = True, timeout: Optional[float] = None) -> Any:
        """Takes the next object out, waiting for one.

        Cut off by a signal handler that raises, it has taken nothing: the next ``get``, here or elsewhere, gets the
        object.

        - Raises queue.Empty: there is none, or none came within ``timeout`` seconds. ValueError: it is closed.
          UnpicklingError and whatever else reading the object raises: the message is rejected, so that it does not
          come again; it is a dead letter if the queue says where those go.
        """
        self._check_open()
        link = self._link
        taking = Taking(not block, deadline_of(timeout if block else 0.0))
        try:
            link.inbox.begin(taking)
            if not link.inbox.take_ready(taking):
                self._ask(taking)
            obj = self._read(taking)
            if self._settings.acknowledge == "done":
                self._undone.append(taking)
            # What follows is no call, so no signal handler runs before the caller has the object. The caretaker looks
            # by itself what became of a message, soon enough.
            taking.is_taken = True
            return obj
        except BaseException:
            taking.is_given_up = True
            link.inbox.given_up = taking
            if not taking.is_rejected:
                link.inbox.give_back(taking)
            link.hand(LOOK, is_urgent=False)
            raise

    def get_nowait(self) -> Any:
        return self.get(False)

    def _read(self, taking: Taking) -> Any:
        message = taking.slot[0]
        try:
            return pickle.loads(message.body)
        except Exception as problem:
            # What can be read after all was cut off by a signal handler.
            if _is_readable(message.body):
                raise
            taking.is_rejected = True
            if isinstance(problem, pickle.UnpicklingError):
                raise pickle.UnpicklingError(
                    f"the message at offset {message.offset} of the queue {self.name!r} is no pickled object "
                    f"({problem}), and was rejected; only cola.Queue puts what cola.Queue can get"
                ) from None
            raise

    # Looking

    def qsize(self) -> int:
        """Objects that wait in the queue, without what processes have got or are about to."""
        self._check_open()
        self.flush()
        return self._counts()[0] + len(self._link.inbox)

    def _counts(self) -> Tuple[int, int]:
        """How many messages wait at the server, and how many are with consumers."""
        row: Any = self._ask(Question(verbs.describe("queue", self.name)))
        return int(row["ready"]), int(row["unacknowledged"])

    def empty(self) -> bool:
        return self.qsize() == 0

    def full(self) -> bool:
        return 0 < self._settings.maxsize <= self.qsize()

    # Being done

    def task_done(self) -> None:
        """Says that an object that this process got is done, so that nobody gets it again: one that the same thread
        got, the earliest first, or else the earliest. Cut off by a signal handler that raises, it has said nothing.

        - Raises ValueError: nothing that this process got is undone; or the queue was made with
          ``acknowledge="get"``. StaleDelivery: its connection was lost, and the object goes to somebody else.
        """
        self._check_counts()
        me, taking = object(), None
        try:
            while True:
                taking = self._first_undone()
                if taking.claims.setdefault(0, me) is me:
                    break
            connection = taking.slot[0]._connection
            is_held = connection is not None and connection.is_open
            self._link.inbox.say_done(taking)
            self._link.hand(LOOK, is_urgent=False)
            # What follows is no call, as in `get`.
            taking.is_done = True
        except BaseException:
            if taking is not None and 0 in taking.claims and taking.claims[0] is me:
                taking.claims = {}
            raise
        if not is_held:
            raise errors.StaleDelivery(
                f"an object of the queue {self.name!r} was got over a connection that has ended since; the server "
                "gives it to the next who asks, so it may be done twice"
            )

    def _first_undone(self) -> Taking:
        thread, found = threading.get_ident(), None
        for taking in _seen(self._undone):
            if taking.is_done or taking.is_given_up:
                self._forget_undone(taking)
            elif taking.is_taken and not taking.claims:
                if taking.thread == thread:
                    return taking
                found = found or taking
        if found is None:
            raise ValueError("task_done() called too many times")
        return found

    def _forget_undone(self, taking: Taking) -> None:
        try:
            self._undone.remove(taking)
        except ValueError:
            pass  # another thread has

    def join(self) -> None:
        """Waits until the queue is empty and everything got from it is done, in all processes."""
        self._check_counts()
        self._check_open()
        self.flush()
        for wait in _LOOK_AGAIN.waits():
            if sum(self._counts()) == 0:
                return
            time.sleep(wait)

    def _check_counts(self) -> None:
        if self._settings.acknowledge != "done":
            raise ValueError("what is got from this queue counts as done; make it with acknowledge='done' to say when")

    # The end

    def close(self) -> None:
        """This process puts and gets no more. Waits until what it put is confirmed, at most 30 seconds.

        What it has got and not done can still be done. Others go on.

        - Raises ConnectionLost, ColaError: some of what was put is in doubt, or was refused.
        """
        if self._is_closed:
            return
        try:
            if self._link.waits_at_exit:
                self.flush(FAREWELL)
        finally:
            self._is_closed = True
            if self._link.is_used:
                self._link.ask(Closing(deadline_of(FAREWELL), is_final=False))

    def join_thread(self) -> None:
        """After ``close``, which has waited for everything already. Nothing more is done."""
        if not self._is_closed:
            raise ValueError("join_thread() is for a queue that is closed; call close() before")

    def cancel_join_thread(self) -> None:
        """``close`` and the end of the process do not wait for confirms any more: what was put last may be lost."""
        self._link.waits_at_exit = False

    def delete(self) -> None:
        """Deletes the queue at the server, with all that is in it, for everybody."""
        self.cancel_join_thread()
        self.close()
        _delete(self._settings.url, self.name)

    def _check_open(self) -> None:
        if self._is_closed:
            raise ValueError(f"{self!r} is closed")

    def _ask(self, ticket: Ticket) -> object:
        try:
            return self._link.ask(ticket)
        except errors.ConnectionLost:
            self._check_open()  # another thread has closed it
            raise

    # Other processes

    def __reduce__(self) -> Tuple[Any, ...]:
        return _restored, (type(self), self._settings)

    def _restore(self, settings: Settings) -> None:
        self._settings = settings
        self._begin()

    def _forget(self) -> None:
        """In a child after ``fork``: the connection is the parent's, and so is what it has not sent."""
        link, is_closed = self._link, self._is_closed
        self._on_collected.detach()
        self._begin()
        self._is_closed = is_closed
        link.leave_to_parent()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"


class JoinableQueue(Queue):
    """A Queue with ``acknowledge="done"``: for each object that ``get`` returned, ``task_done`` is to be called."""

    def __init__(self, maxsize: int = 0, *, acknowledge: str = "done", **settings: Any) -> None:
        super().__init__(maxsize, acknowledge=acknowledge, **settings)


class SimpleQueue:
    """``multiprocessing.SimpleQueue``: ``put`` returns when the server has the object, ``get`` waits for one."""

    def __init__(self, *, name: Optional[str] = None, url: Optional[str] = None) -> None:
        self._queue = Queue(name=name, url=url)

    def put(self, obj: Any) -> None:
        self._queue.put(obj)
        self._queue.flush()

    def get(self) -> Any:
        return self._queue.get()

    def empty(self) -> bool:
        return self._queue.empty()

    def close(self) -> None:
        self._queue.close()


def _restored(kind: "type[Queue]", settings: Settings) -> Queue:
    queue = kind.__new__(kind)
    queue._restore(settings)
    return queue


def _is_readable(body: bytes) -> bool:
    try:
        pickle.loads(body)
    except Exception:
        return False
    return True


def _seen(takings: Deque[Taking]) -> Iterator[Taking]:
    """The first, which is mostly the one that is looked for, and then all: others may change them meanwhile."""
    yield from islice(takings, 1)
    yield from list(takings)


def _delete(url: str, name: str) -> None:
    try:
        with connect(url, timeout=5.0) as client:
            client.delete_queue(name)
    except errors.ColaError:
        pass  # it is gone, or its server is


def _forget_in_child() -> None:
    for queue in list(_all):
        queue._forget()


os.register_at_fork(after_in_child=_forget_in_child)
