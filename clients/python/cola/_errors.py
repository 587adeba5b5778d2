"""What can go wrong, as exceptions with the stable codes of protocol/native.md, section 7."""

from __future__ import annotations

from typing import Dict, Optional, Sequence, Tuple, Type


class ColaError(Exception):
    """A request was refused, or could not be answered.

    ``code`` is stable; ``retryable`` says that the same request, unchanged, can succeed later; ``sentence`` is for
    people.
    """

    code = "error"
    retryable = False

    def __init__(self, sentence: str, code: Optional[str] = None, retryable: Optional[bool] = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        if code is not None:
            self.code = code
        if retryable is not None:
            self.retryable = retryable

    def __str__(self) -> str:
        return f"{self.code}: {self.sentence}"


class Unauthenticated(ColaError):
    """The name or the password is wrong."""

    code = "unauthenticated"


class AccessRefused(ColaError):
    """The name is reserved, or the user may not do this."""

    code = "access_refused"


class NotFound(ColaError):
    """No such queue, topic, exchange, binding, consumer, group, policy or virtual host."""

    code = "not_found"


class Mismatch(ColaError):
    """It exists, but is of another kind; or the request does not fit what it names."""

    code = "mismatch"


class Unroutable(ColaError):
    """The message leads to no queue and no topic."""

    code = "unroutable"


class TooLarge(ColaError):
    """A body, or the bodies of one request together, are over the server's limit."""

    code = "too_large"


class LimitReached(ColaError):
    """One of the server's limits is reached; the sentence names it."""

    code = "limit"


class InUse(ColaError):
    """What is to be deleted is used or not empty; or the number of a consumer is taken."""

    code = "in_use"


class Locked(ColaError):
    """Another connection has the queue, or its consuming, for itself alone."""

    code = "locked"


class Full(ColaError):
    """The queue holds as much as it may, and refuses more."""

    code = "full"
    retryable = True


class UnknownDelivery(ColaError):
    """What was to be acknowledged is not held by this connection."""

    code = "unknown_delivery"


class Cancelled(ColaError):
    """The consumer has ended, because its queue or topic was deleted."""

    code = "cancelled"


class Damaged(ColaError):
    """A stored message failed its check and was put aside; the consumer goes on."""

    code = "damaged"


class Blocked(ColaError):
    """The server cannot store anything now."""

    code = "blocked"
    retryable = True


class ShuttingDown(ColaError):
    """The server is stopping."""

    code = "shutting_down"
    retryable = True


class Busy(ColaError):
    """The server has as many connections as it allows."""

    code = "busy"
    retryable = True


class Misconfigured(ColaError):
    """The server's configuration cannot be taken on as it is; nothing was changed."""

    code = "configuration"


class Unreachable(ColaError):
    """No connection could be made."""

    code = "unreachable"
    retryable = True


class NoAnswer(ColaError, TimeoutError):
    """No answer came in time. Whether the request was carried out is not known; the connection is still open."""

    code = "no_answer"
    retryable = True


class ProtocolViolation(ColaError):
    """What the server sent is not the protocol. The connection is closed."""

    code = "protocol"


class ConnectionLost(ColaError):
    """The connection has ended.

    ``in_flight`` names each request that was sent, or about to be, and never answered: the server may or may not have
    carried it out. ``unacknowledged`` counts the messages that this connection held; the server gives them to others.
    """

    code = "connection_lost"
    retryable = True

    def __init__(self, sentence: str, in_flight: Sequence[str] = (), unacknowledged: int = 0) -> None:
        self.in_flight: Tuple[str, ...] = tuple(in_flight)
        self.unacknowledged = unacknowledged
        shown = "; ".join(self.in_flight[:5])
        if len(self.in_flight) > 5:
            shown += f"; and {len(self.in_flight) - 5} more"
        super().__init__(f"{sentence}; not answered: {shown}" if shown else sentence)


class StaleDelivery(ConnectionLost):
    """What was to be acknowledged came over a connection that has ended; the server gives it to somebody again."""

    code = "stale_delivery"
    retryable = False


_BY_CODE: Dict[str, Type[ColaError]] = {
    kind.code: kind
    for kind in (
        Unauthenticated,
        AccessRefused,
        NotFound,
        Mismatch,
        Unroutable,
        TooLarge,
        LimitReached,
        InUse,
        Locked,
        Full,
        UnknownDelivery,
        Cancelled,
        Damaged,
        Blocked,
        ShuttingDown,
        Busy,
        Misconfigured,
    )
}


def error_for(code: str, retryable: bool, sentence: str) -> ColaError:
    """The exception of a code; a plain ColaError for those that a program hardly handles one by one."""
    return _BY_CODE.get(code, ColaError)(sentence, code, retryable)
