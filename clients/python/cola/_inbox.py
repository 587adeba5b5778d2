"""What a process has taken out of a queue ahead of its ``get()``."""

from __future__ import annotations

import time
from collections import deque
from typing import Deque, Optional

from . import _requests as requests
from . import _verbs as verbs
from ._answers import Assigned
from ._connection import Connection
from ._subscription import ranges
from ._errors import ColaError
from ._message import Message

# No more is asked for than the program takes in this time at its pace, seconds, ...
_AHEAD = 0.01
# ... and no more messages than this.
_AHEAD_MAX = 256


class Inbox:
    """Asks for as many messages as the program is about to take, and gives back what it then does not.

    A message that lies here is one that no other process can have. So a program that takes one now and then asks for
    one when it waits, and for none otherwise; only one that takes them quickly is sent several at a time. For one
    thread at a time.
    """

    def __init__(self, connection: Connection, queue: str, may_ask_ahead: bool, timeout: Optional[float]) -> None:
        self._connection = connection
        self._queue = queue
        self._may_ask_ahead = may_ask_ahead
        self._timeout = timeout
        self._ready: Deque[Message] = deque()
        self._error: Optional[ColaError] = None
        self._number = 0  # of the consumer; 0: there is none
        self._last_number = 0
        self._expected = 0  # asked for, not come
        self._batch = 1
        self._taken = 0
        self._asked_at = time.monotonic()
        self.used_at = 0.0

    @property
    def is_idle(self) -> bool:
        """Nothing lies here and nothing is asked for."""
        return not self._ready and self._expected == 0

    def __len__(self) -> int:
        return len(self._ready)

    def take(self, deadline: Optional[float]) -> Optional[Message]:
        """The next message, or None if none came before the deadline (None: wait for ever)."""
        if not self._ready:
            self._wait(deadline)
        self.used_at = time.monotonic()
        try:
            message = self._ready.popleft()
        except IndexError:
            return None
        self._taken += 1
        return message

    def take_now(self) -> Optional[Message]:
        """The next message, or None if there is none."""
        if not self._ready and self._expected:
            self._revoke()
        if self._ready:
            return self.take(None)
        request = verbs.get(self._queue, "manual", Message)
        message = request.read(self._connection.call(request.label, request.encode, self._timeout))
        if message is not None:
            self._connection.hold()
        return message

    def _wait(self, deadline: Optional[float]) -> None:
        if self._expected == 0:
            self._ask()
        if self._connection.wait(lambda: bool(self._ready) or self._error is not None, deadline):
            if self._ready or self._error is None:
                return
            error, self._error = self._error, None
            if error.code != "damaged":  # after that one it goes on
                self._number = self._expected = 0
            raise error
        else:
            # What is asked for and comes later would lie here with nobody waiting for it.
            self._revoke()

    def _ask(self) -> None:
        now = time.monotonic()
        pace = (now - self._asked_at) / max(1, self._taken)
        self._asked_at, self._taken = now, 0
        if self._may_ask_ahead:
            self._batch = max(1, min(2 * self._batch, _AHEAD_MAX, int(_AHEAD / max(pace, 1e-9))))
        batch = self._batch
        if self._number:
            self._expected = batch
            self._connection.send_untagged(requests.credit(self._number, batch))
            return
        self._last_number += 1
        number = self._number = self._last_number
        self._expected = batch
        self._connection.add_receiver(number, self)
        try:
            self._connection.call(
                f"consume {self._queue!r}",
                lambda tag: requests.consume(self._queue, number, tag, credit=batch),
                self._timeout,
            )
        except BaseException:
            # A consumer that nobody waits for would take messages: if it began after all, it is ended again.
            self._revoke_quietly()
            raise

    def _revoke(self) -> None:
        """Ends what is asked for. What has come by then lies here."""
        number, self._number = self._number, 0
        if number == 0:
            return
        try:
            request = verbs.cancel(number, self._queue)
            self._connection.call(request.label, request.encode, self._timeout)
        except ColaError as problem:
            if problem.code != "not_found":
                raise
        finally:
            self._expected = 0
        self._connection.remove_receiver(number)

    def _revoke_quietly(self) -> None:
        try:
            self._revoke()
        except ColaError:
            pass  # there was none, or the connection is lost

    def give_back(self) -> None:
        """Everything that was not taken goes back to its place in the queue."""
        self._revoke()
        unseen = [message.delivery for message in self._ready]
        self._ready.clear()
        for first, last in ranges(unseen):
            self._connection.settle("nack", first, last)

    # What the connection calls

    @property
    def holds(self) -> bool:
        return True

    def arrived(self, message: Message) -> None:
        self._expected -= 1
        self._ready.append(message)

    def failed(self, error: ColaError) -> None:
        self._error = error

    def assigned(self, assigned: Assigned) -> None:
        pass  # of topics only
