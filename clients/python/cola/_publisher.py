"""Publishing without waiting for each confirm, and knowing exactly what became of every message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from . import _requests as requests
from ._confirms import Confirms, PublishReport
from ._connection import deadline_of
from ._errors import ColaError, ConnectionLost, NoAnswer
from ._requests import Duration, Headers, properties
from ._session import Session
from ._text import Text, to_bytes
from ._verbs import check_retry

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Type

# Written together at most, bytes; and the longest that a message waits for company while others come, seconds.
_BURST = 65_536
_BURST_WAIT = 0.005


class Publisher(Confirms):
    """Publishes with at most ``window`` messages unconfirmed; made by ``Client.publisher``.

    Used in a ``with`` block, whose end waits for all confirms. Messages that come one after the other travel
    together, so ``flush`` is needed where a message must leave now and no other follows. For one thread; make one for
    each thread, they may share a client.

    What happened is in ``report()``, at any time, also after the connection was lost. That is the end of a publisher,
    unless it was made with ``retry``.
    """

    def __init__(
        self, session: Session, window: int, timeout: Optional[float], body_max: int, retry: bool = False
    ) -> None:
        super().__init__(window, body_max, retry)
        self.timeout = timeout
        self._session = session
        self._connection = session.live(deadline_of(timeout))

    def publish(
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
        """Sends a message and returns its number, counted from 0. Waits only while the window is full.

        The options are those of ``Client.publish``.

        - Raises TooLarge: not sent. NoAnswer: the window stays full; this message was sent. ConnectionLost: see
          ``report().unknown``. PublishRefused: 1,000 refusals have come since the last was raised.
        """
        data = None if body is None else to_bytes(body)
        self._check_size(data)
        if self._retry:
            check_retry(message_id)
        said = properties(priority, ttl, delay, message_id, reply_to, correlation_id, partition)

        def encode(tag: int) -> bytes:
            return requests.pub(name, data, tag, exchange, key, headers, mandatory, said)

        number = self._number(encode)
        try:
            outgoing = self._connection.publish(encode, self)
            if self._sent - self._answered >= self.window:
                # To half the window, so that writes and reads are few and large.
                self._wait_until_at_most(self.window // 2)
            elif outgoing > _BURST or self._connection.unsent_for() > _BURST_WAIT:
                self._connection.flush(deadline_of(self.timeout))
        except (TypeError, ValueError):
            self._take_back()  # it could not be encoded
            raise
        except ConnectionLost:
            if not self._is_resumed():
                raise
        if self._refused and self._has_many_refusals:
            self._raise_refused()
        return number

    def flush(self) -> PublishReport:
        """Waits until every message is answered.

        - Raises PublishRefused: some were refused since this was raised last. NoAnswer: ``timeout`` passed without
          any answer. ConnectionLost.
        """
        while True:
            try:
                self._wait_until_at_most(0)
                break
            except ConnectionLost:
                if not self._is_resumed():
                    raise
        if self._has_new_refusals:
            self._raise_refused()
        return self.report()

    def _is_resumed(self) -> bool:
        """Sends again over another connection what the lost one did not get answered; false: that is not wanted."""
        if not self._retry or not self._session.reconnects:
            return False
        while True:
            self._connection = self._session.live(deadline_of(self.timeout))
            try:
                for encode in self._again():
                    self._connection.publish(encode, self)
                self._connection.flush(deadline_of(self.timeout))
                return True
            except ConnectionLost:
                continue

    def _wait_until_at_most(self, unanswered: int) -> None:
        # Each answer that comes is a sign of life: the time is for the next one, not for all.
        while True:
            before = self._answered
            if self._connection.wait(
                lambda: self._waiting <= unanswered or self._answered > before, deadline_of(self.timeout)
            ):
                if self._waiting <= unanswered:
                    return
                continue
            raise NoAnswer(self._no_confirm(self._connection.name, self.timeout, self._connection.blocked))

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if error is None:
            self.flush()
        elif self._connection.is_open:
            # The block failed by itself: that is what its caller hears of. What was published still goes out.
            try:
                self._wait_until_at_most(0)
            except ColaError:
                pass
