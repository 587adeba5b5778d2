"""What became of each message that was published without waiting for its confirm."""

from __future__ import annotations

from collections import deque
from typing import Callable, Deque, Dict, List, NamedTuple, Optional

from ._answers import Ok
from ._errors import ColaError, TooLarge

# So many refusals are collected before they are raised at once.
_REFUSED_MAX = 1_000


class PublishReport(NamedTuple):
    """What became of messages 0 to ``sent`` - 1, numbered as ``publish`` returned them.

    Answers come in order: of the first ``sent - len(unknown)`` messages those in ``refused`` are not stored, and all
    others are on the server's disk, or were taken and acknowledged by a consumer already. Of ``unknown`` the server may
    have stored any beginning.
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


class Confirms:
    """The part of a publisher that does not wait: numbers, confirms, refusals, and what to send again."""

    def __init__(self, window: int, body_max: int, retry: bool) -> None:
        if window < 1:
            raise ValueError("a window holds at least one message")
        self.window = window
        self._body_max = body_max
        self._retry = retry
        self._sent = 0
        self._answered = 0
        self._refused: Dict[int, ColaError] = {}
        self._reported = 0
        self._duplicates = 0
        # With `retry`: how to send again each message that is not answered.
        self._unanswered: Deque[Callable[[int], bytes]] = deque()

    def report(self) -> PublishReport:
        """What is known now."""
        unknown = range(self._answered, self._sent)
        return PublishReport(self._sent, dict(self._refused), unknown, self._duplicates)

    @property
    def _waiting(self) -> int:
        return self._sent - self._answered

    def _check_size(self, body: Optional[bytes]) -> None:
        if body is not None and len(body) > self._body_max:
            raise TooLarge(
                f"the body has {len(body)} bytes; the server allows at most {self._body_max} (its setting body-max)"
            )

    def _number(self, encode: Callable[[int], bytes]) -> int:
        """Takes note of a message before it is sent."""
        number = self._sent
        self._sent = number + 1
        if self._retry:
            self._unanswered.append(encode)
        return number

    def _take_back(self) -> None:
        """The message that was noted last was not sent."""
        self._sent -= 1
        if self._retry:
            self._unanswered.pop()

    def _again(self) -> List[Callable[[int], bytes]]:
        """What another connection is to send, in order."""
        return list(self._unanswered)

    @property
    def _has_many_refusals(self) -> bool:
        return len(self._refused) >= self._reported + _REFUSED_MAX

    @property
    def _has_new_refusals(self) -> bool:
        return len(self._refused) > self._reported

    def _raise_refused(self) -> None:
        report = self.report()
        self._reported = len(self._refused)
        raise PublishRefused(report)

    def _no_confirm(self, server: str, timeout: Optional[float], blocked: Optional[str]) -> str:
        held = f"; publishers are held back: {blocked}" if blocked else ""
        return f"no confirm from {server} within {timeout} s, {self._waiting} messages wait{held}"

    # What the connection calls

    def confirmed(self, count: int, ok: Ok) -> None:
        self._answered += count
        if ok.options:
            self._duplicates += "duplicate" in ok.options
        self._forget(count)

    def refused(self, error: ColaError) -> None:
        self._refused[self._answered] = error
        self._answered += 1
        self._forget(1)

    def _forget(self, count: int) -> None:
        if self._retry:
            for _ in range(count):
                self._unanswered.popleft()

    def describe(self, count: int) -> str:
        last = self._answered + count - 1
        return f"{count} published messages, numbers {self._answered} to {last}"
