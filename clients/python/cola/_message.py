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
    """

    __slots__ = ("consumer", "delivery", "offset", "body", "releases", "timestamp", "key", "header_pairs")

    def __init__(self, consumer: int, delivery: int, offset: int) -> None:
        self.consumer = consumer
        self.delivery = delivery
        self.offset = offset
        self.body = b""
        self.releases: Optional[int] = None
        self.timestamp: Optional[int] = None
        self.key: Optional[bytes] = None
        self.header_pairs: List[Tuple[bytes, bytes]] = []

    @property
    def redelivered(self) -> bool:
        """True if it may have been handed out before."""
        return self.releases is not None

    @property
    def headers(self) -> Dict[str, str]:
        """The headers as text. Bytes that are not UTF-8 become surrogates and survive being published again."""
        return {from_bytes(name): from_bytes(value) for name, value in self.header_pairs}

    @property
    def text(self) -> str:
        """The body read as UTF-8.

        - Raises UnicodeDecodeError: it is not UTF-8.
        """
        return self.body.decode("utf-8")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} offset={self.offset} delivery={self.delivery} {len(self.body)} bytes>"
