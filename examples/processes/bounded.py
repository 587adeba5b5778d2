"""A fast producer and a slow consumer: the queue has room for three, and the producer waits.

    python3 examples/processes/bounded.py
"""

import time
from multiprocessing import Process

from cola import Queue

ROOM = 3


def produce(loaves: Queue, count: int) -> None:
    for number in range(count):
        loaves.put(f"loaf {number}")  # waits while the shelf is full
    loaves.put(None)


def sell(loaves: Queue) -> None:
    most = 0
    for loaf in iter(loaves.get, None):
        most = max(most, loaves.qsize())
        print(f"sold {loaf}", flush=True)
        time.sleep(0.02)
    print(f"never more than {ROOM} on the shelf: {most <= ROOM}")


def main() -> None:
    shelf = Queue(maxsize=ROOM)
    baker = Process(target=produce, args=(shelf, 10))
    seller = Process(target=sell, args=(shelf,))
    baker.start()
    seller.start()
    baker.join()
    seller.join()


if __name__ == "__main__":
    main()
