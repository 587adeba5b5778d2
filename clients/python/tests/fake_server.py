"""A server of one connection that plays a script, so that a test decides what the client meets, and when."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Callable, Optional, Type

import cola

# Every wait of a script ends, seconds.
LIMIT = 10.0
WELCOME = b"version=1 server=Cola/0.0.0 user=me admin=yes heartbeat=%d line=65536 body=%d features=batch,get\n"


class Peer:
    """The server's end of the connection."""

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(LIMIT)
        self.socket = connected
        self._stream = connected.makefile("rb")

    def expect(self, expected: bytes) -> None:
        found = self._stream.read(len(expected))
        assert found == expected, f"the client sent {found!r}, expected {expected!r}"

    def line(self) -> bytes:
        return self._stream.readline()

    def read(self, count: int) -> bytes:
        return self._stream.read(count)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def welcome(self, heartbeat: int = 0, body_max: int = 16_777_216) -> None:
        assert self.line().startswith(b"hello 1 t=1")
        self.send(b"ok t=1 " + WELCOME % (heartbeat, body_max))

    def expect_end(self) -> None:
        assert self._stream.read(1) == b"", "the client sent something more"

    def take_leave(self) -> None:
        """The client closes in good order."""
        words = self.line().split()
        assert words[0] == b"quit", words
        self.send(b"ok " + words[1] + b"\n")
        self.expect_end()

    def close(self) -> None:
        self._stream.close()
        self.socket.close()


class FakeServer:
    """Plays ``script`` for the one connection that it accepts; its failure is the test's."""

    def __init__(self, folder: Path, script: Callable[[Peer], None], tcp: bool = False) -> None:
        self._script = script
        if tcp:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.url = "tcp://127.0.0.1:%d" % self._listener.getsockname()[1]
        else:
            path = folder / "cola.sock"
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.bind(str(path))
            self._listener.listen(1)
            self.url = f"unix://{path}"
        self._listener.settimeout(LIMIT)
        self._failure: Optional[BaseException] = None
        self._thread = threading.Thread(target=self._play, daemon=True)

    def connect(self, timeout: float = LIMIT, heartbeat: int = 0) -> cola.Client:
        return cola.connect(self.url, timeout=timeout, heartbeat=heartbeat)

    def _play(self) -> None:
        try:
            connected, _ = self._listener.accept()
            peer = Peer(connected)
            try:
                self._script(peer)
            finally:
                peer.close()
        except BaseException as failure:
            self._failure = failure

    def __enter__(self) -> FakeServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._thread.join(2 * LIMIT)
        self._listener.close()
        if self._failure is not None:
            raise self._failure
        assert not self._thread.is_alive(), "the script did not end"
