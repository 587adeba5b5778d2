"""How much the producers publish, and when: what the two have in common.

The environment says so: MESSAGES in all (0: without end), RATE a second (0: as fast as they are confirmed), and with
BUSY and QUIET, seconds, a load that comes and goes. Each message is JSON: its producer, and its number from 1 on.
"""

from __future__ import annotations

import json
import os
import time
from typing import Iterator, List

MESSAGES = int(os.environ.get("MESSAGES", "0"))
RATE = float(os.environ.get("RATE", "0"))
BUSY = float(os.environ.get("BUSY", "15"))
QUIET = float(os.environ.get("QUIET", "0"))
# Messages that are made at a time, seconds.
STEP = 0.1


def name(protocol: str) -> str:
    """A producer that is started again is another one, and counts from 1 again."""
    return f"{protocol}-{time.strftime('%H%M%S')}" if MESSAGES == 0 else protocol


def batches() -> Iterator[List[int]]:
    """The numbers that are due now; waits for the next. None are due when a rest begins, and in the end."""
    number = 0
    begun = time.monotonic()
    due = begun
    while MESSAGES == 0 or number < MESSAGES:
        count = max(1, round(RATE * STEP)) if RATE else 100
        if MESSAGES:
            count = min(count, MESSAGES - number)
        yield list(range(number + 1, number + 1 + count))
        number += count
        if RATE:
            due += STEP
            time.sleep(max(0.0, due - time.monotonic()))
        if QUIET and time.monotonic() - begun > BUSY:
            yield []
            time.sleep(QUIET)
            begun = due = time.monotonic()
    yield []


def body(producer: str, number: int) -> bytes:
    return json.dumps({"producer": producer, "number": number}).encode()


class Progress:
    """Says now and then, and when asked to, how many messages are confirmed."""

    def __init__(self, producer: str) -> None:
        self._producer = producer
        self._said_at = 0.0

    def say(self, confirmed: int, now: bool) -> None:
        if now or time.monotonic() - self._said_at > 5:
            print(f"{self._producer}: {confirmed} confirmed", flush=True)
            self._said_at = time.monotonic()
