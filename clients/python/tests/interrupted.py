"""A program that is interrupted all the time while it uses a `cola.Queue`; `test_queue_signals.py` runs it.

    python3 interrupted.py URL KIND HOW SEED COUNT

KIND is a key of KINDS, HOW is `sigint` (somebody else sends it) or `alarm` (a timer of its own). After COUNT interrupts
it takes out what is left and prints one JSON object: what it tried to put, what was put for sure, and what it got.
"""

from __future__ import annotations

import faulthandler
import json
import os
import queue
import random
import signal
import sys
from typing import Any, Dict, List

import cola

# Where it hangs is told on standard error after so many seconds.
LIMIT = float(os.environ.get("COLA_INTERRUPTED_LIMIT", "60"))
# Longest time between two alarms, seconds.
_BETWEEN = 0.003
_LARGE = 100_000

KINDS: Dict[str, Dict[str, Any]] = {
    "plain": {},
    "retry": {"retry": True},
    "bounded": {"maxsize": 5},
    "bounded-retry": {"maxsize": 5, "retry": True},
    "done": {"acknowledge": "done"},
}


class Interrupted(Exception):
    """Not a KeyboardInterrupt: a queue must not take it for a mistake of the object that it reads."""


class Program:
    def __init__(self, url: str, kind: str, how: str, seed: int, count: int) -> None:
        self.random = random.Random(seed)
        self.tasks = cola.Queue(name=f"interrupted-{kind}-{os.getpid()}", url=url, **KINDS[kind])
        self.counts_done = kind == "done"
        self.how, self.count = how, count
        self.raises: type = KeyboardInterrupt if how == "sigint" else Interrupted
        self.may_raise = False
        self.interrupts = 0
        self.is_over = False
        self.number = 0
        self.put: List[int] = []
        self.got: List[int] = []

    def interrupt(self, *_: object) -> None:
        # The handler may run after the timer was stopped, for an alarm from before: it must not start it again.
        if self.how == "alarm" and not self.is_over:
            signal.setitimer(signal.ITIMER_REAL, self.random.uniform(0.00002, _BETWEEN))
        if self.may_raise:
            raise self.raises("interrupted")

    def run(self) -> None:
        signal.signal(signal.SIGINT if self.how == "sigint" else signal.SIGALRM, self.interrupt)
        print("ready", flush=True)
        self.interrupt()
        while self.interrupts < self.count:
            try:
                self.may_raise = True
                self.use()
                self.may_raise = False
            except (KeyboardInterrupt, Interrupted):
                self.may_raise = False
                self.interrupts += 1
        self.is_over = True
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.take_out()

    def use(self) -> None:
        chance = self.random.random()
        if chance < 0.45:
            for _ in range(self.random.randrange(1, 60)):
                self.put_one()
        elif chance < 0.9:
            for _ in range(self.random.randrange(1, 60)):
                self.get_one()
        elif chance < 0.94:
            self.tasks.flush()
        elif chance < 0.97:
            self.tasks.qsize()
        else:
            self.tasks.empty()

    def put_one(self) -> None:
        self.number += 1
        number = self.number
        value = (number, bytes(_LARGE)) if number % 97 == 0 else number
        try:
            self.tasks.put(value, timeout=0.02)
        except queue.Full:
            return
        self.put.append(number)

    def get_one(self) -> None:
        timeout = self.random.choice((None, 0.001, 0.01))
        try:
            self.got.append(self.tasks.get(timeout is not None, timeout))
        except queue.Empty:
            return
        if self.counts_done:
            self.tasks.task_done()

    def take_out(self) -> None:
        self.tasks.flush()
        while self.tasks.qsize():
            self.got.append(self.tasks.get(timeout=LIMIT))
        while self.counts_done:
            try:
                self.tasks.task_done()
            except ValueError:
                self.tasks.join()
                break
        # What an interrupt left with nobody would come back to its place by now.
        while True:
            try:
                self.got.append(self.tasks.get(timeout=0.3))
            except queue.Empty:
                break
        self.tasks.delete()


def main() -> None:
    url, kind, how, seed, count = sys.argv[1:]
    faulthandler.dump_traceback_later(LIMIT, exit=True)
    program = Program(url, kind, how, int(seed), int(count))
    program.run()
    got = [one if isinstance(one, int) else one[0] for one in program.got]
    print(json.dumps({"tried": program.number, "put": program.put, "got": got, "interrupts": program.interrupts}))


if __name__ == "__main__":
    main()
