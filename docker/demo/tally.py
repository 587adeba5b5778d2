"""Reads what is done from the queue `done`, through the broker's Unix socket, and counts.

Of each producer it knows every number that came. A number may come again, when something was killed; none may stay
away. Two lines that say the same are printed once.
"""

from __future__ import annotations

import json
import time
from typing import Dict, Set

import cola

QUEUE = "done"
EVERY = 1.0  # seconds between two lines


class Numbers:
    """Those of one producer that have come: all up to `floor`, and a few above it."""

    def __init__(self) -> None:
        self.floor = 0
        self.again = 0
        self._above: Set[int] = set()

    def add(self, number: int) -> None:
        if number <= self.floor or number in self._above:
            self.again += 1
            return
        self._above.add(number)
        while self.floor + 1 in self._above:
            self.floor += 1
            self._above.remove(self.floor)

    @property
    def done(self) -> int:
        return self.floor + len(self._above)

    @property
    def pending(self) -> int:
        """Below the highest that has come; most of them are with a worker just now."""
        return max(self._above, default=self.floor) - self.done


def line(tally: Dict[str, Numbers]) -> str:
    done = " ".join(f"{name}={numbers.done}" for name, numbers in sorted(tally.items()))
    pending = sum(numbers.pending for numbers in tally.values())
    again = sum(numbers.again for numbers in tally.values())
    return f"done: {done} pending={pending} again={again}"


def main() -> None:
    tally: Dict[str, Numbers] = {}
    said, said_at = "", 0.0
    with cola.connect(reconnect=True, client="tally") as client:
        client.declare_queue(QUEUE)
        with client.consume(QUEUE, prefetch=500) as deliveries:
            while True:
                delivery = deliveries.get(timeout=EVERY)
                if delivery is not None:
                    result = json.loads(delivery.body)
                    tally.setdefault(result["producer"], Numbers()).add(result["number"])
                    try:
                        delivery.ack()
                    except cola.StaleDelivery:
                        pass  # the connection was lost meanwhile: it comes again
                if tally and time.monotonic() - said_at > EVERY and line(tally) != said:
                    said, said_at = line(tally), time.monotonic()
                    print(said, flush=True)


if __name__ == "__main__":
    main()
