"""The load of `load.py` over AMQP 0-9-1: confirms, acknowledgements, transactions, dead letters, lost connections."""
from __future__ import annotations

import collections
import random
import socket
import threading
import time
from typing import Any, Deque, Dict, List, NamedTuple, Optional, Tuple

from pika import frame as frames
from pika import spec

import amqp
from broker import Broker
from history import History, Message, parse
from load import BROKEN, HUNG, Load, body_size

QUEUES = ["a%d" % number for number in range(12)]
TRANSACTIONS = "transactions"
EXCHANGE = "amqp-fan"
FANOUT = ["g%d" % number for number in range(5)]
#: Where messages wait until they expire, and where they are dead letters then.
WAITING, DEAD = "waiting", "dead"
ROUTES: Dict[str, List[str]] = {
    **{name: [name] for name in QUEUES}, TRANSACTIONS: [TRANSACTIONS], EXCHANGE: FANOUT, WAITING: [DEAD]}


class AMQPHistory(History):
    """Deliveries of AMQP do not say where in the queue a message stands.

    What can be seen: first deliveries on one connection come in the order in which each producer published.
    """

    def __init__(self, routes: Dict[str, List[str]]):
        super().__init__(routes)
        self._streams: Dict[Tuple[int, str, str], int] = {}

    def seen(self, queue: str, redelivered: bool, data: bytes, connection: int) -> Optional[Message]:
        parsed = parse(data)
        if parsed is None:
            return self.delivered(queue, 0, None, data, connection)
        key = parsed[0]
        stream = (connection, key.producer, key.target)
        if stream not in self._streams:
            self._streams[stream] = self.new_connection(self._life(connection))
        return self.delivered(queue, key.number, 0 if redelivered else None, data, self._streams[stream])


class Life(NamedTuple):
    """One run of the broker. Each has a port of its own, so a connection to it is to no other."""

    number: int
    address: amqp.Address


class AMQPLoad(Load):
    routes = ROUTES

    def __init__(self, broker: Broker, seed: int, **options: Any):
        super().__init__(broker, seed, **options)
        self.life = Life(1, amqp.address(broker.amqp))

    def new_history(self) -> History:
        return AMQPHistory(self.routes)

    def producer(self, random_source: random.Random, name: str) -> Any:
        return Producer(self, random_source, name)

    def consumer(self, random_source: random.Random, number: int) -> Any:
        return Consumer(self, random_source, number)

    def declare(self) -> None:
        connection = amqp.connect(self.life.address)
        channel = connection.channel()
        for queue in QUEUES + FANOUT + [TRANSACTIONS, DEAD]:
            channel.queue_declare(queue, durable=True)
        channel.queue_declare(WAITING, durable=True, arguments={
            "x-message-ttl": 50, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": DEAD})
        channel.exchange_declare(EXCHANGE, "fanout", durable=True)
        for queue in FANOUT:
            channel.queue_bind(queue, EXCHANGE)
        connection.close()

    def restart(self) -> None:
        super().restart()
        self.life = Life(self.life.number + 1, amqp.address(self.broker.amqp))


class Peer:
    """A thread that connects again and again, whatever becomes of its connection."""

    def __init__(self, load: AMQPLoad, random_source: random.Random):
        self.load = load
        self.history: AMQPHistory = load.history  # type: ignore[assignment]
        self.random = random_source

    def keep(self, ending: threading.Event) -> None:
        while not ending.is_set():
            life = self.load.life
            try:
                with amqp.Wire(life.address, timeout=10) as wire:
                    wire.open(1)
                    self.talk(wire, self.history.new_connection(life.number))
            except HUNG as timeout:
                raise AssertionError("the server hangs: %s" % timeout) from timeout
            except (EOFError, BROKEN):
                time.sleep(0.02)

    def talk(self, wire: amqp.Wire, connection: int) -> None:
        raise NotImplementedError


def next_frame(wire: amqp.Wire, seconds: float) -> Optional[amqp.Frame]:
    try:
        return wire.frame(seconds)
    except (socket.timeout, TimeoutError):
        return None


def refuse_an_end(frame: Any) -> None:
    """A channel or connection must not end but with the server."""
    if isinstance(frame, frames.Method) and isinstance(frame.method, (spec.Channel.Close, spec.Connection.Close)):
        if frame.method.reply_code != 320:
            raise AssertionError("%d %s" % (frame.method.reply_code, frame.method.reply_text))
        raise EOFError(frame.method.reply_text)


class Producer(Peer):
    """Publishes with a window of unconfirmed messages on channel 1, and now and then a transaction on channel 2."""

    DROP = 0.001

    def __init__(self, load: AMQPLoad, random_source: random.Random, name: str):
        super().__init__(load, random_source)
        self.name = name

    def run(self) -> None:
        self.keep(self.load.stopping)

    def talk(self, wire: amqp.Wire, connection: int) -> None:
        wire.call(spec.Confirm.Select(), spec.Confirm.SelectOk)
        wire.open(2)
        wire.call(spec.Tx.Select(), spec.Tx.SelectOk, 2)
        unconfirmed: Dict[int, List[Message]] = {}
        transaction: Optional[List[Message]] = None
        number = 0
        while True:
            stopping = self.load.stopping.is_set()
            if stopping and not unconfirmed and transaction is None:
                return
            room = self.load.window - len(unconfirmed)
            if not stopping and room > 0 and self.history.waiting() < self.load.backlog:
                burst = bytearray()
                for _ in range(self.random.randint(1, room)):
                    number += 1
                    data, unconfirmed[number] = self.message(connection)
                    burst += data
                    if len(burst) > 150_000:
                        break
                if transaction is None and self.random.random() < 0.1:
                    data, transaction = self.transaction(connection)
                    burst += data
                wire.send_bytes(bytes(burst))
                if self.random.random() < self.DROP:
                    return
            waits = bool(unconfirmed) or transaction is not None
            frame = next_frame(wire, 10 if waits else 0.01)
            if frame is None and waits:
                raise AssertionError("%s: %d publishes not confirmed for 10 s" % (self.name, len(unconfirmed)))
            refuse_an_end(frame)
            if isinstance(frame, frames.Method):
                transaction = self.settle(frame.method, unconfirmed, transaction)

    def message(self, connection: int) -> Tuple[bytes, List[Message]]:
        kind = self.random.random()
        target = EXCHANGE if kind < 0.15 else WAITING if kind < 0.2 else self.random.choice(QUEUES)
        messages = self.history.sent(self.name, target, connection, [body_size(self.random)])
        exchange, key = (EXCHANGE, "") if target == EXCHANGE else ("", target)
        return amqp.published(messages[0].body(), exchange, key, delivery_mode=2), messages

    def transaction(self, connection: int) -> Tuple[bytes, List[Message]]:
        sizes = [body_size(self.random) for _ in range(self.random.randint(2, 10))]
        messages = self.history.sent(self.name, TRANSACTIONS, connection, sizes, batch=True)
        data = b"".join(amqp.published(one.body(), "", TRANSACTIONS, channel=2, delivery_mode=2) for one in messages)
        return data + amqp.marshal(spec.Tx.Commit(), 2), messages

    def settle(self, method: Any, unconfirmed: Dict[int, List[Message]],
               transaction: Optional[List[Message]]) -> Optional[List[Message]]:
        if isinstance(method, spec.Tx.CommitOk):
            assert transaction is not None, "a commit that nobody asked for"
            self.history.confirmed(transaction)
            return None
        assert isinstance(method, spec.Basic.Ack), method
        first = min(unconfirmed) if method.multiple else method.delivery_tag
        for number in range(first, method.delivery_tag + 1):
            assert number in unconfirmed, "%d is confirmed, due are %s" % (number, sorted(unconfirmed)[:1])
            self.history.confirmed(unconfirmed.pop(number))
        return transaction


class Held(NamedTuple):
    queue: str
    message: Message


class Consumer(Peer):
    """Takes from every queue; acknowledges most, gives some back, rejects some, and drops its connection at times.

    Some of this is followed by a question. Once that is answered, what was acknowledged or rejected must not be seen
    again.
    """

    NACK, REJECT, DROP, ASK = 0.01, 0.01, 0.0003, 0.2

    def __init__(self, load: AMQPLoad, random_source: random.Random, number: int):
        super().__init__(load, random_source)
        self.number = number

    def run(self) -> None:
        self.keep(self.load.ending)

    def talk(self, wire: amqp.Wire, connection: int) -> None:
        wire.call(spec.Basic.Qos(0, self.random.choice((1, 10, 50)), False), spec.Basic.QosOk)
        for queue in self.load.queues:
            wire.send(spec.Basic.Consume(queue=queue, consumer_tag=queue, nowait=True))
        held: Dict[int, Held] = {}
        done: List[Tuple[str, Message]] = []  # since the last question
        questions: Deque[List[Tuple[str, Message]]] = collections.deque()
        while not self.load.ending.is_set():
            frame = next_frame(wire, 0.02 if not held else 0.002)
            refuse_an_end(frame)
            if isinstance(frame, frames.Method) and isinstance(frame.method, spec.Basic.Deliver):
                self.load.last_delivery = time.monotonic()
                data = wire.content()[1]
                queue = frame.method.consumer_tag
                message = self.history.seen(queue, frame.method.redelivered, data, connection)
                if message is not None:
                    held[frame.method.delivery_tag] = Held(queue, message)
                if self.random.random() < self.DROP and not self.load.draining.is_set():
                    return
            elif isinstance(frame, frames.Method):
                assert isinstance(frame.method, spec.Basic.QosOk), frame
                self.history.settled(questions.popleft())
            if held and (frame is None or len(held) >= self.random.randint(1, 60)):
                done += self.settle(wire, held)
                if self.random.random() < self.ASK:
                    wire.send(spec.Basic.Qos(0, 10, False))  # for later consumers: changes nothing here
                    questions.append(done)
                    done = []

    def settle(self, wire: amqp.Wire, held: Dict[int, Held]) -> List[Tuple[str, Message]]:
        """Settles all that is held; returns what must not come again."""
        methods: List[Any] = []
        done = []
        for tag, (queue, message) in list(held.items()):
            kind = self.random.random()
            if kind < self.NACK:
                methods.append(spec.Basic.Nack(tag, requeue=True))
            elif kind < self.NACK + self.REJECT:
                methods.append(spec.Basic.Reject(tag, requeue=False))
                done.append((queue, message))
            else:
                done.append((queue, message))
                continue
            del held[tag]
        if held and self.random.random() < 0.5:
            methods.append(spec.Basic.Ack(max(held), multiple=True))  # all that is left up to there
        else:
            methods += [spec.Basic.Ack(tag) for tag in held]
        held.clear()
        wire.send_bytes(b"".join(amqp.marshal(method) for method in methods))
        return done
