"""A message as it comes from the server."""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple

from ._text import from_bytes


class Message:
    """A message with its place in the queue or topic.

    - ``body``: bytes.
    - ``offset``: its place in the queue or topic. ``delivery``: the number that acknowledges it; 0 when peeked at.
    - ``releases``: None if it was never handed out before; else how many deliveries of it are known to have ended
      without an acknowledgement (0: the server did not stop in order, so it may have been handed out).
    - ``timestamp``: when the server took it in, milliseconds since 1970, UTC, or None.
    - ``key``: the record's key, or None. ``header_pairs``: names and values in their order.
    - ``partition``: of a topic. ``has_value``: False for a record that says that its key is gone; its body is empty.
    """

    __slots__ = (
        "consumer",
        "delivery",
        "offset",
        "body",
        "releases",
        "timestamp",
        "key",
        "header_pairs",
        "partition",
        "has_value",
    )

    def __init__(self, consumer: int, delivery: int, offset: int) -> None:
        self.consumer = consumer
        self.delivery = delivery
        self.offset = offset
        self.body = b""
        self.releases: Optional[int] = None
        self.timestamp: Optional[int] = None
        self.key: Optional[bytes] = None
        self.header_pairs: List[Tuple[bytes, bytes]] = []
        self.partition = 0
        self.has_value = True

    @property
    def redelivered(self) -> bool:
        """True if it may have been handed out before."""
        return self.releases is not None

    @property
    def headers(self) -> Dict[str, str]:
        """The headers as text. Bytes that are not UTF-8 become surrogates and survive being published again."""
        return {from_bytes(name): from_bytes(value) for name, value in self.header_pairs}

    @property
    def message_id(self) -> Optional[str]:
        """What it was published with as ``message_id``."""
        return self._header(b"cola-message-id")

    @property
    def reply_to(self) -> Optional[str]:
        """The queue that an answer is expected in."""
        return self._header(b"cola-reply-to")

    @property
    def correlation_id(self) -> Optional[str]:
        """What the answer is to carry as its ``correlation_id``."""
        return self._header(b"cola-correlation-id")

    def _header(self, name: bytes) -> Optional[str]:
        return next((from_bytes(value) for header, value in self.header_pairs if header == name), None)

    @property
    def text(self) -> str:
        """The body read as UTF-8.

        - Raises UnicodeDecodeError: it is not UTF-8.
        """
        return self.body.decode("utf-8")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} offset={self.offset} delivery={self.delivery} {len(self.body)} bytes>"
