"""A pile of work and any number of workers; what a worker does not finish goes to another.

    python3 examples/work_queue.py add 1000     # in one terminal
    python3 examples/work_queue.py work         # in as many others as you like; Ctrl-C stops one
"""

import hashlib
import sys

import cola

QUEUE = "work"


def add(client: cola.Client, count: int) -> None:
    # Does not wait for each message; the end of the block waits for all, and raises if any was refused.
    with client.publisher(window=500) as publisher:
        for number in range(count):
            publisher.publish(QUEUE, f"job {number}")
    print(f"{publisher.report().confirmed} jobs are confirmed")


def work(client: cola.Client) -> None:
    # A few at a time, so that slow jobs do not pile up at one worker while another has nothing to do.
    for delivery in client.consume(QUEUE, prefetch=4):
        try:
            result = hashlib.sha256(delivery.body * 100_000).hexdigest()
        except MemoryError:
            delivery.nack()
            continue
        again = " (not for the first time)" if delivery.redelivered else ""
        print(f"{delivery.text}: {result[:12]}{again}", flush=True)
        delivery.ack()


def main() -> None:
    task = sys.argv[1] if len(sys.argv) > 1 else ""
    count = sys.argv[2] if len(sys.argv) > 2 else "100"
    if task not in ("add", "work") or not count.isdecimal():
        sys.exit(__doc__)
    try:
        with cola.connect(client=f"work_queue {task}") as client:
            client.declare_queue(QUEUE)
            if task == "add":
                add(client, int(count))
            else:
                work(client)
    except cola.ColaError as problem:
        sys.exit(f"work_queue: {problem}")
    except KeyboardInterrupt:
        pass  # what was in hand goes back to the queue


if __name__ == "__main__":
    main()
