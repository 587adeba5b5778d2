"""A child process adds up what its parent types, until there is no more.

    python3 examples/processes/accumulate_stdlib.py        # a number a line; an empty line ends it
"""

import sys
from multiprocessing import Process

from multiprocessing import Queue


def accumulate(numbers: Queue) -> None:
    total = 0
    for number in iter(numbers.get, None):
        total += number
        print(f"{number:+} makes {total}", flush=True)
    print(f"the total is {total}")


def main() -> None:
    numbers = Queue()
    child = Process(target=accumulate, args=(numbers,))
    child.start()
    for line in iter(sys.stdin.readline, ""):
        if not line.strip():
            break
        try:
            numbers.put(int(line))
        except ValueError:
            print(f"not a number: {line.strip()}", file=sys.stderr)
    numbers.put(None)
    child.join()


if __name__ == "__main__":
    main()
