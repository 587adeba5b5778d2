"""``multiprocessing.Queue`` with a broker in between: change the import, and the objects outlive their processes."""

from __future__ import annotations

import os
import pickle
import random
import threading
import time
import uuid
import weakref
from collections import deque
from multiprocessing.reduction import ForkingPickler
from multiprocessing.util import Finalize
from queue import Empty, Full
from typing import Any, Callable, Deque, Dict, Iterator, Optional, Tuple, TypeVar, Union

from . import _errors as errors
from . import _verbs as verbs
from ._address import Address
from ._client import Client, connect
from ._connection import deadline_of
from ._link import FAREWELL, Link
from ._outbox import Put
from ._reconnect import Reconnect, policy_of
from ._requests import Argument

# A queue without a name goes when nobody has used it for so long, should its creator not come to delete it, ms.
_ANONYMOUS_EXPIRES = 86_400_000
# How long a queue with `retry=True` knows an object again, ms.
_RETRY_WINDOW = 600_000
# While a queue is full, or is joined, how long until it is looked at again, seconds.
_LOOK_AGAIN_FIRST, _LOOK_AGAIN_MOST = 0.001, 0.025
# Without waiting, but into a queue without a limit: how long the server may confirm nothing at all, seconds.
_NO_PROGRESS = 1.0
# How long a call that does not wait still waits for another thread that is in the middle of one, seconds.
_IN_PASSING = 0.05
# Finalizers of multiprocessing run from the highest to the lowest, and children are joined before those below 0.
_AFTER_CHILDREN_ENDED = -100

_Result = TypeVar("_Result")
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
        self.name = name or f"multiprocessing-{uuid.uuid4().hex}"
        self._url = Address(url).absolute
        self._maxsize = max(0, maxsize)
        self._is_named = name is not None
        self._acknowledge = acknowledge
        self._retry = retry
        self._reconnect = policy_of(reconnect)
        self._begin()
        if not self._is_named:
            # Not with `close`: children may still get from it.
            Finalize(None, _delete, (self._url, self.name), exitpriority=_AFTER_CHILDREN_ENDED)
        self._open_link(may_create=True)

    def _begin(self) -> None:
        """What belongs to one process."""
        self._link: Optional[Link] = None
        self._lock = threading.RLock()  # of the link
        self._unsure: Deque[Put] = deque()  # of a lost connection, not confirmed
        self._undone: Deque[Tuple[int, Link, int]] = deque()  # got and not done: thread, link, delivery
        self._is_bounded = self._maxsize > 0
        self._is_closed = False
        self._waits_at_exit = True
        self._ids: Iterator[str] = _message_ids()
        _all.add(self)

    # Putting

    def put(self, obj: Any, block: bool = True, timeout: Optional[float] = None) -> None:
        """Puts an object in, waiting while the queue is full.

        - Raises queue.Full: it is full, or still is after ``timeout`` seconds. ValueError: it is closed. TooLarge.
          ConnectionLost: objects put before are in doubt.
        """
        self._check_open()
        deadline = deadline_of(timeout if block else 0.0)
        data = bytes(ForkingPickler.dumps(obj))
        put = Put(data, next(self._ids) if self._retry else None)
        self._over_link(lambda link: self._put(link, put, block, deadline), deadline)

    def put_nowait(self, obj: Any) -> None:
        self.put(obj, False)

    def _put(self, link: Link, put: Put, block: bool, deadline: Optional[float]) -> None:
        if len(put.data) > link.client.body_max:
            raise errors.TooLarge(
                f"the pickled object has {len(put.data)} bytes; the server allows at most {link.client.body_max} "
                "(its setting body-max)"
            )
        with _held(link.puts, deadline, Full):
            if self._is_bounded:
                self._put_bounded(link, put, deadline)
                return
            link.outbox.raise_refusal()
            if link.outbox.is_full:
                self._wait_for_room(link, block, deadline)
            link.outbox.put(put)
        link.take_care()

    def _put_bounded(self, link: Link, put: Put, deadline: Optional[float]) -> None:
        # One at a time: were several on their way, a later one could find the room that an earlier one did not.
        for wait in _growing_waits():
            try:
                # Without a deadline a server that holds publishers back is waited for.
                link.put_confirmed(put, None if deadline is None else link.client.timeout)
                return
            except errors.Full:
                left = wait if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    raise Full from None
                time.sleep(min(wait, left))

    def _wait_for_room(self, link: Link, block: bool, deadline: Optional[float]) -> None:
        if block and link.outbox.wait_for_room(deadline):
            return
        # There is no limit to be full; but without any progress the server holds publishers back.
        if block or not link.outbox.has_progress(_NO_PROGRESS):
            raise Full

    def flush(self, timeout: Optional[float] = None) -> None:
        """Waits until everything this process has put is confirmed.

        - Raises NoAnswer: not within ``timeout`` seconds. ConnectionLost. ColaError: the server refused some of it.
        """
        deadline = deadline_of(timeout)
        if self._link is not None or self._unsure:
            self._over_link(lambda link: self._flush(link, deadline), deadline)

    def _flush(self, link: Link, deadline: Optional[float]) -> None:
        if not link.outbox.wait_until_empty(deadline):
            blocked = link.connection.blocked
            raise errors.NoAnswer(
                f"{len(link.outbox.pending)} objects put into the queue {self.name!r} are not confirmed yet"
                + (f"; the server holds publishers back: {blocked}" if blocked else "")
            )
        link.outbox.raise_refusal()

    # Getting

    def get(self, block: bool = True, timeout: Optional[float] = None) -> Any:
        """Takes the next object out, waiting for one.

        - Raises queue.Empty: there is none, or none came within ``timeout`` seconds. ValueError: it is closed.
          UnpicklingError and whatever else reading the object raises: the message is rejected, so that it does not
          come again; it is a dead letter if the queue says where those go.
        """
        self._check_open()
        deadline = deadline_of(timeout if block else 0.0)
        return self._over_link(lambda link: self._get(link, block, deadline), deadline, is_repeatable=True)

    def get_nowait(self) -> Any:
        return self.get(False)

    def _get(self, link: Link, block: bool, deadline: Optional[float]) -> Any:
        with _held(link.gets, deadline, Empty):
            message = link.inbox.take(deadline) if block else link.inbox.take_now()
        if message is None:
            raise Empty
        if not link.inbox.is_idle:
            link.take_care()
        try:
            obj = pickle.loads(message.body)
        except Exception as problem:
            link.connection.settle("reject", message.delivery, message.delivery)
            if isinstance(problem, pickle.UnpicklingError):
                raise pickle.UnpicklingError(
                    f"the message at offset {message.offset} of the queue {self.name!r} is no pickled object "
                    f"({problem}), and was rejected; only cola.Queue puts what cola.Queue can get"
                ) from None
            raise
        if self._acknowledge == "get":
            link.ack(message.delivery)
        else:
            self._undone.append((threading.get_ident(), link, message.delivery))
        return obj

    # Looking

    def qsize(self) -> int:
        """Objects that wait in the queue, without what processes have got or are about to."""
        self._check_open()
        self.flush()
        return self._over_link(lambda link: link.counts()["ready"] + len(link.inbox), None, is_repeatable=True)

    def empty(self) -> bool:
        return self.qsize() == 0

    def full(self) -> bool:
        return 0 < self._maxsize <= self.qsize()

    # Being done

    def task_done(self) -> None:
        """Says that an object that this process got is done, so that nobody gets it again: one that the same thread
        got, the earliest first, or else the earliest.

        - Raises ValueError: nothing that this process got is undone; or the queue was made with
          ``acknowledge="get"``. StaleDelivery: its connection was lost, and the object goes to somebody else.
        """
        self._check_counts()
        thread = threading.get_ident()
        with self._lock:
            if not self._undone:
                raise ValueError("task_done() called too many times")
            mine = next((one for one in self._undone if one[0] == thread), self._undone[0])
            self._undone.remove(mine)
            is_last = self._is_closed and not self._undone
        _, link, delivery = mine
        try:
            link.ack(delivery)
        except errors.ConnectionLost:
            raise errors.StaleDelivery(
                f"an object of the queue {self.name!r} was got over a connection that has ended since; the server "
                "gives it to the next who asks, so it may be done twice"
            ) from None
        if is_last:
            self._finish()

    def join(self) -> None:
        """Waits until the queue is empty and everything got from it is done, in all processes."""
        self._check_counts()
        self._check_open()
        self.flush()
        for wait in _growing_waits():
            found = self._over_link(Link.counts, None, is_repeatable=True)
            if found["ready"] + found["unacknowledged"] == 0:
                return
            time.sleep(wait)

    def _check_counts(self) -> None:
        if self._acknowledge != "done":
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
            if self._waits_at_exit:
                self.flush(FAREWELL)
        finally:
            self._is_closed = True
            if not self._undone:
                self._finish()
            elif self._link is not None and self._link.is_open:
                with self._link.gets:
                    self._link.inbox.give_back()

    def join_thread(self) -> None:
        """After ``close``, which has waited for everything already. Nothing more is done."""
        if not self._is_closed:
            raise ValueError("join_thread() is for a queue that is closed; call close() before")

    def cancel_join_thread(self) -> None:
        """``close`` and the end of the process do not wait for confirms any more: what was put last may be lost."""
        self._waits_at_exit = False
        link = self._link
        if link is not None:
            link.waits_at_exit = False

    def delete(self) -> None:
        """Deletes the queue at the server, with all that is in it, for everybody."""
        self.cancel_join_thread()
        self.close()
        _delete(self._url, self.name)

    def _finish(self) -> None:
        with self._lock:
            link, self._link = self._link, None
        if link is not None:
            link.finish()

    def _check_open(self) -> None:
        if self._is_closed:
            raise ValueError(f"{self!r} is closed")

    # The connection

    def _over_link(
        self, use: Callable[[Link], _Result], deadline: Optional[float], is_repeatable: bool = False
    ) -> _Result:
        """Uses the connection; after one that was lost, a new one.

        - is_repeatable: doing it again is as good as doing it once.
        """
        while True:
            link = self._live_link(deadline)
            if not is_repeatable:
                self._raise_unsure()
            try:
                return use(link)
            except errors.ConnectionLost:
                if self._is_closed:  # by another thread
                    self._check_open()
                with self._lock:
                    self._take_over(link)
                if not is_repeatable and not self._retry:
                    self._raise_unsure()
                    raise
                if self._reconnect is None:
                    raise

    def _raise_unsure(self) -> None:
        with self._lock:
            count = len(self._unsure)
            self._unsure.clear()
        if count:
            shown = f"{count} objects put into the queue {self.name!r}"
            raise errors.ConnectionLost(
                f"the connection was lost while {shown} were not confirmed; each may be in it or not", (shown,)
            )

    def _live_link(self, deadline: Optional[float]) -> Link:
        link = self._link
        if link is not None and link.is_open:
            return link
        with self._lock:
            if self._link is not None and self._link.is_open:
                return self._link
            if self._link is not None:
                self._take_over(self._link)
            return self._open_again(deadline)

    def _take_over(self, lost: Link) -> None:
        """What it could not get confirmed."""
        if self._link is lost:
            # In this order: interrupted by Ctrl-C, it is done once more, and what is sent twice is stored once.
            self._unsure.extend(lost.outbox.pending)
            self._link = None
            lost.abandon()

    def _open_again(self, deadline: Optional[float]) -> Link:
        policy = self._reconnect or Reconnect()
        begun = time.monotonic()
        for wait in policy.waits():
            try:
                return self._open_link(may_create=self._is_named)
            except errors.ColaError as problem:
                gone = time.monotonic() - begun
                if self._reconnect is None or not problem.retryable:
                    raise
                if policy.give_up_after is not None and gone + wait > policy.give_up_after:
                    raise
                if deadline is not None and time.monotonic() + wait > deadline:
                    raise
                time.sleep(wait)
        raise AssertionError("the waits have no end")

    def _open_link(self, may_create: bool) -> Link:
        client = connect(self._url, client=f"cola.Queue {self.name}"[:255])
        try:
            self._attach(client, may_create)
            link = Link(client, self.name, may_ask_ahead=not self._is_bounded)
        except BaseException:
            client.close()
            raise
        link.waits_at_exit = self._waits_at_exit
        # Garbage is collected anywhere, also where a lock is held, so the queue's end is only noted.
        link.on_collected = weakref.finalize(self, link.abandon)
        link.on_collected.atexit = False
        if self._retry:
            link.resume(self._unsure)
            self._link = link
            self._unsure.clear()
        self._link = link
        return link

    def _attach(self, client: Client, may_create: bool) -> None:
        """Makes the queue if there is none, and learns its limits from the one that there is."""
        try:
            effective = client.describe("queue", self.name)["effective"]
        except errors.NotFound:
            if not may_create:
                raise errors.NotFound(
                    f"the queue {self.name!r} is gone: the process that made it has ended, or the server was started "
                    "anew; give a queue a name to keep it"
                ) from None
            arguments: Dict[str, Argument] = {}
            if self._maxsize:
                arguments.update(max_length=self._maxsize, overflow="reject-publish")
            if self._retry:
                arguments.update(deduplication_window=_RETRY_WINDOW)
            if not self._is_named:
                arguments.update(expires=_ANONYMOUS_EXPIRES)
            client._ask(verbs.declare_queue(self.name, self._is_named, False, False, arguments))
            return
        limit = int(effective.get("max-length", 0)) if _refuses(effective) else 0
        if self._maxsize and limit != self._maxsize:
            raise errors.Mismatch(
                f"the queue {self.name!r} is there with room for {limit or 'any number of'} objects, not "
                f"{self._maxsize}; leave maxsize out to take it as it is, or change it with alter"
            )
        if self._retry and "deduplication-window" not in effective:
            raise errors.Mismatch(
                f"the queue {self.name!r} is there without a deduplication-window, which retry=True needs; "
                "set one with alter"
            )
        self._maxsize = limit
        self._is_bounded = _refuses(effective) and ("max-length" in effective or "max-length-bytes" in effective)

    # Other processes

    def __reduce__(self) -> Tuple[Any, ...]:
        settings = (self._url, self._maxsize, self._is_named, self._acknowledge, self._retry, self._reconnect)
        return _restored, (type(self), self.name, settings)

    def _restore(self, name: str, settings: Tuple[Any, ...]) -> None:
        self.name = name
        self._url, self._maxsize, self._is_named, self._acknowledge, self._retry, self._reconnect = settings
        self._begin()

    def _forget(self) -> None:
        """In a child after ``fork``: the connection is the parent's, and so is what it has not sent."""
        link, is_closed = self._link, self._is_closed
        self._begin()
        self._is_closed = is_closed
        if link is not None:
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


def _restored(kind: "type[Queue]", name: str, settings: Tuple[Any, ...]) -> Queue:
    queue = kind.__new__(kind)
    queue._restore(name, settings)
    return queue


def _delete(url: str, name: str) -> None:
    try:
        with connect(url, timeout=5.0) as client:
            client.delete_queue(name)
    except errors.ColaError:
        pass  # it is gone, or its server is


def _refuses(effective: Dict[str, str]) -> bool:
    return str(effective.get("overflow", "")).startswith("reject-publish")


def _message_ids() -> Iterator[str]:
    """Ids that no other process makes."""
    prefix, number = uuid.uuid4().hex, 0
    while True:
        yield f"{prefix}-{number}"
        number += 1


def _growing_waits() -> Iterator[float]:
    return Reconnect(first=_LOOK_AGAIN_FIRST, most=_LOOK_AGAIN_MOST).waits(random.random)


class _held:
    """A lock for the length of a block, or the exception when it cannot be had in time."""

    def __init__(self, lock: threading.Lock, deadline: Optional[float], otherwise: "type[Exception]") -> None:
        self._lock = lock
        self._deadline = deadline
        self._otherwise = otherwise

    def __enter__(self) -> None:
        if self._deadline is None:
            self._lock.acquire()
        elif not self._lock.acquire(timeout=max(_IN_PASSING, self._deadline - time.monotonic())):
            raise self._otherwise

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _forget_in_child() -> None:
    for queue in list(_all):
        queue._forget()


os.register_at_fork(after_in_child=_forget_in_child)
