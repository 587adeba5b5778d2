"""Objects a second from one process to another: `multiprocessing.Queue`, and `cola.Queue` in its kinds.

    cola serve &
    PYTHONPATH=clients/python python3 clients/python/benchmarks/queues.py [COUNT]
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from typing import Any, Callable

import cola


def drain(objects: Any, done: Any) -> None:
    for _ in iter(objects.get, None):
        pass
    done.put("done")


def measure(label: str, make: Callable[[], Any], count: int, value: object) -> None:
    objects, done = make(), make()
    process = multiprocessing.get_context("fork").Process(target=drain, args=(objects, done))
    process.start()
    begun = time.perf_counter()
    for _ in range(count):
        objects.put(value)
    objects.put(None)
    done.get()
    seconds = time.perf_counter() - begun
    process.join()
    print(f"{label:34} {count / seconds:10,.0f} objects a second", flush=True)
    for one in (objects, done):
        if isinstance(one, cola.Queue):
            one.delete()


def main() -> None:
    argument = sys.argv[1] if len(sys.argv) > 1 else "100000"
    if not argument.isdecimal() or int(argument) < 1:
        sys.exit(__doc__)
    count = int(argument)
    name = f"benchmark {os.getpid()} "
    named = (f"{name}{number}" for number in range(100))
    try:
        for shown, value, times in (("an int", 7, count), ("1 MB", bytes(1_000_000), max(1, count // 1000))):
            measure(f"multiprocessing.Queue, {shown}", multiprocessing.Queue, times, value)
            measure(f"cola.Queue, {shown}", cola.Queue, times, value)
            measure(f"cola.Queue with a name, {shown}", lambda: cola.Queue(name=next(named)), times, value)
        few = max(1, count // 20)
        measure("multiprocessing.Queue(10), an int", lambda: multiprocessing.Queue(10), few, 7)
        measure("cola.Queue(10), an int", lambda: cola.Queue(10), few, 7)
    except cola.ColaError as problem:
        sys.exit(f"queues: {problem}")


if __name__ == "__main__":
    main()
