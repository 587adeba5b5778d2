"""Members of consumer groups with three clients, each in a thread of its own; and one in a process, to be killed."""
from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
import threading
from typing import Any, Dict, List, NamedTuple, Optional, Set, Type

import confluent_kafka
from aiokafka import AIOKafkaConsumer
from kafka import KafkaConsumer

from broker import die_with_parent
from kafka_wire import Address, wait_for

#: Short enough for a test that waits until somebody is given up, and the least that Kafka allows.
SESSION_MS = 6_000


class Got(NamedTuple):
    partition: int
    offset: int
    value: Optional[bytes]


class Member:
    """Reads a topic in a group until it leaves; commits what it has read each time."""

    def __init__(self, where: Address, group: str, topic: str, **options: Any):
        self.where, self.group, self.topic, self.options = where, group, topic, options
        self.assigned: Set[int] = set()
        #: How often it was told that partitions are its own, and that they are no more.
        self.gained: List[Set[int]] = []
        self.lost: List[Set[int]] = []
        self.got: List[Got] = []
        self.failure: Optional[BaseException] = None
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.guarded, daemon=True)
        self.thread.start()

    def guarded(self) -> None:
        try:
            self.run()
        except BaseException as error:
            self.failure = error

    def run(self) -> None:
        raise NotImplementedError

    def gain(self, partitions: Set[int]) -> None:
        self.gained.append(partitions)

    def lose(self, partitions: Set[int]) -> None:
        self.lost.append(partitions)

    def leave(self) -> None:
        """Says so to the group."""
        self.ending.set()
        self.thread.join(30)
        assert not self.thread.is_alive(), "a member hangs"
        assert self.failure is None, repr(self.failure)


class Confluent(Member):
    """librdkafka."""

    def run(self) -> None:
        consumer = confluent_kafka.Consumer({
            "bootstrap.servers": str(self.where), "group.id": self.group, "auto.offset.reset": "earliest",
            "session.timeout.ms": SESSION_MS, "heartbeat.interval.ms": 300, "enable.auto.commit": False,
            "topic.metadata.refresh.interval.ms": 500,
            **{name.replace("_", "."): value for name, value in self.options.items()}})
        cooperates = self.options.get("partition_assignment_strategy") == "cooperative-sticky"

        def partitions(rows: List[Any]) -> Set[int]:
            return {row.partition for row in rows}

        def on_assign(_: Any, rows: List[Any]) -> None:
            self.gain(partitions(rows))
            (consumer.incremental_assign if cooperates else consumer.assign)(rows)

        def on_revoke(_: Any, rows: List[Any]) -> None:
            self.lose(partitions(rows))
            consumer.incremental_unassign(rows) if cooperates else consumer.unassign()

        consumer.subscribe([self.topic], on_assign=on_assign, on_revoke=on_revoke)
        try:
            while not self.ending.is_set():
                messages = consumer.consume(100, 0.1)
                for message in messages:
                    assert message.error() is None, message.error()
                    self.got.append(Got(message.partition(), message.offset(), message.value()))
                if messages:
                    try:
                        consumer.commit(asynchronous=False)
                    except confluent_kafka.KafkaException as refusal:  # the group is on the move
                        if not refusal.args[0].retriable() and refusal.args[0].code() not in MOVING:
                            raise
                self.assigned = partitions(consumer.assignment())
        finally:
            consumer.close()


MOVING = {confluent_kafka.KafkaError.REBALANCE_IN_PROGRESS, confluent_kafka.KafkaError.ILLEGAL_GENERATION,
          confluent_kafka.KafkaError.UNKNOWN_MEMBER_ID, confluent_kafka.KafkaError._NO_OFFSET}


class KafkaPython(Member):
    def run(self) -> None:
        from kafka.errors import CommitFailedError, RebalanceInProgressError

        consumer = KafkaConsumer(
            self.topic, bootstrap_servers=str(self.where), group_id=self.group, auto_offset_reset="earliest",
            session_timeout_ms=SESSION_MS, heartbeat_interval_ms=300, enable_auto_commit=False, **self.options)
        try:
            while not self.ending.is_set():
                for place, records in consumer.poll(timeout_ms=100).items():
                    self.got += [Got(place.partition, record.offset, record.value) for record in records]
                    try:
                        consumer.commit()
                    except (CommitFailedError, RebalanceInProgressError):
                        pass
                self.assigned = {place.partition for place in consumer.assignment()}
        finally:
            consumer.close()


class AIOKafka(Member):
    def run(self) -> None:
        asyncio.run(self.read())

    async def read(self) -> None:
        from aiokafka.errors import CommitFailedError

        consumer = AIOKafkaConsumer(
            self.topic, bootstrap_servers=str(self.where), group_id=self.group, auto_offset_reset="earliest",
            session_timeout_ms=SESSION_MS, heartbeat_interval_ms=300, enable_auto_commit=False, **self.options)
        await consumer.start()
        try:
            while not self.ending.is_set():
                for place, records in (await consumer.getmany(timeout_ms=100)).items():
                    self.got += [Got(place.partition, record.offset, record.value) for record in records]
                    try:
                        await consumer.commit()
                    except CommitFailedError:
                        pass
                self.assigned = {place.partition for place in consumer.assignment()}
        finally:
            await consumer.stop()


CLIENTS: Dict[str, Type[Member]] = {"librdkafka": Confluent, "kafka-python": KafkaPython, "aiokafka": AIOKafka}

PROCESS = """
import sys
from confluent_kafka import Consumer
consumer = Consumer({"bootstrap.servers": sys.argv[1], "group.id": sys.argv[2], "auto.offset.reset": "earliest",
                     "session.timeout.ms": int(sys.argv[4]), "heartbeat.interval.ms": 300})
consumer.subscribe([sys.argv[3]], on_assign=lambda _, rows: print(len(rows), flush=True))
while True:
    consumer.poll(0.1)
"""


class Mortal:
    """A member in a process of its own, which says to nobody that it ends."""

    def __init__(self, where: Address, group: str, topic: str):
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(where), group, topic, str(SESSION_MS)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, env=dict(os.environ, PYTHONUNBUFFERED="1"), preexec_fn=die_with_parent)

    def assigned(self) -> int:
        """Of how many partitions it is told first."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], 40)
        assert ready, "it was not told of any partition in time"
        return int(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)
        if self.process.stdout:
            self.process.stdout.close()


def settled(members: List[Member], partitions: int, seconds: float = 40.0) -> None:
    """Waits until each partition is read by one of them, and each of them reads as many as the others, or one more."""

    def fair() -> bool:
        for member in members:
            if member.failure is not None:
                raise AssertionError("a member failed: %r" % member.failure) from member.failure
        shares = [set(member.assigned) for member in members]
        sizes = [len(share) for share in shares]
        return (set().union(*shares) == set(range(partitions)) and sum(sizes) == partitions
                and max(sizes) - min(sizes) <= 1)

    assert wait_for(fair, seconds, 0.05), "not shared in time: %s" % [sorted(member.assigned) for member in members]


def received(members: List[Member], count: int, seconds: float = 30.0) -> List[Got]:
    """What they have got, once that is so much."""
    assert wait_for(lambda: sum(len(set(member.got)) for member in members) >= count, seconds, 0.05), (
        "%s of %d records came" % ([len(member.got) for member in members], count))
    return sorted(got for member in members for got in member.got)
