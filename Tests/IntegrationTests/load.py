"""Producers and consumers that keep a broker busy, record all they do in a `History`, and outlive its crashes."""
from __future__ import annotations

import collections
import random
import socket
import threading
import time
from typing import Callable, Deque, Dict, List, Optional, Tuple

import native
from broker import Broker
from history import History, Message

QUEUES = ["q0", "q1", "q2", "q3"]
BATCH_QUEUE = "batches"
EXCHANGE = "fan"
FANOUT = ["f0", "f1", "f2"]
ROUTES: Dict[str, List[str]] = {**{name: [name] for name in QUEUES}, BATCH_QUEUE: [BATCH_QUEUE], EXCHANGE: FANOUT}
ALL_QUEUES = QUEUES + [BATCH_QUEUE] + FANOUT
HUNG = (socket.timeout, TimeoutError)  # one and the same from Python 3.10 on, and each an OSError
BROKEN = OSError


def body_size(random_source: random.Random) -> int:
    """16 B to 4 KiB, as many small ones as large ones; now and then 100 KiB, more than one stored batch holds."""
    if random_source.random() < 0.004:
        return 102_400
    return int(16 * 2 ** random_source.uniform(0, 8))


class Load:
    """Threads that publish and consume until they are stopped. `broker` may be killed and started meanwhile."""

    #: Where messages are published, and in which queues each must be then.
    routes = ROUTES

    def __init__(self, broker: Broker, seed: int, producers: int = 3, consumers: int = 3, window: int = 200,
                 backlog: int = 3_000):
        self.broker = broker
        self.history = self.new_history()
        self.queues = [queue for queues in self.routes.values() for queue in queues]
        self.window = window
        self.backlog = backlog
        self.stopping = threading.Event()
        self.draining = threading.Event()
        self.ending = threading.Event()
        self.failures: List[BaseException] = []
        self.last_delivery = time.monotonic()
        self._consumers = [self._thread(self.consumer(random.Random(seed * 1000 + 500 + n), n).run)
                           for n in range(consumers)]
        self._producers = [self._thread(self.producer(random.Random(seed * 1000 + n), "p%d" % n).run)
                           for n in range(producers)]

    # What a load over another protocol does in its own way

    def new_history(self) -> History:
        return History(self.routes)

    def producer(self, random_source: random.Random, name: str) -> "Producer":
        return Producer(self, random_source, name)

    def consumer(self, random_source: random.Random, number: int) -> "Consumer":
        return Consumer(self, random_source, number)

    def declare(self) -> None:
        """The queues and exchanges of `routes`."""
        with native.Connection(self.broker.unix) as connection:
            for queue in ALL_QUEUES:
                connection.ok("declare queue %s" % queue)
            connection.ok("declare exchange %s type=fanout" % EXCHANGE)
            for queue in FANOUT:
                connection.ok("bind %s %s" % (EXCHANGE, queue))

    # Life

    def start(self) -> None:
        for thread in self._consumers + self._producers:
            thread.start()

    def run_for(self, seconds: float) -> None:
        """Lets it run, and reports at once when a thread of the rig found something impossible."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.check()
            time.sleep(min(0.05, max(0.0, deadline - time.monotonic())))

    def check(self) -> None:
        if self.failures:
            raise self.failures[0]

    def restart(self) -> None:
        self.history.recovered(self.broker.start())

    def finish(self, quiet: float = 1.0, deadline: float = 60.0) -> None:
        """Stops the producers, lets the consumers empty every queue, and records what is left."""
        self.stop_producers()
        self.draining.set()
        end = time.monotonic() + deadline
        self.last_delivery = time.monotonic()
        while time.monotonic() < end:
            self.check()
            idle = time.monotonic() - self.last_delivery
            if idle > quiet * 5 or (idle > quiet / 4 and not any(self._remaining().values())):
                break
            time.sleep(0.05)
        self.stop()
        for queue, count in self._remaining().items():
            self.history.remains(queue, count)

    def stop_producers(self) -> None:
        self.stopping.set()
        self._join(self._producers)

    def stop(self) -> None:
        """Ends every thread. What the consumers hold goes back to its queues."""
        self.stopping.set()
        self.draining.set()
        self.ending.set()
        self._join(self._producers + self._consumers)
        self.check()

    def _thread(self, body: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                body()
            except BaseException as error:  # anything but a broken connection is a finding
                self.failures.append(error)

        return threading.Thread(target=guarded, daemon=True)

    def _join(self, threads: List[threading.Thread]) -> None:
        for thread in threads:
            if thread.ident is not None:
                thread.join(30)
                assert not thread.is_alive(), "a thread of the load hangs"

    def _remaining(self) -> Dict[str, int]:
        with native.Connection(self.broker.unix) as connection:
            rows = connection.ok("list queues").json()
        return {row["name"]: row["messages"] for row in rows if row["name"] in self.queues}


class Producer:
    """Publishes with a window of unanswered requests; after a broken connection it goes on with the next number."""

    DROP = 0.0005  # chance of dropping the connection, each time something is sent

    def __init__(self, load: Load, random_source: random.Random, name: str):
        self.load = load
        self.history = load.history
        self.random = random_source
        self.name = name

    def run(self) -> None:
        while not self.load.stopping.is_set():
            try:
                # The third producer comes over TCP, the others over the Unix socket.
                url = self.load.broker.tcp if self.name == "p2" and self.load.broker.tcp else self.load.broker.unix
                with native.Connection(url) as connection:
                    self._publish(connection)
            except HUNG as timeout:
                raise AssertionError("the server hangs: %s" % timeout) from timeout
            except BROKEN:
                time.sleep(0.02)
            except native.Refused as refusal:
                if refusal.code != "shutting_down":
                    raise

    def _publish(self, connection: native.Connection) -> None:
        number = self.history.new_connection(connection.ok("stat").json()["epoch"])
        waiting: Deque[Tuple[int, List[Message]]] = collections.deque()
        tag = 0
        held_back = False
        while True:
            stopping = self.load.stopping.is_set()
            if stopping and not waiting:
                return
            burst = bytearray()
            room = self.load.window - len(waiting)
            if not stopping and not held_back and room > 0 and self.history.waiting() < self.load.backlog:
                for _ in range(self.random.randint(1, room)):
                    tag += 1
                    data, messages = self._request(tag, number)
                    waiting.append((tag, messages))
                    burst += data
                    if len(burst) > 150_000:
                        break
                connection.send_bytes(bytes(burst))
                if self.random.random() < self.DROP:
                    return
            # A server that does not answer for long while it is told to store is a finding, not an idle moment.
            event = connection.next_event(10.0 if waiting else 0.01)
            if event is None and waiting and not held_back:
                raise AssertionError("%s: %d publishes not answered for 10 s" % (self.name, len(waiting)))
            if isinstance(event, native.Notice):
                held_back = {"blocked": True, "unblocked": False}.get(event.verb, held_back)
            elif isinstance(event, native.Answer):
                self._settle(event, waiting)

    def _request(self, tag: int, connection: int) -> Tuple[bytes, List[Message]]:
        kind = self.random.random()
        options = "t=%d" % tag
        if kind < 0.1:
            sizes = [body_size(self.random) for _ in range(self.random.randint(2, 20))]
            messages = self.history.sent(self.name, BATCH_QUEUE, connection, sizes, batch=True)
            return native.publish_batch(BATCH_QUEUE, [message.body() for message in messages], options), messages
        if kind < 0.25:
            messages = self.history.sent(self.name, EXCHANGE, connection, [body_size(self.random)])
            return native.publish("any", messages[0].body(), options + " x=" + EXCHANGE), messages
        queue = self.random.choice(QUEUES)
        messages = self.history.sent(self.name, queue, connection, [body_size(self.random)])
        return native.publish(queue, messages[0].body(), options), messages

    def _settle(self, answer: native.Answer, waiting: Deque[Tuple[int, List[Message]]]) -> None:
        assert answer.first is not None and answer.last is not None, "an answer without the tag of its request"
        for tag in range(answer.first, answer.last + 1):
            assert waiting and waiting[0][0] == tag, "answer to %d, due is %s" % (tag, list(waiting)[:1])
            messages = waiting.popleft()[1]
            if answer.ok:
                self.history.confirmed(messages)
            else:
                assert answer.code in ("blocked", "shutting_down"), "%s %s" % (answer.code, answer.sentence)
                self.history.refused(messages)


class Consumer:
    """Takes from every queue, acknowledges most, gives some back, and now and then drops its connection.

    Some acks are followed by a `ping`; once that is answered, the message must never be seen again.
    """

    NACK = 0.01
    DROP = 0.0003
    PING = 0.2

    def __init__(self, load: Load, random_source: random.Random, number: int):
        self.load = load
        self.history = load.history
        self.random = random_source
        self.number = number

    def run(self) -> None:
        while not self.load.ending.is_set():
            try:
                url = self.load.broker.tcp if self.number == 1 and self.load.broker.tcp else self.load.broker.unix
                with native.Connection(url) as connection:
                    self._consume(connection)
            except HUNG as timeout:
                raise AssertionError("the server hangs: %s" % timeout) from timeout
            except BROKEN:
                time.sleep(0.02)
            except native.Refused as refusal:
                if refusal.code != "shutting_down":
                    raise

    def _consume(self, connection: native.Connection) -> None:
        number = self.history.new_connection(connection.ok("stat").json()["epoch"])
        for index, queue in enumerate(ALL_QUEUES):
            connection.ok("consume %s c=%d prefetch=%d" % (queue, index + 1, self.random.choice((1, 10, 50))))
        held: Dict[int, Tuple[str, Message]] = {}
        acked: List[Tuple[str, Message]] = []           # not yet covered by a ping
        pings: Deque[List[Tuple[str, Message]]] = collections.deque()
        ready: Deque[native.Event] = collections.deque(connection.deliveries)
        connection.deliveries.clear()
        while not self.load.ending.is_set():
            event = ready.popleft() if ready else connection.next_event(0.02 if not held else 0.002)
            if isinstance(event, native.Delivery):
                self.load.last_delivery = time.monotonic()
                queue = ALL_QUEUES[event.consumer - 1]
                message = self.history.delivered(queue, event.offset, event.redelivered, event.body, number)
                if message is not None:
                    held[event.number] = (queue, message)
                if self.random.random() < self.DROP and not self.load.draining.is_set():
                    return
            elif isinstance(event, native.Answer):
                if not event.ok:
                    raise native.Refused("ping", event)
                self.history.settled(pings.popleft())
            elif isinstance(event, native.ConsumerError):
                raise AssertionError("%s: %s" % (event.code, event.sentence))
            if held and (event is None or len(held) >= self.random.randint(1, 60)):
                acked += self._settle(connection, held)
                held.clear()
                if self.random.random() < self.PING:
                    connection.send("ping")
                    pings.append(acked)
                    acked = []

    def _settle(
        self, connection: native.Connection, held: Dict[int, Tuple[str, Message]]
    ) -> List[Tuple[str, Message]]:
        """Settles all that is held: some nacks, then the rest one by one or as a range. Returns what it acked."""
        lines = []
        acked = dict(held)
        for delivery in held:
            if self.random.random() < self.NACK:
                lines.append("nack %d\n" % delivery)
                del acked[delivery]
        if acked and self.random.random() < 0.5:
            # A range may span what was given back a moment ago: it covers only what is held.
            lines.append("ack %d-%d\n" % (min(acked), max(acked)) if len(acked) > 1 else "ack %d\n" % min(acked))
        else:
            lines += ["ack %d\n" % delivery for delivery in acked]
        connection.send_bytes("".join(lines).encode())
        return list(acked.values())
