"""The connection of an asyncio client, and the next one when it is lost."""

from __future__ import annotations

import asyncio
import itertools
from typing import Awaitable, Callable, Optional, Tuple, TypeVar

from .. import _verbs as verbs
from .._answers import Ok
from .._errors import ColaError, ConnectionLost, NoAnswer
from .._reconnect import Reconnect
from .._verbs import Request, Welcome
from ._connection import Connection, deadline_of
from ._heartbeat import Heartbeat

Result = TypeVar("Result")
Opened = Tuple[Connection, Welcome]


class Session:
    """- open: makes a connection. policy: when to make another; None: never.

    Shared by tasks: the first that finds the connection lost makes the next, and the others wait.
    """

    connection: Connection
    welcome: Welcome

    def __init__(self, open: Callable[[], Awaitable[Opened]], policy: Optional[Reconnect]) -> None:
        self._open = open
        self._policy = policy
        self._lock = asyncio.Lock()
        self._is_closed = False
        self._numbers = itertools.count(1)
        self._heartbeat: Optional[Heartbeat] = None

    async def begin(self) -> None:
        self.connection, self.welcome = await self._open()
        if self.welcome.heartbeat:
            if self._heartbeat is not None:
                self._heartbeat.stop()
            self._heartbeat = Heartbeat(self.connection, self.welcome.heartbeat)

    @property
    def reconnects(self) -> bool:
        return self._policy is not None and not self._is_closed

    def next_number(self) -> int:
        """Of a consumer."""
        return next(self._numbers)

    async def live(self, deadline: Optional[float]) -> Connection:
        """The connection; if it is lost and there is a policy, a new one.

        - Raises ColaError: what the last attempt met, when the policy or the deadline ends them.
        """
        if self.connection.is_open or not self.reconnects:
            return self.connection
        left = None if deadline is None else deadline - asyncio.get_running_loop().time()
        try:
            await asyncio.wait_for(self._lock.acquire(), left)
        except asyncio.TimeoutError:
            raise NoAnswer(f"{self.connection.name} is still being connected to again") from None
        try:
            await self._begin_again(deadline)
        finally:
            self._lock.release()
        return self.connection

    async def _begin_again(self, deadline: Optional[float]) -> None:
        policy, clock = self._policy or Reconnect(), asyncio.get_running_loop().time
        begun = clock()
        for wait in policy.waits():
            if self.connection.is_open or self._is_closed:
                return
            try:
                return await self.begin()
            except ColaError as problem:
                then = clock() + wait
                gives_up = policy.give_up_after is not None and then > begun + policy.give_up_after
                if gives_up or not problem.retryable or (deadline is not None and then > deadline):
                    raise
            await asyncio.sleep(wait)

    async def ask(
        self,
        request: Request[Result],
        timeout: Optional[float],
        too_late: Optional[Callable[[Ok], None]] = None,
    ) -> Result:
        """Asks and waits for the answer; once more over a new connection, if that does no more than asking once.

        - Raises ColaError: the server refused. NoAnswer. ConnectionLost: it may be carried out or not.
        """
        timeout = None if request.is_long else timeout
        deadline = deadline_of(timeout)
        while True:
            connection = await self.live(deadline)
            request.check_size(self.welcome.body_max)
            try:
                return request.read(
                    await connection.call(
                        request.label, request.encode, timeout, request.is_peek, too_late=too_late
                    )
                )
            except ConnectionLost:
                if not (request.is_repeatable and self.reconnects):
                    raise
                if deadline is not None and asyncio.get_running_loop().time() > deadline:
                    raise

    async def close(self, timeout: Optional[float]) -> None:
        """Takes leave and closes; does not raise."""
        self._is_closed = True
        try:
            if self.connection.is_open:
                leave = verbs.quit()
                await self.connection.call(leave.label, leave.encode, timeout)
        except ColaError:
            pass  # it ends now in any case
        finally:
            self.connection.lose("the client closed the connection")
            if self._heartbeat is not None:
                self._heartbeat.stop()
        await self.connection.ended()
