"""When to try again after a connection was lost."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Callable, Iterator, Optional, Union


@dataclass(frozen=True)
class Reconnect:
    """Waits between attempts to connect again: each longer than the one before, up to a cap, and never in step.

    The first attempt is made at once. All in seconds.

    - first: before the second attempt. factor: what each wait is multiplied with for the next. most: the longest.
    - jitter: by which share of itself a wait is shortened at random, 0 to 1: clients that lost the same server do not
      come back all at once.
    - give_up_after: then the attempts end and the error is raised; None: never.
    """

    first: float = 0.05
    factor: float = 2.0
    most: float = 5.0
    jitter: float = 0.5
    give_up_after: Optional[float] = 60.0

    def __post_init__(self) -> None:
        if self.first <= 0 or self.factor < 1 or self.most < self.first or not 0 <= self.jitter <= 1:
            raise ValueError(f"no way to wait: {self}; first > 0, factor >= 1, most >= first, jitter from 0 to 1")

    def waits(self, chance: Callable[[], float] = random.random) -> Iterator[float]:
        """The waits, without end."""
        wait = self.first
        while True:
            yield wait * (1 - self.jitter * chance())
            wait = min(self.most, wait * self.factor)


def policy_of(reconnect: Union[bool, Reconnect]) -> Optional[Reconnect]:
    """What ``reconnect=`` says; None is not to."""
    if isinstance(reconnect, Reconnect):
        return reconnect
    return Reconnect() if reconnect else None
