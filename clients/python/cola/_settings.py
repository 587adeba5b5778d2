"""What a queue of Python objects was made with, and the queue at the server that goes with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional

from ._client import Client
from ._errors import Mismatch, NotFound
from ._reconnect import Reconnect

# A queue without a name goes when nobody has used it for so long, should its creator not come to delete it, ms.
_ANONYMOUS_EXPIRES = 86_400_000
# How long a queue with `retry=True` knows an object again, ms.
_RETRY_WINDOW = 600_000


@dataclass
class Settings:
    """What a queue was made with; ``maxsize`` is the limit of the queue that was found."""

    url: str
    name: str
    maxsize: int
    is_named: bool
    acknowledge: str
    retry: bool
    reconnect: Optional[Reconnect]

    def attach(self, client: Client, may_create: bool) -> bool:
        """Makes the queue if there is none, and learns its limits from the one that there is; whether it has any.

        - Raises NotFound: there is none, and it may not be made. Mismatch: it is not what was asked for.
        """
        name = self.name
        try:
            effective = client.describe("queue", name)["effective"]
        except NotFound:
            if not may_create:
                raise NotFound(
                    f"the queue {name!r} is gone: the process that made it has ended, or the server was started "
                    "anew; give a queue a name to keep it"
                ) from None
            arguments: Dict[str, Any] = {}
            if self.maxsize:
                arguments.update(max_length=self.maxsize, overflow="reject-publish")
            if self.retry:
                arguments.update(deduplication_window=_RETRY_WINDOW)
            if not self.is_named:
                arguments.update(expires=_ANONYMOUS_EXPIRES)
            client.declare_queue(name, durable=self.is_named, **arguments)
            return self.maxsize > 0
        limit = int(effective.get("max-length", 0)) if _refuses(effective) else 0
        if self.maxsize and limit != self.maxsize:
            raise Mismatch(
                f"the queue {name!r} is there with room for {limit or 'any number of'} objects, not "
                f"{self.maxsize}; leave maxsize out to take it as it is, or change it with alter"
            )
        if self.retry and "deduplication-window" not in effective:
            raise Mismatch(
                f"the queue {name!r} is there without a deduplication-window, which retry=True needs; "
                "set one with alter"
            )
        self.maxsize = limit
        return _refuses(effective) and ("max-length" in effective or "max-length-bytes" in effective)


def _refuses(effective: Dict[str, str]) -> bool:
    return str(effective.get("overflow", "")).startswith("reject-publish")
