"""What a process has put into a queue and the server has not confirmed yet."""

from __future__ import annotations

from collections import deque
from typing import Deque, NamedTuple, Optional

from . import _requests as requests
from ._answers import Ok
from ._connection import Connection, deadline_of
from ._errors import ColaError, error_for

# So much may be unconfirmed before a put waits.
_WINDOW = 2_000
_WINDOW_BYTES = 16_777_216
# Written together at most, bytes.
_BURST = 65_536


class Put(NamedTuple):
    """One object on its way: pickled, and with the id by which the queue knows it again, if it is to be retried."""

    data: bytes
    message_id: Optional[str]


class Outbox:
    """Puts without waiting for each confirm. For one thread at a time; the connection may be shared."""

    def __init__(self, connection: Connection, queue: str) -> None:
        self.pending: Deque[Put] = deque()
        self._connection = connection
        self._queue = queue
        self._bytes = 0
        self._refused = 0
        self._first_refusal: Optional[ColaError] = None

    def put(self, put: Put) -> None:
        """Sends an object, perhaps together with those that follow."""

        def encode(tag: int) -> bytes:
            # Here, under the connection's lock, so that no answer can come before this is noted.
            self.pending.append(put)
            self._bytes += len(put.data)
            return encoded(self._queue, put, tag)

        if self._connection.publish(encode, self) > _BURST:
            self._connection.flush(None)

    @property
    def is_full(self) -> bool:
        return len(self.pending) >= _WINDOW or self._bytes >= _WINDOW_BYTES

    def wait_for_room(self, deadline: Optional[float]) -> bool:
        """Waits until half of the window is free, so that writes and reads are few and large; false: not in time."""
        return self._connection.wait(
            lambda: len(self.pending) <= _WINDOW // 2 and self._bytes <= _WINDOW_BYTES // 2, deadline
        )

    def has_progress(self, seconds: float) -> bool:
        """Whether anything is confirmed within that time."""
        before = len(self.pending)
        return self._connection.wait(lambda: len(self.pending) < before or before == 0, deadline_of(seconds))

    def wait_until_empty(self, deadline: Optional[float]) -> bool:
        return self._connection.wait(lambda: not self.pending, deadline)

    def raise_refusal(self) -> None:
        """
        - Raises ColaError: the server refused something since this was raised last.
        """
        error, self._first_refusal = self._first_refusal, None
        if error is not None:
            count, self._refused = self._refused, 0
            raise error_for(
                error.code,
                error.retryable,
                f"{count} of the objects that were put into the queue {self._queue!r} before were refused and are not "
                f"in it; the first because: {error.sentence}",
            )

    # What the connection calls

    def confirmed(self, count: int, ok: Ok) -> None:
        for _ in range(count):
            self._bytes -= len(self.pending.popleft().data)

    def refused(self, error: ColaError) -> None:
        self._bytes -= len(self.pending.popleft().data)
        self._refused += 1
        self._first_refusal = self._first_refusal or error

    def describe(self, count: int) -> str:
        return f"{count} objects put into the queue {self._queue!r}"


def encoded(queue: str, put: Put, tag: int) -> bytes:
    return requests.pub(queue, put.data, tag, properties=requests.properties(message_id=put.message_id))
