"""Producers and a group over Kafka's protocol that outlive crashes of the broker, and the verdict on what they saw.

lost        acknowledged, and not in its partition, or at another offset than was said
twice       in its partition more than once, though each producer either says which batch it is or sends nothing again
misordered  records of one producer stand in a partition in another order than it sent them, or with a gap between them
unknown     in a partition, and never sent there, or with other bytes
changed     read at an offset, and something else, or nothing, is there later
unread      in a partition, and no member of the group has got it, though the group has read to the end
back        a high watermark or an acknowledged commit of the group that went back

A record is known by (producer, partition, number), which stands in its value; the rest of it follows from these. The
broker has the same address in each life, so that real clients find it again.
"""
from __future__ import annotations

import dataclasses
import random
import threading
import time
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

import confluent_kafka

import kafka_wire as kafka_protocol
from broker import Broker
from history import PADDING
from kafka_wire import GZIP, LZ4, NONE, Wire, batch

TOPIC, PARTITIONS, GROUP = "load", 4, "load"
COUNTS = ("lost", "twice", "misordered", "unknown", "changed", "unread", "back")
BROKEN = (OSError, EOFError)
EXAMPLES = 5


class Key(NamedTuple):
    producer: str
    partition: int
    number: int


def value(key: Key) -> bytes:
    """16 bytes to 2 KiB, as the key says."""
    size = 16 + key.number * 7919 % 2003
    return b"%s %d %d|" % (key.producer.encode(), key.partition, key.number) + PADDING[key.number:key.number + size]


def parse(data: Optional[bytes]) -> Optional[Key]:
    """None if these are not the bytes of any."""
    try:
        producer, partition, number = (data or b"").partition(b"|")[0].decode().split(" ")
        key = Key(producer, int(partition), int(number))
    except ValueError:
        return None
    return key if value(key) == data else None


@dataclasses.dataclass
class Verdict:
    faults: Dict[str, List[str]]
    figures: Dict[str, float]

    @property
    def passed(self) -> bool:
        return not any(self.faults.values())

    def __str__(self) -> str:
        fields = ["%s=%d" % (name, len(self.faults[name])) for name in COUNTS]
        fields += ["%s=%s" % (name, "%.3f" % figure if name.endswith("_s") else int(figure))
                   for name, figure in self.figures.items()]
        lines = ["VERDICT %s %s" % ("PASS" if self.passed else "FAIL", " ".join(fields))]
        return "\n".join(lines + ["  %s: %s" % (name, one) for name in COUNTS for one in self.faults[name][:EXAMPLES]])


class KafkaLoad:
    def __init__(self, broker: Broker, seed: int):
        self.broker = broker
        self.address = kafka_protocol.of(broker)
        if "--kafka" not in broker.arguments:
            broker.arguments += ["--kafka", str(self.address)]
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.stopping, self.ending = threading.Event(), threading.Event()
        self.failures: List[BaseException] = []
        self.faults: Dict[str, List[str]] = {name: [] for name in COUNTS}
        self.acknowledged: Dict[Key, int] = {}  # and at which offset
        self.sent: Dict[Tuple[str, int], int] = {}  # how many, for each producer and partition
        self.seen: Dict[Tuple[int, int], Key] = {}  # partition and offset
        self.high: Dict[int, int] = {}
        self.committed: Dict[int, int] = {}
        self.recoveries: List[float] = []
        self.producers = [self.thread(Producer(self, "p0", LZ4).run), self.thread(Producer(self, "p1", GZIP).run),
                          self.thread(self.librdkafka)]
        self.readers = [self.thread(self.member), self.thread(self.member), self.thread(self.watch)]

    # Life

    def declare(self) -> None:
        with Wire(self.address) as wire:
            assert wire.create_topic(TOPIC, PARTITIONS) == NONE

    def thread(self, body: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                body()
            except BaseException as error:
                self.failures.append(error)

        return threading.Thread(target=guarded, daemon=True)

    def start(self) -> None:
        for thread in self.producers + self.readers:
            thread.start()

    def check(self) -> None:
        if self.failures:
            raise self.failures[0]

    def run_for(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.check()
            time.sleep(min(0.05, max(0.0, deadline - time.monotonic())))

    def restart(self) -> None:
        with self.lock:
            promised = dict(self.committed)
        self.recoveries.append(self.broker.start())
        with Wire(self.address) as wire:
            for partition, offset in promised.items():
                found = wire.committed(GROUP, TOPIC, partition).offset
                if found < offset:
                    self.fault("back", "the commit of partition %d from %d to %d" % (partition, offset, found))

    def finish(self, deadline: float = 60.0) -> None:
        """Stops the producers, and lets the group read to the end."""
        self.stopping.set()
        join(self.producers)
        self.check()
        with Wire(self.address) as wire:
            ends = {partition: wire.end(TOPIC, partition) for partition in range(PARTITIONS)}

            def is_read() -> bool:
                self.check()
                return all(wire.committed(GROUP, TOPIC, partition).offset >= end
                           for partition, end in ends.items() if end)

            assert kafka_protocol.wait_for(is_read, deadline, 0.1), "the group has not read to the end: %s of %s" % (
                [wire.committed(GROUP, TOPIC, partition).offset for partition in ends], ends)
        self.ending.set()
        join(self.readers)
        self.check()

    def end(self) -> None:
        self.stopping.set()
        self.ending.set()

    # What happens

    def fault(self, name: str, example: str) -> None:
        with self.lock:
            self.faults[name].append(example)

    def next_number(self, producer: str, partition: int) -> int:
        with self.lock:
            number = self.sent.get((producer, partition), 0)
            self.sent[producer, partition] = number + 1
            return number

    def acknowledge(self, keys: List[Key], offset: int) -> None:
        with self.lock:
            self.acknowledged.update((key, offset + place) for place, key in enumerate(keys))

    def got(self, partition: int, offset: int, data: Optional[bytes]) -> None:
        key = parse(data)
        if key is None:
            return self.fault("unknown", "%r… at %d of partition %d" % ((data or b"")[:40], offset, partition))
        with self.lock:
            before = self.seen.setdefault((partition, offset), key)
        if before != key:
            self.fault("changed", "%s at %d of partition %d was %s" % (key, offset, partition, before))

    def watch(self) -> None:
        """Follows the ends of the partitions."""
        while not self.ending.is_set():
            try:
                with Wire(self.address, timeout=10) as wire:
                    while not self.ending.wait(0.02):
                        places = {(TOPIC, partition): self.high.get(partition, 0) for partition in range(PARTITIONS)}
                        for (_, partition), found in wire.fetch_all(places, max_wait=100, partition_max=1).items():
                            high = self.high.get(partition, 0)
                            if found.error != NONE or found.high_watermark < high:
                                self.fault("back", "partition %d from %d to %s" % (partition, high, found[:2]))
                            self.high[partition] = max(high, found.high_watermark)
            except BROKEN:
                time.sleep(0.02)

    def librdkafka(self) -> None:
        """An idempotent producer that tries again by itself, for as long as it takes."""
        producer = confluent_kafka.Producer({
            "bootstrap.servers": str(self.address), "enable.idempotence": True, "compression.type": "lz4",
            "linger.ms": 5, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, "retry.backoff.ms": 20,
            "message.timeout.ms": 60_000, "log_level": 0})
        choices = random.Random(self.random.random())

        def report(key: Key) -> Callable:
            def delivered(error, message) -> None:
                assert error is None, "librdkafka gave up %s: %s" % (key, error)
                self.acknowledge([key], message.offset())

            return delivered

        while not self.stopping.is_set():
            if len(producer) < 500:
                for _ in range(choices.randint(1, 50)):
                    partition = choices.randrange(PARTITIONS)
                    key = Key("rd", partition, self.next_number("rd", partition))
                    producer.produce(TOPIC, value(key), partition=partition, on_delivery=report(key))
            producer.poll(0.005)
        assert producer.flush(60) == 0, "librdkafka did not deliver all"

    def member(self) -> None:
        """A member of the group: notes what it reads, and what it has committed once that is answered."""
        consumer = confluent_kafka.Consumer({
            "bootstrap.servers": str(self.address), "group.id": GROUP, "auto.offset.reset": "earliest",
            "enable.auto.commit": False, "session.timeout.ms": 6000, "heartbeat.interval.ms": 200, "log_level": 0,
            "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, "check.crcs": True})
        consumer.subscribe([TOPIC])
        try:
            while not self.ending.is_set():
                messages = [one for one in consumer.consume(500, 0.1) if one.error() is None]
                for message in messages:
                    self.got(message.partition(), message.offset(), message.value())
                if not messages:
                    continue
                try:
                    done = consumer.commit(asynchronous=False)
                except confluent_kafka.KafkaException:
                    continue  # it is read again, by whoever has the partition then
                with self.lock:
                    for place in done:
                        if place.error is None and place.offset > self.committed.get(place.partition, -1):
                            self.committed[place.partition] = place.offset
        finally:
            consumer.close()

    # The end

    def verdict(self) -> Verdict:
        places: Dict[Key, List[int]] = {}
        with Wire(self.address) as wire:
            for partition in range(PARTITIONS):
                last: Dict[str, int] = {}
                records = wire.read(TOPIC, 0, partition)
                for place, record in enumerate(records):
                    key = parse(record.value)
                    if key is None or key.partition != partition:
                        self.fault("unknown", "%r… at %d" % ((record.value or b"")[:40], record.offset))
                        continue
                    if record.offset != place:
                        self.fault("misordered", "offset %d is the %d. of partition %d" % (
                            record.offset, place, partition))
                    places.setdefault(key, []).append(record.offset)
                    if key.number > last.get(key.producer, -1) + 1:
                        self.fault("misordered", "%s behind number %d" % (key, last.get(key.producer, -1)))
                    last[key.producer] = max(key.number, last.get(key.producer, -1))
                    found = self.seen.get((partition, record.offset))
                    if found is None:
                        self.fault("unread", "%s at %d" % (key, record.offset))
                    elif found != key:
                        self.fault("changed", "%s at %d was %s" % (key, record.offset, found))
                for (of, offset), key in self.seen.items():
                    if of == partition and offset >= len(records):
                        self.fault("changed", "%s at %d is gone" % (key, offset))
        for key, offsets in places.items():
            if len(offsets) > 1:
                self.fault("twice", "%s at %s" % (key, offsets))
        for key, offset in self.acknowledged.items():
            if offset not in places.get(key, ()):
                self.fault("lost", "%s, acknowledged at %d, is at %s" % (key, offset, places.get(key)))
        figures = {"sent": float(sum(self.sent.values())), "acknowledged": float(len(self.acknowledged)),
                   "read": float(len(self.seen)), "starts": float(len(self.recoveries)),
                   "recovery_max_s": max(self.recoveries, default=0.0)}
        return Verdict(self.faults, figures)


def join(threads: List[threading.Thread]) -> None:
    for thread in threads:
        thread.join(90)
        assert not thread.is_alive(), "a thread of the load hangs"


class Batch(NamedTuple):
    keys: List[Key]
    partition: int
    data: bytes


class Producer:
    """Idempotent, by hand: up to five batches are on their way, and after a lost connection the same ones come again.

    A batch that may or may not have been taken in has the sequence that it had, so it must be there once.
    """

    WINDOW = 5

    def __init__(self, load: KafkaLoad, name: str, codec: int):
        self.load, self.name, self.codec = load, name, codec
        self.random = random.Random(load.random.random())
        self.producer: Optional[Tuple[int, int]] = None
        self.waiting: List[Batch] = []

    def run(self) -> None:
        while self.waiting or not self.load.stopping.is_set():
            try:
                with Wire(self.load.address, timeout=10) as wire:
                    if self.producer is None:
                        self.producer = wire.init_producer_id()
                    self.talk(wire)
            except kafka_protocol.HUNG as timeout:
                raise AssertionError("the server hangs: %s" % timeout) from timeout
            except BROKEN:
                time.sleep(0.02)

    def talk(self, wire: Wire) -> None:
        numbers = [wire.send(kafka_protocol.PRODUCE, 8, body(one)) for one in self.waiting]
        while self.waiting or not self.load.stopping.is_set():
            while len(self.waiting) < self.WINDOW and not self.load.stopping.is_set():
                self.waiting.append(self.next_batch())
                numbers.append(wire.send(kafka_protocol.PRODUCE, 8, body(self.waiting[-1])))
            if not self.waiting:
                return
            made = wire.produced(numbers.pop(0))
            assert made.error == NONE and made.base_offset >= 0, "%s: %s" % (self.waiting[0].keys[0], made)
            self.load.acknowledge(self.waiting.pop(0).keys, made.base_offset)

    def next_batch(self) -> Batch:
        partition = self.random.randrange(PARTITIONS)
        keys = [Key(self.name, partition, self.load.next_number(self.name, partition))
                for _ in range(self.random.randint(1, 8))]
        assert self.producer is not None
        data = batch([value(key) for key in keys], codec=self.codec, producer=self.producer[0],
                     epoch=self.producer[1], sequence=keys[0].number)
        return Batch(keys, partition, data)


def body(one: Batch) -> bytes:
    return kafka_protocol.produce_body(TOPIC, one.data, one.partition)
