"""One process's connection to a queue: what it puts and gets, and a thread that keeps promises while it is busy."""

from __future__ import annotations

import threading
import time
import weakref
from multiprocessing.util import Finalize
from typing import Deque, Dict, Optional

from ._client import Client
from ._connection import deadline_of
from ._errors import ColaError, NoAnswer
from ._inbox import Inbox
from ._outbox import Outbox, Put, encoded

# The longest that a put or an acknowledgement waits for company, seconds.
_GATHER = 0.002
# What was asked for and not taken for so long is given back, seconds.
_IDLE = 0.02
# How long the end waits for the last confirms, seconds.
FAREWELL = 30.0
# Finalizers of multiprocessing run from the highest to the lowest, and children are joined between those that are at
# least 0 and those below.
_BEFORE_CHILDREN_END = 10


class Link:
    """Outbox and inbox over one connection.

    ``puts`` and ``gets`` are held by the thread that puts or gets. The caretaker is a daemon thread: it writes what
    the program has put and acknowledged when the program does nothing more, and gives back what it does not take.
    """

    def __init__(self, client: Client, queue: str, may_ask_ahead: bool) -> None:
        self.client = client
        self.queue = queue
        self.connection = client._connection
        self.outbox = Outbox(self.connection, queue)
        self.inbox = Inbox(self.connection, queue, may_ask_ahead, client.timeout)
        self.puts = threading.Lock()
        self.gets = threading.Lock()
        self._work = threading.Event()
        self.waits_at_exit = True
        self.on_collected: Optional["weakref.finalize[..., object]"] = None
        self._is_abandoned = False
        self._at_exit = Finalize(None, self.finish, exitpriority=_BEFORE_CHILDREN_END)
        self._caretaker = threading.Thread(target=self._take_care, name=f"cola-queue {queue}", daemon=True)
        self._caretaker.start()

    @property
    def is_open(self) -> bool:
        return self.connection.is_open

    def take_care(self) -> None:
        """Something was left to the caretaker."""
        if not self._work.is_set():
            self._work.set()

    def put_confirmed(self, put: Put, timeout: Optional[float]) -> None:
        """Sends an object alone and waits until the server has it.

        - Raises Full: the queue holds as much as it may. NoAnswer: nothing was heard of it within ``timeout`` seconds.
        """
        self.connection.call(
            f"put {len(put.data)} bytes into the queue {self.queue!r}",
            lambda tag: encoded(self.queue, put, tag),
            timeout,
        )

    def counts(self) -> Dict[str, int]:
        """How many messages are ``ready``, and how many ``unacknowledged``."""
        row = self.client.describe("queue", self.queue)
        return {name: int(row[name]) for name in ("ready", "unacknowledged")}

    def resume(self, pending: "Deque[Put]") -> None:
        """Sends again what another link could not get confirmed."""
        for put in pending:
            self.outbox.put(put)
        self.take_care()

    def ack(self, delivery: int) -> None:
        """Acknowledged within a few milliseconds, together with its neighbours."""
        self.connection.ack(delivery)
        self.take_care()

    def _take_care(self) -> None:
        while self.is_open:
            self._work.wait()
            self._work.clear()
            if self._is_abandoned:
                break
            time.sleep(_GATHER)
            try:
                self.connection.flush(time.monotonic())
                self._give_back_if_idle()
            except NoAnswer:
                self._work.set()  # the server takes nothing just now
            except ColaError:
                pass  # whoever uses the queue next is told
        self.finish()

    def _give_back_if_idle(self) -> None:
        # While somebody waits for a message, all of this is in use.
        if self.inbox.is_idle or not self.gets.acquire(blocking=False):
            return
        try:
            if time.monotonic() - self.inbox.used_at > _IDLE:
                self.inbox.give_back()
        finally:
            self.gets.release()
        if not self.inbox.is_idle:
            self._work.set()

    def abandon(self) -> None:
        """Has the caretaker finish; may be called from anywhere, since nothing is waited for."""
        self._is_abandoned = True
        self._work.set()

    def finish(self) -> None:
        """Waits until all that was put is confirmed, gives back what was not taken, and closes.

        Does not raise: what could not be confirmed is still in ``outbox.pending``.
        """
        try:
            self.outbox.wait_until_empty(deadline_of(FAREWELL if self.waits_at_exit else 0.0))
        except ColaError:
            pass  # the connection is lost
        self.client.close()
        self._at_exit.cancel()
        self._work.set()

    def leave_to_parent(self) -> None:
        """In a child after ``fork``: lets go of it without a word to the server, and takes no lock."""
        if self.on_collected is not None:
            self.on_collected.detach()
        self.connection.leave_to_parent()
