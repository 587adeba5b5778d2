"""Where the server is: ``unix:///path``, ``unix:path`` or ``tcp://[user:password@]host[:port]``."""

from __future__ import annotations

import os
import socket
from typing import Optional, Tuple
from urllib.parse import unquote, urlsplit

from ._errors import Unreachable

DEFAULT_URL = "unix://./cola-data/cola.sock"
DEFAULT_PORT = 7672


class Address:
    """A server's address, with the name and password that stand in its URL.

    - Raises ValueError: the URL has another form.
    """

    def __init__(self, url: Optional[str] = None) -> None:
        self.url = url or os.environ.get("COLA_URL") or DEFAULT_URL
        self.path: Optional[str] = None
        self.host, self.port = "", 0
        self.user: Optional[str] = None
        self.password: Optional[str] = None
        path = self.url[len("unix:") :] if self.url.startswith("unix:") else ""
        path = path[2:] if path.startswith("//") else path
        if path:
            self.path = path
        elif self.url.startswith("tcp://"):
            parts = urlsplit(self.url)
            if not parts.hostname:
                raise ValueError(f"the URL {self.shown} names no host; write tcp://HOST:PORT")
            if parts.path not in ("", "/") or parts.query or parts.fragment:
                raise ValueError(
                    f"the URL {self.shown} has more than a host and a port; a virtual host is named by vhost=…"
                )
            self.host, self.port = parts.hostname, parts.port or DEFAULT_PORT
            self.user = None if parts.username is None else unquote(parts.username)
            self.password = None if parts.password is None else unquote(parts.password)
        else:
            raise ValueError(f"cannot read the URL {self.shown!r}; write unix:///PATH/cola.sock or tcp://HOST:PORT")

    @property
    def shown(self) -> str:
        """The URL as it may stand in a message: without the password."""
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}" if scheme == "tcp" else self.url

    @property
    def absolute(self) -> str:
        """The URL as a process in another folder may use it."""
        return self.url if self.path is None else f"unix://{os.path.abspath(self.path)}"

    @property
    def is_unix(self) -> bool:
        return self.path is not None

    def login(self, user: Optional[str], password: Optional[str]) -> Tuple[Optional[str], Optional[str]]:
        """The name and password to say hello with: what is given, else the URL's; over TCP else those of a guest."""
        user = self.user if user is None else user
        password = self.password if password is None else password
        if not self.is_unix and user is None and password is None:
            return "guest", "guest"
        return user, password

    def open(self, timeout: Optional[float]) -> socket.socket:
        """A connected socket.

        - Raises Unreachable: nothing answers there.
        """
        try:
            if self.path is None:
                connected = socket.create_connection((self.host, self.port), timeout)
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connected
            connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connected.settimeout(timeout)
                connected.connect(self.path)
            except BaseException:
                connected.close()
                raise
            return connected
        except OSError as problem:
            raise self.unreachable(problem) from problem

    def unreachable(self, problem: OSError) -> Unreachable:
        """What to say when no connection could be made."""
        if isinstance(problem, PermissionError):
            return Unreachable(
                f"may not use {self.shown} ({problem.strerror}); who may is said by the server's setting socket-mode "
                "and by the permissions of the socket's directory"
            )
        return Unreachable(
            f"no server answers at {self.shown} ({problem.strerror or problem}); start one with `cola serve`, or "
            "set COLA_URL to where it is"
        )
