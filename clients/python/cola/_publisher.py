"""Publishing without waiting for each confirm, and knowing exactly what became of every message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, NamedTuple, Optional

from . import _requests as requests
from ._answers import Ok
from ._connection import Connection, deadline_of
from ._errors import ColaError, NoAnswer, TooLarge
from ._requests import Duration, Headers, properties
from ._text import Text, to_bytes

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Type

# Written together at most, bytes; and the longest that a message waits for company while others come, seconds.
_BURST = 65_536
_BURST_WAIT = 0.005
# So many refusals are collected before they are raised at once.
_REFUSED_MAX = 1_000


class PublishReport(NamedTuple):
    """What became of messages 0 to ``sent`` - 1, numbered as ``publish`` returned them.

    Answers come in order: of the first ``sent - len(unknown)`` messages those in ``refused`` are not stored, and all
    others are on the server's disk. Of ``unknown`` the server may have stored any beginning.
    """

    sent: int
    refused: Dict[int, ColaError]
    unknown: range
    #: How many of the confirmed ones the server had taken before, by their ``message_id``.
    duplicates: int = 0

    @property
    def confirmed(self) -> int:
        """How many are stored."""
        return self.sent - len(self.refused) - len(self.unknown)

    def is_confirmed(self, number: int) -> bool:
        return 0 <= number < self.sent and number not in self.refused and number not in self.unknown


class PublishRefused(ColaError):
    """The server refused some messages; ``report`` says which, and why."""

    code = "publish_refused"

    def __init__(self, report: PublishReport) -> None:
        self.report = report
        number, error = next(iter(report.refused.items()))
        self.retryable = all(one.retryable for one in report.refused.values())
        super().__init__(
            f"{len(report.refused)} of {report.sent} messages were refused ({report.confirmed} are confirmed, "
            f"{len(report.unknown)} not answered yet); the first is number {number}: {error}"
        )


class Publisher:
    """Publishes with at most ``window`` messages unconfirmed; made by ``Client.publisher``.

    Used in a ``with`` block, whose end waits for all confirms. Messages that come one after the other travel
    together, so ``flush`` is needed where a message must leave now and no other follows. For one thread; make one for
    each thread, they may share a client.

    What happened is in ``report()``, at any time, also after the connection was lost.
    """

    def __init__(self, connection: Connection, window: int, timeout: Optional[float], body_max: int) -> None:
        if window < 1:
            raise ValueError("a window holds at least one message")
        self.window = window
        self.timeout = timeout
        self._connection = connection
        self._body_max = body_max
        self._sent = 0
        self._answered = 0
        self._refused: Dict[int, ColaError] = {}
        self._reported = 0
        self._duplicates = 0

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
        if data is not None and len(data) > self._body_max:
            raise TooLarge(
                f"the body has {len(data)} bytes; the server allows at most {self._body_max} (its setting body-max)"
            )
        said = properties(priority, ttl, delay, message_id, reply_to, correlation_id, partition)
        connection = self._connection
        outgoing = connection.publish(
            lambda tag: requests.pub(name, data, tag, exchange, key, headers, mandatory, said), self
        )
        number = self._sent
        self._sent = number + 1
        if self._sent - self._answered >= self.window:
            # To half the window, so that writes and reads are few and large.
            self._wait_until_at_most(self.window // 2)
        elif outgoing > _BURST or connection.unsent_for() > _BURST_WAIT:
            connection.flush(deadline_of(self.timeout))
        if len(self._refused) >= self._reported + _REFUSED_MAX:
            self._raise_refused()
        return number

    def flush(self) -> PublishReport:
        """Waits until every message is answered.

        - Raises PublishRefused: some were refused since this was raised last. NoAnswer: ``timeout`` passed without
          any answer. ConnectionLost.
        """
        self._wait_until_at_most(0)
        if len(self._refused) > self._reported:
            self._raise_refused()
        return self.report()

    def _wait_until_at_most(self, unanswered: int) -> None:
        # Each answer that comes is a sign of life: the time is for the next one, not for all.
        while True:
            before = self._answered
            if self._connection.wait(
                lambda: self._sent - self._answered <= unanswered or self._answered > before,
                deadline_of(self.timeout),
            ):
                if self._sent - self._answered <= unanswered:
                    return
                continue
            reason = self._connection.blocked
            held = f"; publishers are held back: {reason}" if reason else ""
            waiting = self._sent - self._answered
            raise NoAnswer(
                f"no confirm from {self._connection.name} within {self.timeout} s, {waiting} messages wait{held}"
            )

    def _raise_refused(self) -> None:
        report = self.report()
        self._reported = len(self._refused)
        raise PublishRefused(report)

    def report(self) -> PublishReport:
        """What is known now."""
        unknown = range(self._answered, self._sent)
        return PublishReport(self._sent, dict(self._refused), unknown, self._duplicates)

    # What the connection calls

    def confirmed(self, count: int, ok: Ok) -> None:
        self._answered += count
        if ok.options:
            self._duplicates += "duplicate" in ok.options

    def refused(self, error: ColaError) -> None:
        self._refused[self._answered] = error
        self._answered += 1

    def describe(self, count: int) -> str:
        last = self._answered + count - 1
        return f"{count} published messages, numbers {self._answered} to {last}"

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
