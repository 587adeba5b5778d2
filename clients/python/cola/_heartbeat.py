"""Signs of life from a connection that its program leaves alone for a while."""

from __future__ import annotations

import threading
import time

from . import _requests as requests
from ._connection import Connection
from ._errors import ColaError, NoAnswer


class Heartbeat:
    """A thread that beats every ``seconds`` / 2 and notices a silent server after 2 × ``seconds``.

    Only where ``heartbeat`` was asked for. It also takes in what the server sent meanwhile, so that an idle program's
    socket does not fill up with beats.
    """

    def __init__(self, connection: Connection, seconds: int) -> None:
        self._connection = connection
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cola-heartbeat", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        connection = self._connection
        looked = time.monotonic()
        while not self._stopped.wait(self._seconds / 4):
            try:
                connection.read_what_is_there()
                if not connection.is_open:
                    return
                # Who was halted himself (SIGSTOP, a machine that slept) may not have read yet what came meanwhile.
                before, looked = looked, time.monotonic()
                if looked - before > self._seconds:
                    continue
                silent = looked - connection.last_received
                if silent > 2 * self._seconds:
                    connection.lose(f"nothing came from {connection.name} for {silent:.0f} s")
                    return
                if time.monotonic() - connection.last_sent >= self._seconds / 4:
                    connection.send_untagged(requests.simple("beat"), timeout=0)
            except NoAnswer:
                continue  # the server reads nothing: it has enough to read, or is found silent above
            except ColaError:
                return  # lost; whoever uses the connection hears why

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(1)
