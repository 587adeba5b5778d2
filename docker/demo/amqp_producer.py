"""Publishes to the queue `jobs` over AMQP, with pika, which was written for RabbitMQ."""

from __future__ import annotations

import os
import time
from typing import Optional

import load
import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

QUEUE = "jobs"
# The broker is back long before, if it comes back; seconds.
GIVE_UP_AFTER = 60.0


class Publisher:
    """Publishes until it is confirmed, over as many connections as it takes."""

    def __init__(self, url: str) -> None:
        self._parameters = pika.URLParameters(url)
        self._channel: Optional[BlockingChannel] = None

    def publish(self, body: bytes, message_id: str) -> None:
        """Returns when it is confirmed. What was not is sent again: it may have been stored, and be there twice."""
        properties = pika.BasicProperties(delivery_mode=2, message_id=message_id)
        give_up_at = time.monotonic() + GIVE_UP_AFTER
        while True:
            try:
                if self._channel is None:
                    self._channel = self._open()
                self._channel.basic_publish("", QUEUE, body, properties, mandatory=True)
                return
            except (AMQPError, OSError) as problem:
                if time.monotonic() > give_up_at:
                    raise
                if self._channel is not None:
                    print(f"the connection was lost ({problem!r}); message {message_id} is sent again", flush=True)
                self._channel = None
                time.sleep(0.2)

    def _open(self) -> BlockingChannel:
        channel = pika.BlockingConnection(self._parameters).channel()
        channel.confirm_delivery()  # so that basic_publish waits for the confirm
        channel.queue_declare(QUEUE, durable=True)
        return channel


def main() -> None:
    producer = load.name("amqp")
    progress = load.Progress(producer)
    publisher = Publisher(os.environ["AMQP_URL"])
    confirmed = 0
    for numbers in load.batches():
        for number in numbers:
            publisher.publish(load.body(producer, number), f"{producer}-{number}")
            confirmed += 1
        progress.say(confirmed, now=not numbers)


if __name__ == "__main__":
    main()
