"""Publishes to the queue `jobs` over TCP, with the native protocol and Cola's client."""

from __future__ import annotations

import cola
import load

QUEUE = "jobs"


def main() -> None:
    producer = load.name("native")
    progress = load.Progress(producer)
    with cola.connect(reconnect=True, client=producer) as client:
        client.declare_queue(QUEUE)
        # With `retry` what was not confirmed when a connection was lost is sent again over the next one. The server
        # may have stored it before, so it may be there twice: whoever reads it knows by its number.
        with client.publisher(window=200, retry=True) as publisher:
            for numbers in load.batches():
                for number in numbers:
                    publisher.publish(QUEUE, load.body(producer, number), message_id=f"{producer}-{number}")
                progress.say(publisher.flush().confirmed, now=not numbers)


if __name__ == "__main__":
    main()
