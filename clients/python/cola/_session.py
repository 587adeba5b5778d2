"""The connection of a blocking client, and the next one when it is lost."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Callable, Optional, Tuple, TypeVar

from . import _verbs as verbs
from ._connection import Connection, deadline_of
from ._errors import ColaError, ConnectionLost, NoAnswer
from ._heartbeat import Heartbeat
from ._reconnect import Reconnect
from ._verbs import Request, Welcome

Result = TypeVar("Result")
Opened = Tuple[Connection, Welcome]


class Session:
    """- open: makes a connection. policy: when to make another; None: never.

    Shared by the threads of a program: the first that finds the connection lost makes the next, and the others wait.
    """

    def __init__(self, open: Callable[[], Opened], policy: Optional[Reconnect]) -> None:
        self._open = open
        self._policy = policy
        self._lock = threading.Lock()
        self._is_closed = False
        self._numbers = itertools.count(1)
        self._heartbeat: Optional[Heartbeat] = None
        self.connection, self.welcome = self._opened()

    def _opened(self) -> Opened:
        connection, welcome = self._open()
        if welcome.heartbeat:
            self._heartbeat = Heartbeat(connection, welcome.heartbeat)
        return connection, welcome

    @property
    def reconnects(self) -> bool:
        return self._policy is not None and not self._is_closed

    def next_number(self) -> int:
        """Of a consumer."""
        return next(self._numbers)

    def live(self, deadline: Optional[float]) -> Connection:
        """The connection; if it is lost and there is a policy, a new one.

        - Raises ColaError: what the last attempt met, when the policy or the deadline ends them.
        """
        connection, policy = self.connection, self._policy
        if connection.is_open or policy is None or self._is_closed:
            return connection
        left = -1 if deadline is None else max(0.0, deadline - time.monotonic())
        if not self._lock.acquire(timeout=left):
            raise NoAnswer(f"{connection.name} is still being connected to again")
        try:
            begun = time.monotonic()
            for wait in policy.waits():
                if self.connection.is_open or self._is_closed:
                    break
                try:
                    self.connection, self.welcome = self._opened()
                    break
                except ColaError as problem:
                    then = time.monotonic() + wait
                    gives_up = policy.give_up_after is not None and then > begun + policy.give_up_after
                    if gives_up or not problem.retryable or (deadline is not None and then > deadline):
                        raise
                time.sleep(wait)
            return self.connection
        finally:
            self._lock.release()

    def ask(self, request: Request[Result], timeout: Optional[float]) -> Result:
        """Asks and waits for the answer; once more over a new connection, if that does no more than asking once.

        - Raises ColaError: the server refused. NoAnswer. ConnectionLost: it may be carried out or not.
        """
        timeout = None if request.is_long else timeout
        deadline = deadline_of(timeout)
        while True:
            connection = self.live(deadline)
            request.check_size(self.welcome.body_max)
            try:
                return request.read(connection.call(request.label, request.encode, timeout, request.is_peek))
            except ConnectionLost:
                if not (request.is_repeatable and self.reconnects):
                    raise
                if deadline is not None and time.monotonic() > deadline:
                    raise

    def close(self, timeout: Optional[float]) -> None:
        """Takes leave and closes; does not raise."""
        self._is_closed = True
        try:
            if self.connection.is_open:
                leave = verbs.quit()
                self.connection.call(leave.label, leave.encode, timeout)
        except ColaError:
            pass  # it ends now in any case
        finally:
            self.connection.lose("the client closed the connection")
            if self._heartbeat is not None:
                self._heartbeat.stop()
