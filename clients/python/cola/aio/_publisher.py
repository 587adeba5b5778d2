"""Publishing without waiting for each confirm, and knowing exactly what became of every message."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Callable, Optional

from .. import _requests as requests
from .._confirms import Confirms, PublishReport
from .._errors import ColaError, ConnectionLost, NoAnswer
from .._requests import Duration, Headers, properties
from .._text import Text, to_bytes
from .._verbs import check_retry
from ._connection import Connection, deadline_of
from ._session import Session

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Type


class Publisher(Confirms):
    """Publishes with at most ``window`` messages unconfirmed; made by ``Client.publisher``.

    Used in an ``async with`` block, whose end waits for all confirms. Tasks may share one. What happened is in
    ``report()``, at any time, also after the connection was lost. That is the end of a publisher, unless it was made
    with ``retry``. A ``publish`` that is cancelled while it waits has sent nothing.
    """

    def __init__(
        self,
        session: Session,
        connection: Connection,
        window: int,
        timeout: Optional[float],
        body_max: int,
        retry: bool,
    ) -> None:
        super().__init__(window, body_max, retry)
        self.timeout = timeout
        self._session = session
        self._connection = connection
        self._resuming = asyncio.Lock()

    async def publish(
        self,
        name: Text,
        body: Optional[Text],
        *,
        exchange: Optional[str] = None,
        key: Optional[Text] = None,
        headers: Optional[Headers] = None,
        mandatory: bool = True,
        priority: Optional[int] = None,
        ttl: Optional[Duration] = None,
        delay: Optional[Duration] = None,
        message_id: Optional[Text] = None,
        reply_to: Optional[str] = None,
        correlation_id: Optional[Text] = None,
        partition: Optional[int] = None,
    ) -> int:
        """Sends a message and returns its number, counted from 0. Waits first while the window is full.

        The options are those of ``Client.publish``.

        - Raises TooLarge: not sent. NoAnswer: the window stays full; this message was not sent. ConnectionLost: see
          ``report().unknown``. PublishRefused: 1,000 refusals have come since the last was raised.
        """
        data = None if body is None else to_bytes(body)
        self._check_size(data)
        if self._retry:
            check_retry(message_id)
        said = properties(priority, ttl, delay, message_id, reply_to, correlation_id, partition)

        def encode(tag: int) -> bytes:
            return requests.pub(name, data, tag, exchange, key, headers, mandatory, said)

        while not self._is_sent(encode):
            try:
                if self._waiting >= self.window:
                    # To half the window, so that writes and reads are few and large.
                    await self._wait_until_at_most(self.window // 2)
                else:
                    await self._connection.drain(deadline_of(self.timeout))
            except ConnectionLost:
                if not await self._is_resumed():
                    raise
        number = self._sent - 1
        if self._refused and self._has_many_refusals:
            self._raise_refused()
        return number

    def _is_sent(self, encode: Callable[[int], bytes]) -> bool:
        """False: there is no room, or no connection, and nothing was sent."""
        connection = self._connection
        if self._sent - self._answered >= self.window or connection.is_held_back or not connection.is_open:
            return False
        connection.publish(encode, self)
        self._number(encode)
        return True

    async def flush(self) -> PublishReport:
        """Waits until every message is answered.

        - Raises PublishRefused: some were refused since this was raised last. NoAnswer: ``timeout`` passed without
          any answer. ConnectionLost.
        """
        while True:
            try:
                await self._wait_until_at_most(0)
                break
            except ConnectionLost:
                if not await self._is_resumed():
                    raise
        if self._has_new_refusals:
            self._raise_refused()
        return self.report()

    async def _is_resumed(self) -> bool:
        """Sends again over another connection what the lost one did not get answered; false: that is not wanted."""
        if not self._retry or not self._session.reconnects:
            return False
        async with self._resuming:
            if not self._connection.is_open:
                self._connection = await self._session.live(deadline_of(self.timeout))
                for encode in self._again():
                    self._connection.publish(encode, self)
        return True

    async def _wait_until_at_most(self, unanswered: int) -> None:
        # Each answer that comes is a sign of life: the time is for the next one, not for all.
        while self._waiting > unanswered:
            before = self._answered
            if not await self._connection.wait(
                lambda: self._waiting <= unanswered or self._answered > before, deadline_of(self.timeout)
            ):
                raise NoAnswer(self._no_confirm(self._connection.name, self.timeout, self._connection.blocked))

    async def __aenter__(self) -> Publisher:
        return self

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if error is None:
            await self.flush()
        elif self._connection.is_open and not isinstance(error, asyncio.CancelledError):
            # The block failed by itself: that is what its caller hears of. What was published still goes out.
            try:
                await self._wait_until_at_most(0)
            except ColaError:
                pass
