"""A topic is one thing in every protocol: what one of them wrote, the others read, byte for byte."""
from __future__ import annotations

import json
import time
from typing import Any, Callable, Dict, List, Optional

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from pika import BasicProperties

import amqp
import kafka_wire as kafka_protocol
import native
from cli import cola
from kafka_wire import CODECS, NONE, Record, Wire, batch, unique
from test_amqp_super_streams import STREAM, read

pytestmark = pytest.mark.skipif(kafka_protocol.elsewhere() is not None, reason="only Cola speaks both")


def produced(where: kafka_protocol.Address, topic: str, rows: List[Record], partition: int = 0, **options: Any) -> None:
    """By librdkafka, all in as few batches as it likes."""
    producer = Producer({"bootstrap.servers": str(where), "linger.ms": 20, **options})
    failures: List[Any] = []
    for row in rows:
        producer.produce(
            topic, row.value, row.key, partition, headers=list(row.headers), timestamp=row.timestamp or 0,
            on_delivery=lambda error, _: failures.append(error) if error else None)
    assert producer.flush(20) == 0 and not failures, failures


def consumed(where: kafka_protocol.Address, topic: str, count: int, partition: int = 0) -> List[Any]:
    """By librdkafka, from the first offset on."""
    consumer = Consumer({"bootstrap.servers": str(where), "group.id": unique("reader"), "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, partition, 0)])
    found: List[Any] = []
    deadline = time.monotonic() + 20
    while len(found) < count and time.monotonic() < deadline:
        found += consumer.consume(count - len(found), 1.0)
    consumer.close()
    assert len(found) == count and not [one.error() for one in found if one.error()], found
    return found


@pytest.mark.parametrize("codec", CODECS)
def test_amqp_reads_what_kafka_wrote(kafka, kafka_address, client, codec):
    topic = kafka.new_topic("meets")
    rows = [Record(bytes(range(256)) * (number % 5) + b"%d" % number, b"key-%d" % number,
                   [("kind", b"order"), ("n", b"%d" % number)]) for number in range(120)]
    produced(kafka_address, topic, rows, **{"compression.type": codec})
    assert {one.codec for one in kafka.fetch(topic, 0, partition_max=8 << 20).batches()} == {CODECS[codec]}
    found = read(client, topic, 120)
    assert [one.body for one in found] == [row.value for row in rows]
    assert [one.properties.headers["x-stream-offset"] for one in found] == list(range(120))
    for number, one in enumerate(found):
        assert one.properties.headers["kind"] == "order" and one.properties.headers["n"] == "%d" % number
    # From the middle of what is one batch.
    [one] = read(client, topic, 1, offset=77)
    assert one.body == rows[77].value and one.properties.headers["x-stream-offset"] == 77


@pytest.mark.parametrize("codec", CODECS)
def test_commands_read_what_kafka_wrote(kafka, shared_broker, codec):
    topic = kafka.new_topic("meets")
    rows = [Record(b"value %d" % number, b"key %d" % (number % 3), [("a", b"b")]) for number in range(30)]
    assert kafka.produce(topic, batch(rows, codec=CODECS[codec])).error == NONE
    lines = cola("consume", "--topic", topic, "--from", "first", "--count", "30", "--json",
                 url=shared_broker.unix, timeout=10).succeeds().lines()
    found = [json.loads(line) for line in lines]
    assert [row["body"] for row in found] == ["value %d" % number for number in range(30)]
    assert [row["key"] for row in found] == ["key %d" % (number % 3) for number in range(30)]
    assert [row["offset"] for row in found] == list(range(30))
    assert all("b" in json.dumps(row["headers"]) for row in found)


def test_native_reads_keys_nulls_and_timestamps_of_kafka(kafka, connection):
    topic = kafka.new_topic("meets", cleanup_policy="delete")
    stamp = int(time.time() * 1000) - 5_000
    rows = [Record(b"one", b"k", timestamp=stamp), Record(None, b"k", timestamp=stamp + 1),
            Record(b"", None, timestamp=stamp + 2)]
    assert kafka.produce(topic, batch(rows)).error == NONE
    connection.ok("consume %s c=1 from=first" % topic)
    found = [delivery(connection) for _ in rows]
    assert [(one.body, one.is_null, one.offset) for one in found] == [(b"one", False, 0), (b"", True, 1),
                                                                      (b"", False, 2)]
    assert [one.key for one in found][:2] == ["k", "k"]
    connection.ok("cancel 1")


def delivery(connection: native.Connection) -> native.Delivery:
    found = connection.deliveries.popleft() if connection.deliveries else connection.next_event(10)
    assert isinstance(found, native.Delivery), found
    return found


def test_kafka_reads_what_amqp_wrote(kafka_address, client):
    """Its headers as text beside the properties, which travel as they came; nothing of the body changes."""
    topic = amqp.unique("meets")
    channel = client.channel()
    channel.queue_declare(topic, durable=True, arguments=STREAM)
    channel.confirm_delivery()
    bodies = [b"", b"text", bytes(range(256)), b"large" * 50_000]
    for number, body in enumerate(bodies):
        channel.basic_publish("", topic, body, BasicProperties(
            headers={"kind": "order", "number": number}, content_type="text/plain", delivery_mode=2))
    found = consumed(kafka_address, topic, len(bodies))
    assert [one.value() for one in found] == bodies
    assert [one.offset() for one in found] == [0, 1, 2, 3]
    for number, one in enumerate(found):
        headers: Dict[str, Optional[bytes]] = dict(one.headers() or [])
        assert headers["kind"] == b"order" and headers["number"] == b"%d" % number
        assert abs(one.timestamp()[1] / 1000 - time.time()) < 600
    # And over AMQP the properties are what they were.
    again = read(client, topic, 2)[1]
    assert again.properties.content_type == "text/plain" and again.properties.headers["number"] == 1


def test_kafka_reads_what_commands_wrote(kafka, kafka_address, shared_broker):
    topic = kafka.new_topic("meets", partitions=3)
    for key in ("a", "b", "c", "d"):
        cola("publish", "--topic", topic, "--key", key, "--header", "from=command", "body of " + key,
             url=shared_broker.unix).succeeds()
    found = [record for partition in range(3) for record in kafka.read(topic, partition=partition)]
    assert {(record.key, record.value) for record in found} == {
        (key.encode(), b"body of " + key.encode()) for key in "abcd"}
    assert all(("from", b"command") in record.headers for record in found)


def test_a_key_has_the_same_partition_everywhere(kafka, kafka_address, shared_broker):
    """The default of Kafka's own producers is the broker's for those that name none."""
    topic = kafka.new_topic("meets", partitions=5)
    producer = Producer({"bootstrap.servers": str(kafka_address), "partitioner": "murmur2_random"})
    for number in range(20):
        producer.produce(topic, b"kafka", b"key-%d" % number)
    assert producer.flush(20) == 0
    for number in range(0, 20, 5):
        cola("publish", "--topic", topic, "--key", "key-%d" % number, "command", url=shared_broker.unix).succeeds()
    places: Dict[Optional[bytes], set] = {}
    for partition in range(5):
        for record in kafka.read(topic, partition=partition):
            places.setdefault(record.key, set()).add(partition)
    assert len(places) == 20 and all(len(partitions) == 1 for partitions in places.values()), places


def test_partitions_are_those_of_a_super_stream(kafka, kafka_address, client):
    topic = kafka.new_topic("meets", partitions=3)
    for partition in range(3):
        produced(kafka_address, topic, [Record(b"%d" % partition)], partition)
        assert [one.body for one in read(client, "%s-%d" % (topic, partition), 1)] == [b"%d" % partition]
    channel = client.channel()
    channel.confirm_delivery()
    for number in range(12):
        channel.basic_publish(topic, "%d" % number, b"by AMQP", mandatory=True)
    assert sum(kafka.end(topic, partition) for partition in range(3)) == 15


def test_records_of_all_stand_in_one_order(kafka, kafka_address, client, shared_broker):
    """Offsets are dense over all that is written, and everybody reads the same."""
    topic = amqp.unique("meets")
    channel = client.channel()
    channel.queue_declare(topic, durable=True, arguments=STREAM)
    channel.confirm_delivery()
    writers: List[Callable[[bytes], Any]] = [
        lambda body: channel.basic_publish("", topic, body),
        lambda body: produced(kafka_address, topic, [Record(body), Record(body)], **{"compression.type": "lz4"}),
        lambda body: cola("publish", "--topic", topic, body.decode(), url=shared_broker.unix).succeeds()]
    for turn in range(4):
        for number, write in enumerate(writers):
            write(b"%d/%d" % (turn, number))
    wanted = [b"%d/%d" % (turn, number) for turn in range(4) for number in (0, 1, 1, 2)]
    over_kafka = kafka.read(topic)
    assert [record.value for record in over_kafka] == wanted
    assert [record.offset for record in over_kafka] == list(range(16))
    assert [one.body for one in read(client, topic, 16)] == wanted


def test_one_waits_over_kafka_for_what_comes_over_amqp(kafka, kafka_address, client):
    topic = amqp.unique("meets")
    channel = client.channel()
    channel.queue_declare(topic, durable=True, arguments=STREAM)
    with Wire(kafka_address) as waiting:
        waiting.send(kafka_protocol.FETCH, 11, kafka_protocol.fetch_body({(topic, 0): 0}, max_wait=30_000))
        channel.confirm_delivery()
        channel.basic_publish("", topic, b"at last")
        assert [record.value for record in waiting.fetched()[topic, 0].records()] == [b"at last"]


def test_one_waits_over_amqp_for_what_comes_over_kafka(kafka, client):
    topic = kafka.new_topic("meets")
    channel = client.channel()
    channel.basic_qos(prefetch_count=10)
    collector = amqp.Collector(channel, topic, arguments={"x-stream-offset": "next"})
    for codec in CODECS.values():
        assert kafka.produce(topic, batch([b"one", b"two"], codec=codec)).error == NONE
    assert [one.body for one in collector.wait(10, 10)] == [b"one", b"two"] * 5


def test_a_queue_is_no_topic(kafka, kafka_address, client):
    """Queues have one shared cursor, and Kafka has none of these: it does not see them, nor write to them."""
    queue = amqp.unique("queue")
    client.channel().queue_declare(queue, durable=True)
    assert queue not in kafka.metadata()
    assert kafka.metadata(queue)[queue].error != NONE
    assert kafka.produce(queue, batch([b"x"])).error != NONE
    assert kafka.create_topic(queue) != NONE
    client.channel().queue_delete(queue)


def test_a_group_commits_what_cola_offsets_shows(kafka, shared_broker):
    topic, group = kafka.new_topic("meets"), unique("group")
    kafka.produce(topic, batch([b"x"] * 10))
    assert kafka.commit(group, topic, 4) == NONE
    assert "4" in cola("offsets", "show", topic, group, url=shared_broker.unix).out.decode()
