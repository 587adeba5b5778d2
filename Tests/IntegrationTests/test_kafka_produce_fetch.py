"""Produce, fetch and offsets, as Kafka means them: most of it request by request, where a client would hide it."""
from __future__ import annotations

import threading
import time
from typing import Dict, List, Optional

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from kafka import KafkaProducer

import kafka_wire as kafka_protocol
from kafka_wire import (
    CODECS, DUPLICATE_SEQUENCE, EARLIEST, FETCH, HUNG, INVALID_PRODUCER_EPOCH, INVALID_RECORD,
    INVALID_REQUIRED_ACKS, INVALID_TOPIC, LATEST, MAX_TIMESTAMP, NONE, OFFSET_OUT_OF_RANGE, OUT_OF_ORDER_SEQUENCE,
    PRODUCE, TOPIC_ALREADY_EXISTS, UNKNOWN_TOPIC_OR_PARTITION, Record, Wire, batch, fetch_body, produce_body, unique)

#: What Kafka does not have.
cola_alone = pytest.mark.skipif(kafka_protocol.elsewhere() is not None, reason="only Cola does this")


def values(records: List[Record]) -> List[Optional[bytes]]:
    return [record.value for record in records]


# Produce


@pytest.mark.parametrize("acks", [1, -1])
def test_offsets_are_dense_in_each_partition(kafka, acks):
    topic = kafka.new_topic(partitions=3)
    ends = {0: 0, 1: 0, 2: 0}
    for turn in range(12):
        partition, count = turn * 7 % 3, turn % 4 + 1
        made = kafka.produce(topic, batch([b"%d" % number for number in range(count)]), partition, acks)
        assert (made.error, made.base_offset, made.append_time) == (NONE, ends[partition], -1)
        ends[partition] += count
    for partition, end in ends.items():
        assert [record.offset for record in kafka.read(topic, partition=partition)] == list(range(end))
        found = kafka.fetch(topic, 0, partition)
        assert (found.high_watermark, found.stable, found.log_start) == (end, end, 0)


def test_what_wants_no_answer_gets_none(kafka):
    """acks=0: not even an error is said, nor anything else that the next answer could be taken for."""
    topic = kafka.new_topic()
    kafka.send(PRODUCE, 8, produce_body(topic, batch([b"silent"]), acks=0))
    assert kafka.produce(topic, batch([b"loud"])).base_offset == 1
    assert values(kafka.read(topic)) == [b"silent", b"loud"]


def test_a_mistake_without_an_answer_ends_the_connection(kafka):
    """Or a producer with acks=0 would never hear of it."""
    kafka.send(PRODUCE, 8, produce_body(unique("nobody"), batch([b"x"]), partition=9, acks=0))
    assert kafka.at_end()


@pytest.mark.parametrize("acks", [2, -2])
def test_acknowledgements_that_there_are_not(kafka, acks):
    topic = kafka.new_topic()
    assert kafka.produce(topic, batch([b"x"]), acks=acks).error == INVALID_REQUIRED_ACKS
    assert kafka.end(topic) == 0


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_stays_as_it_came(kafka, codec):
    """Only its base offset and leader epoch are the broker's; the rest is the producer's, byte for byte."""
    topic = kafka.new_topic()
    records = [Record(b"value-%d" % number * 50, b"key", [("a", b"1"), ("a", b"\xff\0"), ("none", None), ("", b"")],
                      1_700_000_000_000 + number) for number in range(20)]
    assert kafka.produce(topic, batch([b"before"])).error == NONE
    sent = batch(records, codec=CODECS[codec])
    assert kafka.produce(topic, sent).base_offset == 1
    _, found = kafka.fetch(topic, 0).batches()
    assert found.checked == sent[21:] and found.base_offset == 1 and found.codec == CODECS[codec]
    assert found.records() == [record._replace(offset=1 + number) for number, record in enumerate(records)]


def test_keys_and_values_of_no_bytes_are_not_null(kafka):
    topic = kafka.new_topic()
    records = [Record(None, None), Record(b"", b""), Record(None, b"k"), Record(b"v", None), Record(b"", None)]
    kafka.produce(topic, batch(records))
    assert [(record.value, record.key) for record in kafka.read(topic)] == [
        (record.value, record.key) for record in records]


def test_timestamps_are_the_producers(kafka):
    topic = kafka.new_topic()
    stamps = [1_600_000_000_000, 1_600_000_000_500, 1_500_000_000_000, 0]
    kafka.produce(topic, batch([Record(b"x", timestamp=stamp) for stamp in stamps]))
    assert [record.timestamp for record in kafka.read(topic)] == stamps


def test_a_produce_to_several_partitions(kafka):
    """Each has an answer of its own, also where another fails."""
    topic, other = kafka.new_topic(partitions=2), kafka.new_topic()
    parts = kafka_protocol.array([
        kafka_protocol.string(name) + kafka_protocol.array(
            [kafka_protocol.i32(partition) + kafka_protocol.data32(batch([b"x"])) for partition in partitions])
        for name, partitions in [(topic, (0, 1, 7)), (other, (0,))]])
    reader = kafka.call(
        PRODUCE, 8, kafka_protocol.string(None) + kafka_protocol.i16(-1) + kafka_protocol.i32(9000) + parts)

    def partition():
        found = reader.i32(), reader.i16(), reader.i64()
        reader.i64(), reader.i64()
        reader.array(lambda: (reader.i32(), reader.string()))
        reader.string()
        return found

    found = dict(reader.array(lambda: (reader.string(), reader.array(partition))))
    assert found[topic] == [(0, NONE, 0), (1, NONE, 0), (7, UNKNOWN_TOPIC_OR_PARTITION, -1)]
    assert found[other] == [(0, NONE, 0)]


def test_a_record_of_nearly_a_megabyte(kafka):
    topic = kafka.new_topic()
    body = b"large" * 199_000
    assert kafka.produce(topic, batch([body])).error == NONE
    assert values(kafka.read(topic)) == [body]


def test_a_compacted_topic_wants_keys(kafka):
    topic = kafka.new_topic(cleanup_policy="compact")
    assert kafka.produce(topic, batch([Record(b"x", b"key"), Record(b"x")])).error == INVALID_RECORD
    assert kafka.produce(topic, batch([Record(b"x", b"key"), Record(None, b"key")])).base_offset == 0
    assert kafka.end(topic) == 2


def test_the_first_request_of_a_connection_may_be_large(kafka, kafka_address):
    """Clients connect, ask for the versions, and send what has gathered meanwhile."""
    topic = kafka.new_topic()
    with Wire(kafka_address) as wire:
        wire.api_versions(3)
        assert wire.produce(topic, batch([bytes(900_000)])).error == NONE
    with Wire(kafka_address) as wire:
        assert wire.produce(topic, batch([bytes(100_000)])).error == NONE


# Fetch


def test_a_fetch_from_the_middle_of_a_batch_gets_all_of_it(kafka):
    topic = kafka.new_topic()
    for first in (0, 10, 20):
        kafka.produce(topic, batch([b"%d" % (first + number) for number in range(10)], codec=CODECS["gzip"]))
    for offset in range(30):
        found = kafka.fetch(topic, offset).batches()
        assert found[0].base_offset == offset - offset % 10
        assert values(found[-1].records())[-1] == b"29"


def test_a_fetch_waits_for_records(kafka, kafka_address):
    """It is answered once they are there, long before its time is over."""
    topic = kafka.new_topic()
    with Wire(kafka_address) as waiting:
        waiting.send(FETCH, 11, fetch_body({(topic, 0): 0}, max_wait=30_000))
        with pytest.raises(HUNG):
            waiting.frame(0.3)
        begun = time.monotonic()
        kafka.produce(topic, batch([b"come"]))
        assert values(waiting.fetched()[topic, 0].records()) == [b"come"]
        assert time.monotonic() - begun < 10


def test_a_fetch_waits_for_so_many_bytes(kafka, kafka_address):
    topic = kafka.new_topic(partitions=2)
    with Wire(kafka_address) as waiting:
        waiting.send(FETCH, 11, fetch_body({(topic, 0): 0, (topic, 1): 0}, max_wait=30_000, min_bytes=1500))
        for partition in (0, 1):
            with pytest.raises(HUNG):
                waiting.frame(0.2)
            kafka.produce(topic, batch([bytes(1000)]), partition)
        found = waiting.fetched()
        assert [len(found[topic, partition].records()) for partition in (0, 1)] == [1, 1]


def test_a_fetch_ends_when_its_time_is_over(kafka):
    topic = kafka.new_topic()
    begun = time.monotonic()
    found = kafka.fetch(topic, 0, max_wait=400)
    assert found.error == NONE and not found.data and found.high_watermark == 0
    assert time.monotonic() - begun > 0.35
    kafka.produce(topic, batch([b"little"]))
    assert values(kafka.fetch(topic, 0, max_wait=200, min_bytes=1 << 20).records()) == [b"little"]


def test_a_fetch_that_must_not_wait(kafka):
    topic = kafka.new_topic()
    assert not kafka.fetch(topic, 0, max_wait=60_000, min_bytes=0).data


def test_an_error_does_not_wait(kafka):
    """Nor do the partitions that stand beside it in the request."""
    topic = kafka.new_topic(partitions=2)
    found = kafka.fetch_all({(topic, 0): 0, (topic, 1): 5}, max_wait=60_000)
    assert found[topic, 1].error == OFFSET_OUT_OF_RANGE and found[topic, 0].error == NONE


def test_the_first_batch_comes_though_it_is_larger_than_asked_for(kafka):
    """Or its reader would never come past it."""
    topic, second = kafka.new_topic(), kafka.new_topic()
    for name in (topic, second):
        for number in range(3):
            kafka.produce(name, batch([b"%d" % number * 5000]))
    for limits in (dict(max_bytes=100), dict(partition_max=100), dict(max_bytes=1, partition_max=1)):
        found = kafka.fetch(topic, 1, **limits)
        assert [one.base_offset for one in found.batches()] == [1]
    found = kafka.fetch_all({(topic, 0): 0, (second, 0): 0}, max_bytes=100)
    assert sorted(len(one.batches()) for one in found.values()) == [0, 1]
    found = kafka.fetch_all({(topic, 0): 0, (second, 0): 0}, max_bytes=12_000)
    assert sum(len(one.data or b"") for one in found.values()) <= 12_000
    assert sum(len(one.batches()) for one in found.values()) == 2


@pytest.mark.parametrize("offset", [4, 1000, -1, -7])
def test_offsets_out_of_range(kafka, offset):
    topic = kafka.new_topic()
    kafka.produce(topic, batch([b"1", b"2", b"3"]))
    found = kafka.fetch(topic, offset, max_wait=20_000)
    assert found.error == OFFSET_OUT_OF_RANGE and not found.data
    assert kafka.fetch(topic, 3).error == NONE


def test_topics_and_partitions_that_there_are_not(kafka):
    topic = kafka.new_topic()
    for name, partition in ((topic, 1), (topic, -1), (unique("nobody"), 0)):
        assert kafka.fetch(name, 0, partition, max_wait=20_000).error == UNKNOWN_TOPIC_OR_PARTITION
        assert kafka.list_offset(name, LATEST, partition).error == UNKNOWN_TOPIC_OR_PARTITION
        assert kafka.produce(name, batch([b"x"]), partition).error == UNKNOWN_TOPIC_OR_PARTITION


def test_records_are_seen_only_when_they_are_stored(kafka, kafka_address):
    """A high watermark that a reader was told of never goes back, and each record below it is there."""
    topic = kafka.new_topic()
    ending = threading.Event()

    def produce() -> None:
        with Wire(kafka_address) as wire:
            while not ending.is_set():
                wire.produce(topic, batch([b"x"] * 5))

    producer = threading.Thread(target=produce, daemon=True)
    producer.start()
    try:
        high = offset = 0
        while offset < 500:
            found = kafka.fetch(topic, offset, max_wait=1000)
            assert found.high_watermark >= high, "the high watermark went back"
            high = found.high_watermark
            records = [record for record in found.records() if record.offset >= offset]
            if records:
                assert records[0].offset == offset and records[-1].offset < high
                offset = records[-1].offset + 1
    finally:
        ending.set()
        producer.join(20)
    assert not producer.is_alive()


# Offsets


def test_list_offsets(kafka):
    topic = kafka.new_topic()
    assert kafka.list_offset(topic, EARLIEST)[1:] == (-1, 0)
    assert kafka.list_offset(topic, LATEST)[1:] == (-1, 0)
    assert kafka.list_offset(topic, MAX_TIMESTAMP)[1:] == (-1, -1)
    kafka.produce(topic, batch([Record(b"x", timestamp=stamp) for stamp in (1000, 3000, 2000)]))
    kafka.produce(topic, batch([Record(b"x", timestamp=stamp) for stamp in (5000, 9000)], codec=CODECS["lz4"]))
    kafka.produce(topic, batch([Record(b"x", timestamp=stamp) for stamp in (7000, 4000)]))
    assert kafka.list_offset(topic, EARLIEST) == (NONE, -1, 0)
    assert kafka.list_offset(topic, LATEST) == (NONE, -1, 7)
    assert kafka.list_offset(topic, MAX_TIMESTAMP) == (NONE, 9000, 4)
    # The first record that is as late or later, with its own time; also within a batch that is compressed.
    for asked, stamp, offset in [(0, 1000, 0), (1000, 1000, 0), (1001, 3000, 1), (3001, 5000, 3), (5001, 9000, 4),
                                 (9000, 9000, 4), (9001, -1, -1)]:
        assert kafka.list_offset(topic, asked) == (NONE, stamp, offset), asked


# Topics


def test_topics_are_created_and_deleted(kafka):
    name = unique("made")
    assert kafka.create_topic(name, 3) == NONE
    assert kafka.create_topic(name, 3) == TOPIC_ALREADY_EXISTS
    found = kafka.metadata(name)[name]
    assert found.error == NONE and sorted(index for _, index, _ in found.partitions) == [0, 1, 2]
    assert name in kafka.metadata()
    assert kafka.create_topic(unique("default"), -1) == NONE
    assert kafka.delete_topic(name) == NONE
    assert kafka.delete_topic(name) == UNKNOWN_TOPIC_OR_PARTITION
    assert kafka.metadata(name)[name].error == UNKNOWN_TOPIC_OR_PARTITION
    # One of the same name has nothing of the one before.
    assert kafka.create_topic(name) == NONE and kafka.end(name) == 0


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "x" * 250, "ünï"])
def test_names_that_are_not_for_topics(kafka, name):
    assert kafka.create_topic(name) == INVALID_TOPIC
    assert kafka.metadata(name, create=True)[name].error == INVALID_TOPIC


def test_topics_come_by_themselves_where_a_client_asks_for_it(kafka):
    name = unique("automatic")
    assert kafka.metadata(name, create=False)[name].error == UNKNOWN_TOPIC_OR_PARTITION
    found = kafka_protocol.wait_for(
        lambda: [one for one in [kafka.metadata(name, create=True)[name]] if one.error == NONE])
    assert found and found[0].partitions
    assert kafka.produce(name, batch([b"x"])).base_offset == 0


@cola_alone
def test_topics_do_not_come_by_themselves_where_that_is_off(new_broker):
    broker = new_broker("--kafka-create-topics", "no")
    broker.start()
    with Wire(kafka_protocol.of(broker)) as wire:
        name = unique("never")
        assert wire.metadata(name, create=True)[name].error == UNKNOWN_TOPIC_OR_PARTITION
        assert wire.produce(name, batch([b"x"])).error == UNKNOWN_TOPIC_OR_PARTITION
        assert wire.create_topic(name) == NONE


# Producers that say which batch it is


def idempotent(wire: Wire, topic: str, producer: int, sequence: int, count: int = 1, epoch: int = 0):
    records = [b"%d" % (sequence + number) for number in range(count)]
    return wire.produce(topic, batch(records, producer=producer, epoch=epoch, sequence=sequence))


def test_each_producer_has_a_number_of_its_own(kafka, kafka_address):
    with Wire(kafka_address) as other:
        found = [wire.init_producer_id() for wire in (kafka, other) * 5]
    assert len({producer for producer, _ in found}) == 10
    assert all(producer >= 0 and epoch == 0 for producer, epoch in found)


def test_a_batch_that_comes_again_is_kept_once(kafka, kafka_address):
    """And answered as before: with the offset of the first time, also over another connection."""
    topic = kafka.new_topic()
    producer, _ = kafka.init_producer_id()
    offsets = [idempotent(kafka, topic, producer, sequence, 3).base_offset for sequence in range(0, 30, 3)]
    assert offsets == list(range(0, 30, 3))
    with Wire(kafka_address) as other:
        # The last five batches are known, which is as many as a client has on their way.
        for sequence in (27, 15, 18, 21, 24, 27):
            again = idempotent(other, topic, producer, sequence, 3)
            assert (again.error, again.base_offset) in ((NONE, sequence), (DUPLICATE_SEQUENCE, -1)), again
            assert again.error == NONE, "a client would retry this without end: %s" % (again,)
    assert kafka.end(topic) == 30


def test_a_gap_or_an_older_batch_is_refused(kafka):
    topic = kafka.new_topic()
    producer, _ = kafka.init_producer_id()
    assert idempotent(kafka, topic, producer, 0, 2).error == NONE
    assert idempotent(kafka, topic, producer, 3).error == OUT_OF_ORDER_SEQUENCE
    assert idempotent(kafka, topic, producer, 1).error == OUT_OF_ORDER_SEQUENCE
    assert idempotent(kafka, topic, producer, 2).base_offset == 2
    for sequence in range(3, 13):
        assert idempotent(kafka, topic, producer, sequence).error == NONE
    # Longer ago than the broker remembers: a duplicate all the same, as Kafka says it.
    assert idempotent(kafka, topic, producer, 0, 2).error in (DUPLICATE_SEQUENCE, OUT_OF_ORDER_SEQUENCE)
    assert kafka.end(topic) == 13


def test_a_higher_epoch_begins_anew_and_shuts_out_the_lower(kafka):
    topic = kafka.new_topic()
    producer, _ = kafka.init_producer_id()
    assert idempotent(kafka, topic, producer, 0, 5).error == NONE
    assert idempotent(kafka, topic, producer, 5, epoch=1).error == OUT_OF_ORDER_SEQUENCE
    assert idempotent(kafka, topic, producer, 0, epoch=1).base_offset == 5
    assert idempotent(kafka, topic, producer, 5).error == INVALID_PRODUCER_EPOCH
    assert kafka.end(topic) == 6


def test_sequences_begin_again_after_the_largest(kafka):
    topic = kafka.new_topic()
    producer, _ = kafka.init_producer_id()
    assert idempotent(kafka, topic, producer, 2**31 - 2).error == NONE  # nothing is known of it yet
    records = [b"a", b"b", b"c"]
    made = kafka.produce(topic, batch(records, producer=producer, epoch=0, sequence=2**31 - 1))
    assert (made.error, made.base_offset) == (NONE, 1)
    assert idempotent(kafka, topic, producer, 2).base_offset == 4
    assert kafka.end(topic) == 5


def test_each_partition_has_its_own_sequences(kafka):
    topic = kafka.new_topic(partitions=2)
    producer, _ = kafka.init_producer_id()
    for sequence in range(3):
        for partition in (0, 1):
            data = batch([b"x"], producer=producer, epoch=0, sequence=sequence)
            assert kafka.produce(topic, data, partition).base_offset == sequence


@cola_alone
@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_producers_are_known_again_after_a_restart(new_broker, how):
    """A batch that was confirmed before is not taken in twice after, and the next one has its place."""
    broker = new_broker()
    broker.start()
    with Wire(kafka_protocol.of(broker)) as wire:
        topic = wire.new_topic(partitions=2)
        producer, _ = wire.init_producer_id()
        for sequence in range(7):
            assert idempotent(wire, topic, producer, sequence).base_offset == sequence
    getattr(broker, how)()
    broker.start()
    with Wire(kafka_protocol.of(broker)) as wire:
        for sequence in (2, 3, 4, 5, 6):
            again = idempotent(wire, topic, producer, sequence)
            assert (again.error, again.base_offset) == (NONE, sequence)
        assert idempotent(wire, topic, producer, 8).error == OUT_OF_ORDER_SEQUENCE
        assert idempotent(wire, topic, producer, 7).base_offset == 7
        assert wire.init_producer_id()[0] != producer
        assert values(wire.read(topic)) == [b"%d" % sequence for sequence in range(8)]
        assert wire.list_offset(topic, MAX_TIMESTAMP).error == NONE


# The same with clients


def reports(producer: Producer, seconds: float = 20) -> None:
    assert producer.flush(seconds) == 0, "not all was delivered"


@pytest.mark.parametrize("codec", CODECS)
def test_librdkafka_reads_what_librdkafka_wrote(kafka, kafka_address, codec):
    topic = kafka.new_topic("rdkafka", partitions=2)
    failures: List[KafkaError] = []
    producer = Producer({"bootstrap.servers": str(kafka_address), "compression.type": codec, "linger.ms": 5,
                         "enable.idempotence": True})
    for number in range(500):
        producer.produce(topic, b"value %d " % number * 20, b"key" if number % 2 else None, number % 2,
                         on_delivery=lambda error, _: error and failures.append(error), timestamp=1_000_000 + number,
                         headers=[("n", b"%d" % number), ("null", None)])
    reports(producer)
    assert not failures
    consumer = Consumer({"bootstrap.servers": str(kafka_address), "group.id": unique("reader"),
                         "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in (0, 1)])
    found: Dict[int, List] = {0: [], 1: []}
    deadline = time.monotonic() + 20
    while sum(map(len, found.values())) < 500 and time.monotonic() < deadline:
        for message in consumer.consume(500, 1.0):
            assert message.error() is None, message.error()
            found[message.partition()].append(message)
    consumer.close()
    for partition, messages in found.items():
        assert [message.offset() for message in messages] == list(range(250))
        numbers = range(partition, 500, 2)
        assert [message.value() for message in messages] == [b"value %d " % number * 20 for number in numbers]
        assert {message.key() for message in messages} == {b"key" if partition else None}
        assert [message.timestamp()[1] for message in messages] == [1_000_000 + number for number in numbers]
        assert [message.headers() for message in messages] == [
            [("n", b"%d" % number), ("null", None)] for number in numbers]


def test_kafka_pythons_producer_gets_offsets_and_errors(kafka, kafka_address):
    topic = kafka.new_topic("kafka-python", partitions=3)
    producer = KafkaProducer(bootstrap_servers=str(kafka_address), compression_type="gzip", acks="all")
    try:
        sent = [producer.send(topic, b"%d" % number, partition=number % 3) for number in range(300)]
        found = [future.get(timeout=20) for future in sent]
        assert [(one.partition, one.offset) for one in found] == [(number % 3, number // 3) for number in range(300)]
    finally:
        producer.close(timeout=10)
