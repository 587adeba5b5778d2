"""A TCP proxy in front of a broker: its answers can be late, and its connections can break at a certain request."""
from __future__ import annotations

import socket
import threading
import time
from typing import List, Optional


class Proxy:
    """Listens on a free port of the loopback; a context."""

    def __init__(self, target: str, delay: float = 0):
        host, _, port = target.rpartition("/")[2].rpartition(":")
        self.target = (host, int(port))
        #: How late all that the broker says is. Seconds.
        self.delay = delay
        #: The first request with this in it never arrives: all connections break instead.
        self.break_at: Optional[bytes] = None
        self.accepted = 0
        self._open: List[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = "tcp://127.0.0.1:%d" % self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self.target, 10)
            except OSError:
                return
            server.settimeout(None)
            self.accepted += 1
            self._open += [client, server]
            threading.Thread(target=self._carry, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._carry, args=(server, client, True), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        try:
            while data := source.recv(65_536):
                if not is_answer and self.break_at is not None and self.break_at in data:
                    self.break_at = None
                    return self.break_all()
                if is_answer:
                    time.sleep(self.delay)
                target.sendall(data)
        except OSError:
            pass
        _end(target)

    def break_all(self) -> None:
        for one in self._open:
            _end(one)

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.break_all()
        for one in self._open:
            one.close()


def _end(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
