"""Signs of life from a connection that its program leaves alone for a while."""

from __future__ import annotations

import asyncio
import time

from .. import _requests as requests
from ._connection import Connection


class Heartbeat:
    """Beats every ``seconds`` / 2 and notices a silent server after 2 × ``seconds``, from timers of the loop."""

    def __init__(self, connection: Connection, seconds: int) -> None:
        self._connection = connection
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(seconds / 4, self._look)

    def _look(self) -> None:
        connection = self._connection
        if not connection.is_open:
            return
        silent = time.monotonic() - connection.last_received
        if silent > 2 * self._seconds:
            connection.lose(f"nothing came from {connection.name} for {silent:.0f} s")
            return
        if time.monotonic() - connection.last_sent >= self._seconds / 4:
            connection.send_untagged(requests.simple("beat"))
        self._timer = self._loop.call_later(self._seconds / 4, self._look)

    def stop(self) -> None:
        self._timer.cancel()
