"""Transactions of Kafka's producers, request by request: who sees what and when, who may write, and what outlives a
crash. `Tests/Compatibility` has them with clients."""
from __future__ import annotations

import dataclasses
import io
import json
import random
import threading
import time
from typing import Dict, List, Optional, Set, Tuple

import pytest
from kafka.protocol import producer as messages

import amqp
import kafka_wire as kafka_protocol
import native
from cli import cola
from conftest import seed, setting
from kafka_wire import (
    ABORT, CODECS, COMMIT, CONTROL, FETCH, HUNG, ILLEGAL_GENERATION, INVALID_PRODUCER_EPOCH,
    INVALID_PRODUCER_ID_MAPPING, INVALID_TRANSACTION_TIMEOUT, INVALID_TXN_STATE, LATEST, NONE, OFFSET_OUT_OF_RANGE,
    PRODUCER_FENCED, READ_COMMITTED, TRANSACTIONAL, UNKNOWN_MEMBER_ID, UNKNOWN_TOPIC_OR_PARTITION,
    UNSTABLE_OFFSET_COMMIT, Committed, Produced, Record, Wire, batch, decided, fetch_body, marker_of, unique, wait_for)
from test_amqp_super_streams import read
from test_kafka_groups import alone
from test_kafka_meets import delivery
from test_kafka_versions import build

INVALID_REQUEST, OPERATION_NOT_ATTEMPTED = 42, 55
#: What a producer hears that another one has taken the place of: it depends on the request and its version. To one that
#: writes it is always INVALID_PRODUCER_EPOCH, which clients know what to do with.
FENCED = (INVALID_PRODUCER_EPOCH, PRODUCER_FENCED)
ENDS = pytest.mark.parametrize("is_commit", [True, False], ids=["commit", "abort"])

cola_alone = pytest.mark.skipif(kafka_protocol.elsewhere() is not None, reason="only Cola does this")


class Transactional:
    """The producer of a transactional id."""

    def __init__(self, wire: Wire, name: Optional[str] = None, timeout: int = 60_000):
        self.wire = wire
        self.name = name or unique("tx")
        error, self.producer, self.epoch = wire.init_transactions(self.name, timeout)
        assert error == NONE, error
        self.sequences: Dict[Tuple[str, int], int] = {}

    @property
    def identity(self) -> Tuple[str, int, int]:
        return self.name, self.producer, self.epoch

    def add(self, *places: Tuple[str, int]) -> int:
        """Makes them part of the transaction. Returns the error."""
        return max(self.wire.add_partitions(*self.identity, places).values())

    def send(self, topic: str, *values: bytes, partition: int = 0, codec: int = 0) -> Produced:
        """One batch, to a partition that may not be part of the transaction."""
        sequence = self.sequences.get((topic, partition), 0)
        made = self.wire.produce(topic, self.batch(sequence, *values, codec=codec), partition,
                                 transactional_id=self.name)
        if made.error == NONE:
            self.sequences[topic, partition] = sequence + len(values)
        return made

    def batch(self, sequence: int, *values: bytes, codec: int = 0, **wrong: int) -> bytes:
        fields = dict(producer=self.producer, epoch=self.epoch, attributes=TRANSACTIONAL | codec, **wrong)
        return batch(values, codec=codec, sequence=sequence, **fields)

    def write(self, topic: str, *values: bytes, partition: int = 0, codec: int = 0) -> int:
        """One batch in the transaction. Returns its offset."""
        assert self.add((topic, partition)) == NONE
        made = self.send(topic, *values, partition=partition, codec=codec)
        assert made.error == NONE, made
        return made.base_offset

    def add_group(self, group: str) -> int:
        return self.wire.add_offsets(*self.identity, group)

    def offset(self, group: str, topic: str, offset: int, partition: int = 0, **options) -> int:
        """Where the group is to read on, if the transaction is committed. Returns the error."""
        return self.wire.commit_in_transaction(*self.identity, group, topic, offset, partition, **options)

    def end(self, is_commit: bool) -> int:
        error = self.wire.end_transaction(*self.identity, is_commit)
        if kafka_protocol.elsewhere():
            time.sleep(0.3)  # Kafka's broker writes markers when it has answered
        return error

    def commit(self) -> None:
        assert self.end(True) == NONE

    def abort(self) -> None:
        assert self.end(False) == NONE


@pytest.fixture
def tx(kafka) -> Transactional:
    return Transactional(kafka)


def values(records: List[Record]) -> List[Optional[bytes]]:
    return [record.value for record in records]


def committed(wire: Wire, topic: str, partition: int = 0, **options: int) -> List[Optional[bytes]]:
    """The values that a reader of what is committed gets, from the first one on."""
    return values(wire.read_committed(topic, partition=partition, **options))


def written(wire: Wire, topic: str, partition: int = 0) -> List[Optional[bytes]]:
    """The values of all records, whatever becomes of them, from the first one on."""
    found: List[Optional[bytes]] = []
    offset, end = 0, wire.end(topic, partition)
    while offset < end:
        whole = wire.fetch(topic, offset, partition, max_wait=5_000).batches()
        assert whole, "nothing at %d, though the end is %d" % (offset, end)
        found += [value for one in whole if not one.is_control for value in values(one.records())]
        offset = whole[-1].last_offset + 1
    return found


# Who sees what


def test_committed_records_are_seen_from_the_end_of_the_transaction_on(kafka, tx):
    """And before it by those who do not mind."""
    topic = kafka.new_topic()
    assert kafka.produce(topic, batch([b"before"])).error == NONE
    assert tx.write(topic, b"1", b"2") == 1
    assert tx.send(topic, b"3").base_offset == 3
    assert committed(kafka, topic) == [b"before"]
    assert written(kafka, topic) == [b"before", b"1", b"2", b"3"]
    found = kafka.fetch(topic, 0, isolation=READ_COMMITTED)
    assert (found.high_watermark, found.stable, found.aborted) == (4, 1, [])
    tx.commit()
    assert committed(kafka, topic) == written(kafka, topic) == [b"before", b"1", b"2", b"3"]
    found = kafka.fetch(topic, 0, isolation=READ_COMMITTED)
    assert (found.high_watermark, found.stable, found.aborted) == (5, 5, [])


def test_aborted_records_are_named(kafka, tx):
    """They stay where they are, and readers are told to pass over them."""
    topic = kafka.new_topic()
    assert tx.write(topic, b"1", b"2") == 0
    tx.abort()
    assert tx.write(topic, b"3") == 3
    tx.commit()
    found = kafka.fetch(topic, 0, isolation=READ_COMMITTED)
    assert found.aborted == [(tx.producer, 0)] and found.stable == found.high_watermark == 5
    assert values(decided(found.batches(), found.aborted)) == committed(kafka, topic) == [b"3"]
    assert written(kafka, topic) == [b"1", b"2", b"3"]
    # Behind its marker nobody has to know of it, and who reads everything is not told.
    assert kafka.fetch(topic, 3, isolation=READ_COMMITTED).aborted == []
    assert kafka.fetch(topic, 0).aborted == []


@ENDS
def test_a_marker_is_a_control_batch(kafka, tx, is_commit):
    topic = kafka.new_topic()
    tx.write(topic, b"1")
    assert tx.end(is_commit) == NONE
    for isolation in (0, READ_COMMITTED):
        _, marker = kafka.fetch(topic, 0, isolation=isolation).batches()
        assert marker.attributes == TRANSACTIONAL | CONTROL == 0x30
        assert (marker.base_offset, marker.last_delta, marker.count, marker.sequence) == (1, 0, 1, -1)
        assert (marker.producer, marker.epoch) == (tx.producer, tx.epoch)
        [record] = marker.records()
        assert record.key == (b"\0\0\0\1" if is_commit else b"\0\0\0\0")
        assert record.value is not None and len(record.value) == 6 and record.value[:2] == b"\0\0"
        assert marker_of(marker) == (COMMIT if is_commit else ABORT)
        assert abs(marker.base_timestamp / 1000 - time.time()) < 600


def test_nobody_reads_beyond_the_first_open_transaction(kafka, kafka_address, tx):
    """Nor what others have committed behind its first record: the order stays."""
    topic = kafka.new_topic()
    with Wire(kafka_address) as other_wire:
        other = Transactional(other_wire)
        kafka.produce(topic, batch([b"plain 0"]))
        assert tx.write(topic, b"first 1") == 1
        assert other.write(topic, b"other 2") == 2
        kafka.produce(topic, batch([b"plain 3"]))
        assert other.end(True) == NONE
        # Though the other transaction has ended.
        assert committed(kafka, topic) == [b"plain 0"]
        assert kafka.list_offset(topic, LATEST, isolation=READ_COMMITTED).offset == 1
        assert kafka.list_offset(topic, LATEST).offset == 5
        for offset in (1, 3, 5):
            found = kafka.fetch(topic, offset, isolation=READ_COMMITTED)
            assert (found.error, found.stable, found.high_watermark) == (NONE, 1, 5) and not found.data
        assert kafka.fetch(topic, 6, isolation=READ_COMMITTED).error == OFFSET_OUT_OF_RANGE
        assert kafka.fetch(topic, 0).stable == 1
        assert other.write(topic, b"other 5") == 5
        tx.commit()
        # Now up to the next one that is open.
        assert kafka.stable_end(topic) == 5
        assert committed(kafka, topic) == [b"plain 0", b"first 1", b"other 2", b"plain 3"]
        other.abort()
        assert kafka.stable_end(topic) == kafka.end(topic) == 8
        assert committed(kafka, topic) == [b"plain 0", b"first 1", b"other 2", b"plain 3"]


def test_from_every_offset_what_is_committed_is_told_from_what_is_not(kafka, kafka_address, tx):
    """Transactions of two producers lie across each other; whatever a fetch begins and ends with, it is enough."""
    topic = kafka.new_topic()
    wanted: List[Tuple[int, bytes]] = []
    with Wire(kafka_address) as other_wire:
        pair = tx, Transactional(other_wire)
        for turn in range(6):
            for number, one in enumerate(pair):
                kept = (turn + number) % 3 == 0
                value = b"%d/%d %s" % (turn, number, b"kept" if kept else b"dropped")
                base = one.write(topic, value, value)
                wanted += [(base, value), (base + 1, value)] if kept else []
            for number, one in sorted(enumerate(pair), reverse=turn % 2 == 0):
                assert one.end((turn + number) % 3 == 0) == NONE
    for offset in range(kafka.end(topic) + 1):
        for limit in (1, 200, 1 << 20):
            found = kafka.read_committed(topic, offset, partition_max=limit)
            assert [(record.offset, record.value) for record in found] == [row for row in wanted if row[0] >= offset]


@ENDS
def test_a_fetch_of_what_is_committed_waits_for_the_end(kafka, kafka_address, tx, is_commit):
    """Records that are not decided yet are nothing to it, and its marker is something."""
    topic = kafka.new_topic()
    with Wire(kafka_address) as waiting:
        waiting.send(FETCH, 11, fetch_body({(topic, 0): 0}, max_wait=30_000, isolation=READ_COMMITTED))
        tx.write(topic, b"come")
        with pytest.raises(HUNG):
            waiting.frame(0.2)
        begun = time.monotonic()
        assert tx.end(is_commit) == NONE
        found = waiting.fetched()[topic, 0]
        assert time.monotonic() - begun < 10
        assert found.stable == 2 and values(decided(found.batches(), found.aborted)) == [b"come"][:is_commit]


@pytest.mark.parametrize("codec", CODECS)
def test_compressed_batches_are_part_of_transactions_too(kafka, tx, codec):
    topic = kafka.new_topic()
    for is_commit in (True, False, True):
        tx.write(topic, *[b"%d " % number * 100 for number in range(20)], codec=CODECS[codec])
        assert tx.end(is_commit) == NONE
    assert committed(kafka, topic) == [b"%d " % number * 100 for number in range(20)] * 2
    first = kafka.fetch(topic, 0).batches()[0]
    assert first.is_transactional and first.codec == CODECS[codec]


@ENDS
def test_a_transaction_ends_in_all_partitions(kafka, tx, is_commit):
    topic, other = kafka.new_topic(partitions=2), kafka.new_topic(partitions=2)
    places = [(topic, 0), (topic, 1), (other, 1)]
    assert tx.add(*places) == NONE
    for name, partition in places:
        assert tx.send(name, b"x", partition=partition).base_offset == 0
    assert [kafka.stable_end(*place) for place in places] == [0, 0, 0]
    assert tx.end(is_commit) == NONE
    for place in places:
        assert kafka.stable_end(*place) == kafka.end(*place) == 2
        assert committed(kafka, *place) == [b"x"][:is_commit]
    assert kafka.end(other, 0) == 0


@ENDS
def test_nothing_need_be_written_in_a_transaction(kafka, tx, is_commit):
    topic = kafka.new_topic()
    assert tx.add((topic, 0)) == NONE
    assert tx.end(is_commit) == NONE
    assert committed(kafka, topic) == written(kafka, topic) == []
    assert kafka.stable_end(topic) == kafka.end(topic)
    tx.write(topic, b"x")
    tx.commit()
    assert committed(kafka, topic) == [b"x"]


@cola_alone
def test_whatever_order_they_come_in(new_broker):
    """Producers, ends, new producers in their place and restarts as they fall: everybody sees what he should."""
    broker, choices = new_broker(), random.Random(seed())
    broker.start()
    wire = Wire(kafka_protocol.of(broker))
    names = [wire.new_topic(partitions=2) for _ in range(2)]
    rows: Dict[Tuple[str, int], List[Row]] = {(name, partition): [] for name in names for partition in range(2)}
    places = list(rows)
    producers = [Transactional(wire, "tx-%d" % number) for number in range(3)]
    going: List[Optional[Transaction]] = [None] * 3

    def ended(number: int, is_commit: bool) -> None:
        """A marker stands in each partition."""
        transaction = going[number]
        assert transaction
        transaction.is_committed = is_commit
        for place in transaction.places:
            rows[place].append(Row(None, transaction))
        going[number] = None

    def check() -> None:
        for (name, partition), log in rows.items():
            undecided = [offset for offset, row in enumerate(log)
                         if row.transaction and row.transaction.is_committed is None]
            stable = undecided[0] if undecided else len(log)
            assert (wire.stable_end(name, partition), wire.end(name, partition)) == (stable, len(log))
            first = choices.randint(0, len(log))
            found = wire.read_committed(name, first, partition, partition_max=choices.choice([1, 300, 1 << 20]))
            assert [(record.offset, record.value) for record in found] == [
                (offset, row.value) for offset, row in enumerate(log[:stable])
                if offset >= first and row.value is not None
                and (row.transaction is None or row.transaction.is_committed)]
            assert written(wire, name, partition) == [row.value for row in log if row.value is not None]

    for step in range(setting("COLA_TRANSACTION_STEPS", short=250, long=3000)):
        number, place, what = choices.randrange(3), choices.choice(places), choices.random()
        producer, transaction = producers[number], going[number]
        bodies = [b"%d/%d" % (step, index) for index in range(choices.randint(1, 3))]
        if what < 0.2:
            assert wire.produce(place[0], batch(bodies), place[1]).base_offset == len(rows[place])
            rows[place] += [Row(body, None) for body in bodies]
        elif what < 0.7:
            transaction = going[number] = transaction or Transaction()
            assert producer.write(place[0], *bodies, partition=place[1]) == len(rows[place])
            transaction.places.add(place)
            rows[place] += [Row(body, transaction) for body in bodies]
        elif what < 0.9 and transaction:
            is_commit = choices.random() < 0.6
            assert producer.end(is_commit) == NONE
            ended(number, is_commit)
        elif 0.9 <= what < 0.96:
            producers[number] = Transactional(wire, producer.name)
            assert producers[number].producer == producer.producer and producers[number].epoch > producer.epoch
            if transaction:
                ended(number, False)
        elif what >= 0.98:
            wire.socket.close()
            choices.choice([broker.kill, broker.terminate])()
            broker.start()
            wire = Wire(kafka_protocol.of(broker))
            for one in producers:
                one.wire = wire
            check()
        if step % 10 == 0:
            check()
    check()
    wire.socket.close()


@dataclasses.dataclass
class Transaction:
    places: Set[Tuple[str, int]] = dataclasses.field(default_factory=set)
    is_committed: Optional[bool] = None


@dataclasses.dataclass
class Row:
    """A record; without a value it is the marker of the transaction."""

    value: Optional[bytes]
    transaction: Optional[Transaction]


# Who may do what


def test_a_second_producer_of_an_id_takes_the_place_of_the_first(kafka, kafka_address, tx):
    """What the first had begun is aborted, and it may do nothing any more."""
    topic, group = kafka.new_topic(partitions=2), unique("group")
    tx.write(topic, b"of the first")
    assert tx.add_group(group) == NONE and tx.offset(group, topic, 7) == NONE
    with Wire(kafka_address) as wire:
        second = Transactional(wire, tx.name)
        assert second.producer == tx.producer and second.epoch > tx.epoch
        assert wait_for(lambda: kafka.stable_end(topic) == 2)
        assert kafka.fetch(topic, 0, isolation=READ_COMMITTED).aborted == [(tx.producer, 0)]
        assert tx.send(topic, b"too late").error == INVALID_PRODUCER_EPOCH
        assert tx.send(topic, b"too late", partition=1).error == INVALID_PRODUCER_EPOCH
        assert tx.add((topic, 1)) in FENCED
        assert tx.add_group(group) in FENCED
        assert tx.offset(group, topic, 8) in FENCED
        assert tx.end(True) in FENCED and tx.end(False) in FENCED
        assert kafka.init_transactions(tx.name, expected=(tx.producer, tx.epoch))[0] in FENCED
        second.write(topic, b"of the second")
        assert tx.end(True) in FENCED and tx.end(False) in FENCED
        assert committed(kafka, topic) == []
        second.commit()
        assert committed(kafka, topic) == [b"of the second"] and kafka.end(topic, 1) == 0
        assert kafka.stably_committed(group, topic) == Committed(NONE, -1, "")


def test_every_producer_of_an_id_has_a_higher_epoch(kafka):
    name = unique("tx")
    found = [kafka.init_transactions(name) for _ in range(4)]
    assert {error for error, _, _ in found} == {NONE} and len({producer for _, producer, _ in found}) == 1
    assert [epoch for _, _, epoch in found] == [0, 1, 2, 3]
    assert kafka.init_transactions(unique("tx"))[1] != found[0][1]


def test_a_producer_goes_on_after_a_mistake(kafka, tx):
    """It says who it is, gets the next epoch, and the same one again if it has not heard of it."""
    topic = kafka.new_topic()
    tx.write(topic, b"dropped")
    before = (tx.producer, tx.epoch)
    tx.abort()
    found = kafka.init_transactions(tx.name, expected=before)
    assert found == (NONE, tx.producer, tx.epoch + 1)
    assert kafka.init_transactions(tx.name, expected=before) == found
    assert tx.add((topic, 0)) in FENCED
    tx.epoch, tx.sequences = found[2], {}
    tx.write(topic, b"kept")
    tx.commit()
    assert committed(kafka, topic) == [b"kept"]
    assert kafka.init_transactions(tx.name, expected=(tx.producer + 1_000_000, 0))[0] in FENCED


def test_a_partition_has_to_be_part_of_the_transaction(kafka, tx):
    topic = kafka.new_topic(partitions=2)
    assert tx.send(topic, b"x").error == INVALID_TXN_STATE
    assert tx.add((topic, 0)) == NONE
    assert tx.send(topic, b"x", partition=1).error == INVALID_TXN_STATE
    assert tx.send(topic, b"kept").base_offset == 0
    tx.commit()
    # With the transaction that has ended nothing can be written.
    assert tx.send(topic, b"x").error == INVALID_TXN_STATE
    assert kafka.end(topic) == 2 and kafka.end(topic, 1) == 0 and committed(kafka, topic) == [b"kept"]


def test_a_transactional_batch_is_nobodys_without_its_id(kafka, tx):
    topic = kafka.new_topic()
    assert tx.add((topic, 0)) == NONE
    assert kafka.produce(topic, tx.batch(0, b"x")).error != NONE
    assert kafka.produce(topic, tx.batch(0, b"x"), transactional_id=unique("another")).error != NONE
    assert kafka.produce(topic, batch([b"x"], attributes=TRANSACTIONAL), transactional_id=tx.name).error != NONE
    assert kafka.end(topic) == 0


def test_nobody_sends_markers(kafka, tx):
    """They are the broker's: a client could end another's transaction."""
    topic = kafka.new_topic()
    tx.write(topic, b"x")
    marker = [Record(b"\0\0\0\0\0\0", b"\0\0\0\1")]
    for attributes in (CONTROL, TRANSACTIONAL | CONTROL):
        for sequence in (-1, 1):
            data = batch(marker, producer=tx.producer, epoch=tx.epoch, sequence=sequence, attributes=attributes)
            assert kafka.produce(topic, data, transactional_id=tx.name).error != NONE
        assert kafka.produce(topic, batch(marker, attributes=attributes)).error != NONE
    assert kafka.end(topic) == 1 and kafka.stable_end(topic) == 0
    tx.abort()
    assert committed(kafka, topic) == []


def test_in_a_transaction_a_producer_writes_nothing_else(kafka, tx):
    """Or what it writes beside it would count whatever becomes of the transaction."""
    topic = kafka.new_topic()
    tx.write(topic, b"in it")
    beside = batch([b"beside"], producer=tx.producer, epoch=tx.epoch, sequence=1)
    assert kafka.produce(topic, beside, transactional_id=tx.name).error == INVALID_TXN_STATE
    tx.commit()
    assert committed(kafka, topic) == [b"in it"]


@ENDS
def test_an_end_that_comes_again(kafka, tx, is_commit):
    """A client asks again that has not heard the answer; it cannot change its mind."""
    topic = kafka.new_topic()
    tx.write(topic, b"x")
    assert tx.end(is_commit) == NONE
    assert tx.end(is_commit) == NONE
    assert tx.end(not is_commit) == INVALID_TXN_STATE
    assert committed(kafka, topic) == [b"x"][:is_commit]
    assert kafka.end(topic) == 2, "there is not exactly one marker"


def test_what_was_not_begun_cannot_be_ended(tx):
    assert tx.end(True) == INVALID_TXN_STATE and tx.end(False) == INVALID_TXN_STATE


def test_a_transaction_that_takes_too_long_is_aborted(kafka):
    """And its producer has to begin anew."""
    topic, group = kafka.new_topic(), unique("group")
    slow = Transactional(kafka, timeout=1_000)
    slow.write(topic, b"slow")
    assert slow.add_group(group) == NONE and slow.offset(group, topic, 5) == NONE
    assert kafka.stable_end(topic) == 0
    assert wait_for(lambda: kafka.stable_end(topic) == 2, 20), "it is open for good"
    assert kafka.fetch(topic, 0, isolation=READ_COMMITTED).aborted == [(slow.producer, 0)]
    assert slow.send(topic, b"too late").error == INVALID_PRODUCER_EPOCH
    assert slow.add((topic, 0)) in FENCED
    assert slow.end(True) in FENCED and slow.end(False) in FENCED
    assert kafka.stably_committed(group, topic) == Committed(NONE, -1, "")
    again = Transactional(kafka, slow.name)
    again.write(topic, b"in time")
    again.commit()
    assert committed(kafka, topic) == [b"in time"]


def test_a_transaction_that_goes_on_has_its_time(kafka):
    """It is counted from its start, and that of the next one begins anew."""
    topic = kafka.new_topic()
    producer = Transactional(kafka, timeout=2_000)
    deadline = time.monotonic() + 2.6
    number = 0
    while time.monotonic() < deadline:
        producer.write(topic, b"%d" % number)
        time.sleep(0.2)
        producer.commit()
        number += 1
    assert committed(kafka, topic) == [b"%d" % one for one in range(number)]


@pytest.mark.parametrize("timeout", [900_001, 2**31 - 1, 0, -1])
def test_timeouts_that_there_are_not(kafka, timeout):
    assert kafka.init_transactions(unique("tx"), timeout)[0] == INVALID_TRANSACTION_TIMEOUT


def test_the_longest_timeout(kafka):
    assert kafka.init_transactions(unique("tx"), 900_000)[0] == NONE


def test_producers_of_other_ids_and_of_none(kafka, tx):
    topic, group = kafka.new_topic(), unique("group")
    tx.write(topic, b"x")
    assert tx.add_group(group) == NONE
    other, _ = kafka.init_producer_id()
    for name, producer in ((tx.name, other), (tx.name, tx.producer + 1_000_000), (unique("nobody"), tx.producer)):
        identity = (name, producer, 0)
        assert kafka.add_partitions(*identity, [(topic, 0)]) == {(topic, 0): INVALID_PRODUCER_ID_MAPPING}
        assert kafka.add_offsets(*identity, group) == INVALID_PRODUCER_ID_MAPPING
        assert kafka.commit_in_transaction(*identity, group, topic, 1) == INVALID_PRODUCER_ID_MAPPING
        assert kafka.end_transaction(*identity, True) == INVALID_PRODUCER_ID_MAPPING
    # An epoch that was never given out.
    assert kafka.end_transaction(tx.name, tx.producer, tx.epoch + 1, False) in FENCED
    assert kafka.add_partitions(tx.name, tx.producer, tx.epoch + 1, [(topic, 0)])[topic, 0] in FENCED
    tx.commit()
    assert committed(kafka, topic) == [b"x"]


def test_an_empty_id_is_none(kafka):
    assert kafka.init_transactions("")[0] == INVALID_REQUEST


def test_partitions_are_added_all_or_none(kafka, tx):
    topic, nobody = kafka.new_topic(), unique("nobody")
    assert kafka.add_partitions(*tx.identity, [(topic, 0), (topic, 9), (nobody, 0)]) == {
        (topic, 0): OPERATION_NOT_ATTEMPTED, (topic, 9): UNKNOWN_TOPIC_OR_PARTITION,
        (nobody, 0): UNKNOWN_TOPIC_OR_PARTITION}
    assert tx.send(topic, b"x").error == INVALID_TXN_STATE
    assert tx.end(True) == INVALID_TXN_STATE


def test_a_batch_that_comes_again_is_kept_once(kafka, tx):
    """Also when its transaction has ended: it begins no other one."""
    topic = kafka.new_topic()
    assert tx.write(topic, b"1", b"2") == 0
    assert tx.send(topic, b"3").base_offset == 2
    for _ in range(2):
        again = kafka.produce(topic, tx.batch(0, b"1", b"2"), transactional_id=tx.name)
        assert (again.error, again.base_offset) == (NONE, 0)
    tx.commit()
    again = kafka.produce(topic, tx.batch(2, b"3"), transactional_id=tx.name)
    assert (again.error, again.base_offset) == (NONE, 2)
    assert kafka.stable_end(topic) == kafka.end(topic) == 4
    # The next transaction goes on with its numbers.
    tx.write(topic, b"4")
    tx.commit()
    assert committed(kafka, topic) == [b"1", b"2", b"3", b"4"]


def test_each_version_is_answered_in_its_layout(kafka, kafka_address):
    """The answers say no error, and are just what Kafka's schemas make of what was understood of them."""
    topic, served = kafka.new_topic("versions"), kafka.api_versions()[1]
    kinds = [messages.InitProducerIdRequest, messages.AddPartitionsToTxnRequest, messages.AddOffsetsToTxnRequest,
             messages.TxnOffsetCommitRequest, messages.EndTxnRequest]
    wanted = {22: 4, 24: 3, 25: 3, 26: 4, 28: 4}
    assert {key: last for key, (first, last) in served.items() if key in wanted and first == 0} == wanted
    with Wire(kafka_address) as wire:
        for version in range(5):
            fields = dict(
                transactional_id=unique("tx"), transaction_timeout_ms=60_000, group_id="versions", committed=True,
                generation_id=-1, member_id="", topics=[dict(name=topic, partitions=[
                    dict(partition_index=0, committed_offset=1, committed_metadata="m")])],
                v3_and_below_topics=[dict(name=topic, partitions=[0])])
            for kind in kinds:
                asked = build(kind, min(version, wanted[kind.API_KEY]), fields)
                asked.with_header(correlation_id=version, client_id="versions")
                wire.send_bytes(asked.encode(framed=True, header=True))
                data = io.BytesIO(wire.frame())
                answer = asked.header.get_response_class()
                assert answer.parse_header(data).correlation_id == version
                rest = data.read()
                found = answer.decode(io.BytesIO(rest))
                assert found.encode() == rest, "version %d: %s" % (version, found)
                assert not codes(found), "version %d: %s" % (version, found)
                if kind is messages.InitProducerIdRequest:
                    fields.update(
                        producer_id=found.producer_id, producer_epoch=found.producer_epoch,
                        v3_and_below_transactional_id=fields["transactional_id"],
                        v3_and_below_producer_id=found.producer_id,
                        v3_and_below_producer_epoch=found.producer_epoch)


def codes(part) -> List[int]:
    """Every error of an answer."""
    found: List[int] = []
    for field in part._struct._fields:
        value = getattr(part, field.name, None)
        if field.name.endswith("error_code"):
            found += [value] if value else []
        elif field.is_struct_array():
            found += [code for one in value or [] for code in codes(one)]
    return found


def test_older_clients_hear_of_an_invalid_epoch(kafka, tx):
    """They do not know yet that there is a word for being fenced."""
    Transactional(kafka, tx.name)
    body = kafka_protocol.string(tx.name) + kafka_protocol.i64(tx.producer) + kafka_protocol.i16(tx.epoch)
    found = {version: kafka.only_an_error(kafka_protocol.END_TXN, version, body + b"\1") for version in (0, 1, 2)}
    assert found == {0: INVALID_PRODUCER_EPOCH, 1: INVALID_PRODUCER_EPOCH, 2: PRODUCER_FENCED}


# Offsets of groups


@ENDS
def test_offsets_count_if_the_transaction_is_committed(kafka, tx, is_commit):
    topic, group = kafka.new_topic(partitions=3), unique("group")
    assert kafka.commit(group, topic, 3, metadata="before") == NONE
    assert kafka.commit(group, topic, 4, partition=2) == NONE
    assert tx.add_group(group) == NONE
    # Nothing is undecided as long as nothing was said.
    assert kafka.stably_committed(group, topic) == Committed(NONE, 3, "before")
    assert tx.offset(group, topic, 5, metadata="first") == NONE
    assert tx.offset(group, topic, 9, metadata="after") == NONE
    assert tx.offset(group, topic, 1, partition=1) == NONE
    for partition, offset in ((0, 3), (1, -1), (2, 4)):
        assert kafka.committed(group, topic, partition).offset == offset
    assert [kafka.stably_committed(group, topic, partition).error for partition in range(3)] == [
        UNSTABLE_OFFSET_COMMIT, UNSTABLE_OFFSET_COMMIT, NONE]
    assert tx.end(is_commit) == NONE
    wanted = ([Committed(NONE, 9, "after"), Committed(NONE, 1, ""), Committed(NONE, 4, "")] if is_commit else
              [Committed(NONE, 3, "before"), Committed(NONE, -1, ""), Committed(NONE, 4, "")])
    for partition, one in enumerate(wanted):
        assert kafka.stably_committed(group, topic, partition) == kafka.committed(group, topic, partition) == one


def test_records_and_offsets_end_together(kafka, tx):
    """What a program does that reads, and writes what it makes of that."""
    source, target, group = kafka.new_topic(), kafka.new_topic(), unique("group")
    kafka.produce(source, batch([b"%d" % number for number in range(6)]))
    for number, is_commit in enumerate([True, False, True]):
        begin = max(0, kafka.committed(group, source).offset)
        for record in kafka.read(source, begin)[:2]:
            tx.write(target, b"of " + (record.value or b""))
        assert tx.add_group(group) == NONE and tx.offset(group, source, begin + 2) == NONE
        assert tx.end(is_commit) == NONE
    assert committed(kafka, target) == [b"of 0", b"of 1", b"of 2", b"of 3"]
    assert kafka.committed(group, source).offset == 4


def test_a_group_has_to_be_part_of_the_transaction(kafka, tx):
    topic, group = kafka.new_topic(), unique("group")
    assert tx.offset(group, topic, 5) == INVALID_TXN_STATE
    assert tx.add_group(unique("another")) == NONE
    assert tx.offset(group, topic, 5) == INVALID_TXN_STATE
    assert tx.add_group(group) == NONE and tx.offset(group, topic, 6) == NONE
    tx.commit()
    assert tx.offset(group, topic, 7) == INVALID_TXN_STATE
    assert kafka.stably_committed(group, topic).offset == 6


def test_offsets_of_partitions_that_there_are_not(kafka, tx):
    topic, group = kafka.new_topic(), unique("group")
    assert tx.add_group(group) == NONE
    assert tx.offset(group, topic, 5, partition=7) == UNKNOWN_TOPIC_OR_PARTITION
    assert tx.offset(group, unique("nobody"), 5) == UNKNOWN_TOPIC_OR_PARTITION
    assert tx.offset(group, topic, 5) == NONE
    tx.commit()
    assert kafka.committed(group, topic).offset == 5


def test_only_members_commit_for_a_group_that_has_some(kafka, tx):
    """A member that was given up must not commit what another one does again."""
    topic, group = kafka.new_topic(), unique("group")
    joined = alone(kafka, group)
    assert tx.add_group(group) == NONE
    for generation, member, error in [(joined.generation - 1, joined.member, ILLEGAL_GENERATION),
                                      (joined.generation + 1, joined.member, ILLEGAL_GENERATION),
                                      (joined.generation, "stranger", UNKNOWN_MEMBER_ID)]:
        assert tx.offset(group, topic, 1, generation=generation, member=member) == error
    assert tx.offset(group, topic, 2, generation=joined.generation, member=joined.member) == NONE
    tx.commit()
    assert kafka.committed(group, topic).offset == 2


def test_several_groups_in_one_transaction(kafka, tx):
    topic, groups = kafka.new_topic(), [unique("group") for _ in range(3)]
    for number, group in enumerate(groups):
        assert tx.add_group(group) == NONE and tx.offset(group, topic, number + 1) == NONE
    tx.commit()
    assert [kafka.committed(group, topic).offset for group in groups] == [1, 2, 3]


# Other protocols


@cola_alone
@pytest.mark.parametrize("codec", ["none", "lz4"])
def test_readers_over_amqp_get_what_is_committed(kafka, kafka_address, client, tx, codec):
    """In its place, and only when it is."""
    topic = kafka.new_topic()
    channel = client.channel()
    channel.basic_qos(prefetch_count=100)
    collector = amqp.Collector(channel, topic, arguments={"x-stream-offset": "first"})
    kafka.produce(topic, batch([b"plain 0"]))
    tx.write(topic, b"kept 1", b"kept 2", codec=CODECS[codec])
    assert collector.wait(1) and collector.settle_down() and collector.bodies == [b"plain 0"]
    tx.commit()
    assert [one.body for one in collector.wait(3)] == [b"plain 0", b"kept 1", b"kept 2"]
    tx.write(topic, b"dropped 4", codec=CODECS[codec])
    kafka.produce(topic, batch([b"plain 5"]))
    collector.settle_down()
    assert len(collector.bodies) == 3
    tx.abort()
    tx.write(topic, b"kept 7", codec=CODECS[codec])
    tx.commit()
    wanted = [(0, b"plain 0"), (1, b"kept 1"), (2, b"kept 2"), (5, b"plain 5"), (7, b"kept 7")]
    collector.wait(5)
    collector.settle_down()
    for found in (collector.deliveries, read(client, topic, 5)):
        assert [(one.properties.headers["x-stream-offset"], one.body) for one in found] == wanted
    [one] = read(client, topic, 1, offset=4)
    assert one.body == b"plain 5"


@cola_alone
def test_native_readers_and_commands_get_what_is_committed(kafka, connection, shared_broker, tx):
    topic = kafka.new_topic()

    def printed(*arguments: str) -> List[Tuple[int, str]]:
        result = cola(*arguments, "--json", url=shared_broker.unix, timeout=20).succeeds()
        return [(row["offset"], row["body"]) for row in map(json.loads, result.lines())]

    tx.write(topic, b"dropped 0")
    tx.abort()
    tx.write(topic, b"kept 2")
    tx.commit()
    tx.write(topic, b"open 4")
    kafka.produce(topic, batch([b"plain 5"]))
    connection.ok("consume %s c=1 from=first" % topic)
    assert delivery(connection).body == b"kept 2"
    for command in (("consume", "--topic", topic, "--from", "first"), ("tail", topic, "--no-follow")):
        assert printed(*command) == [(2, "kept 2")]
    assert connection.delivery(0.2) is None
    tx.commit()
    assert [(one.offset, one.body) for one in (delivery(connection), delivery(connection))] == [
        (4, b"open 4"), (5, b"plain 5")]
    assert connection.delivery(0.2) is None
    connection.ok("cancel 1")
    for command in (("consume", "--topic", topic, "--from", "first"), ("tail", topic, "--no-follow")):
        assert printed(*command) == [(2, "kept 2"), (4, "open 4"), (5, "plain 5")]


@cola_alone
def test_compaction_takes_nothing_for_what_was_aborted(new_broker):
    """An aborted record takes no other one's place; what its producer commits later is seen."""
    broker = new_broker()
    broker.start()
    filling = b"filling " * 10_000

    def compacted(connection: native.Connection) -> int:
        return connection.ok("describe topic %s" % topic).json()["compacted"]

    with Wire(kafka_protocol.of(broker)) as wire, native.Connection(broker.unix) as connection:
        topic, producer = wire.new_topic(cleanup_policy="compact"), Transactional(wire)

        def keyed(*rows: Record) -> None:
            assert producer.add((topic, 0)) == NONE
            sequence = producer.sequences.get((topic, 0), 0)
            data = batch(rows, producer=producer.producer, epoch=producer.epoch, sequence=sequence,
                         attributes=TRANSACTIONAL)
            assert wire.produce(topic, data, transactional_id=producer.name).error == NONE
            producer.sequences[topic, 0] = sequence + len(rows)

        wire.produce(topic, batch([Record(b"old", b"k")]))
        wire.produce(topic, batch([Record(b"kept", b"k")]))
        keyed(Record(b"aborted " * 3_000, b"k"), Record(b"aborted " * 3_000, b"other"))
        producer.abort()
        for _ in range(3):
            wire.produce(topic, batch([Record(filling, b"filling")]))
        assert wait_for(lambda: compacted(connection) >= 3, 20), "nothing was compacted"
        keyed(Record(b"later", b"later"))
        producer.commit()
    wanted = {b"k": b"kept", b"filling": filling, b"later": b"later"}
    for turn in range(2):
        with Wire(kafka_protocol.of(broker)) as wire:
            found = wire.read_committed(topic)
            assert {record.key: record.value for record in found} == wanted, "in turn %d" % turn
            assert b"aborted " * 3_000 not in values(found)
            connected = amqp.connect(amqp.address(broker.amqp))
            channel = connected.channel()
            channel.basic_qos(prefetch_count=100)
            collector = amqp.Collector(channel, topic, arguments={"x-stream-offset": "first"})
            assert wait_for(lambda: b"later" in [one.body for one in collector.settle_down(0.05)], 10)
            assert b"kept" in collector.bodies and b"aborted " * 3_000 not in collector.bodies
            connected.close()
        # Now from the disk, where the old ones are gone.
        broker.kill()
        broker.start()


# Restarts, and what is deleted


RESTARTS = pytest.mark.parametrize("how", ["kill", "terminate"])


@cola_alone
@RESTARTS
@pytest.mark.parametrize("end", ["commit", "abort", "another"])
def test_an_open_transaction_is_open_after_a_restart(new_broker, how, end):
    """Its producer ends it, or the next one of its id does, and its offsets of groups are part of it."""
    broker = new_broker()
    broker.start()
    with Wire(kafka_protocol.of(broker)) as wire:
        topic = wire.new_topic(partitions=2)
        wire.produce(topic, batch([b"before"]))
        done, producer = Transactional(wire), Transactional(wire)
        done.write(topic, b"dropped")
        done.abort()
        producer.write(topic, b"open")
        producer.write(topic, b"open", partition=1)
        assert producer.add_group("group") == NONE and producer.offset("group", topic, 1) == NONE
    getattr(broker, how)()
    broker.start()
    with Wire(kafka_protocol.of(broker)) as wire:
        assert (wire.stable_end(topic), wire.stable_end(topic, 1)) == (3, 0)
        assert committed(wire, topic) == [b"before"] and committed(wire, topic, 1) == []
        assert wire.fetch(topic, 0, isolation=READ_COMMITTED).aborted == [(done.producer, 1)]
        assert wire.committed("group", topic).offset == -1
        assert wire.stably_committed("group", topic).error == UNSTABLE_OFFSET_COMMIT
        done.wire = producer.wire = wire
        # What was ended before stays so.
        assert done.end(False) == NONE and done.end(True) == INVALID_TXN_STATE
        if end == "another":
            other = Transactional(wire, producer.name)
            assert other.producer == producer.producer and other.epoch > producer.epoch
            assert producer.send(topic, b"too late").error == INVALID_PRODUCER_EPOCH
            assert producer.end(True) in FENCED
        else:
            assert producer.send(topic, b"more").error == NONE
            assert producer.end(end == "commit") == NONE
        kept = end == "commit"
        assert committed(wire, topic) == [b"before"] + [b"open", b"more"] * kept
        assert committed(wire, topic, 1) == [b"open"] * kept
        assert wire.stably_committed("group", topic) == Committed(NONE, 1 if kept else -1, "")
        assert wire.stable_end(topic) == wire.end(topic)
        assert Transactional(wire).producer not in (done.producer, producer.producer)


@cola_alone
@RESTARTS
def test_all_protocols_read_what_is_committed_after_a_restart(new_broker, how):
    """From the disk as from memory."""
    broker = new_broker()
    broker.start()
    with Wire(kafka_protocol.of(broker)) as wire:
        topic, producer = wire.new_topic(), Transactional(wire)
        for number in range(12):
            producer.write(topic, b"%d" % number, b"%d" % number, codec=CODECS["gzip"] if number % 2 else 0)
            assert producer.end(number % 3 == 0) == NONE
        producer.write(topic, b"open")
    getattr(broker, how)()
    broker.start()
    wanted = [b"%d" % number for number in range(0, 12, 3) for _ in range(2)]
    connected = amqp.connect(amqp.address(broker.amqp))
    with Wire(kafka_protocol.of(broker)) as wire, native.Connection(broker.unix) as connection:
        assert committed(wire, topic) == wanted
        assert [one.body for one in read(connected, topic, len(wanted))] == wanted
        connection.ok("consume %s c=1 from=first" % topic)
        assert [one.body for one in connection.collect(len(wanted))] == wanted
        assert connection.delivery(0.2) is None
        producer.wire = wire
        producer.commit()
        assert committed(wire, topic) == wanted + [b"open"]
        assert delivery(connection).body == b"open"
        assert [one.body for one in read(connected, topic, len(wanted) + 1)] == wanted + [b"open"]
    connected.close()


@cola_alone
def test_time_goes_on_over_a_restart(new_broker):
    """A transaction whose producer is gone with the broker is aborted when its time is over."""
    broker = new_broker()
    broker.start()
    with Wire(kafka_protocol.of(broker)) as wire:
        topic = wire.new_topic()
        producer = Transactional(wire, timeout=1_000)
        producer.write(topic, b"open")
    broker.kill()
    broker.start()
    with Wire(kafka_protocol.of(broker)) as wire:
        assert wait_for(lambda: wire.stable_end(topic) == 2), "it is open for good"
        producer.wire = wire
        assert committed(wire, topic) == [] and producer.end(True) in FENCED


@cola_alone
def test_transactions_are_whole_after_kill_9(new_broker):
    """What was answered is so, in all partitions and for the group; the one that was not, in all or in none."""
    broker, choices = new_broker(), random.Random(seed())
    broker.start()
    with Wire(kafka_protocol.of(broker)) as wire:
        topic, other = wire.new_topic(partitions=2), wire.new_topic()
        places = [(topic, 0), (topic, 1), (other, 0)]
    asked: Dict[int, bool] = {}
    answered: Set[int] = set()
    wrong: List[str] = []

    def work(where: kafka_protocol.Address, first: int) -> None:
        try:
            with Wire(where) as wire:
                producer = Transactional(wire, "work")
                for number in range(first, first + 100_000):
                    assert producer.add(*places) == NONE
                    for name, partition in places:
                        assert producer.send(name, b"%d" % number, partition=partition).error == NONE
                    assert producer.add_group("group") == NONE
                    assert producer.offset("group", places[0][0], number) == NONE
                    asked[number] = choices.random() < 0.7
                    assert producer.end(asked[number]) == NONE
                    answered.add(number)
        except (OSError, EOFError):
            pass  # it was killed
        except AssertionError as error:
            wrong.append(str(error))

    for turn in range(setting("COLA_KILLS", short=4, long=20)):
        thread = threading.Thread(target=work, args=(kafka_protocol.of(broker), turn * 100_000 + 1), daemon=True)
        thread.start()
        time.sleep(choices.uniform(0.2, 0.6))
        broker.kill()
        thread.join(30)
        assert not thread.is_alive() and not wrong, wrong
        broker.start()
        with Wire(kafka_protocol.of(broker)) as wire:
            assert wire.init_transactions("work")[0] == NONE
            found = [[int(value or b"") for value in committed(wire, *place)] for place in places]
            offset = wire.stably_committed("group", places[0][0])
            assert [wire.stable_end(*place) for place in places] == [wire.end(*place) for place in places]
        assert found[0] == sorted(set(found[0])), "a transaction is there twice, or in another place"
        assert all(numbers == found[0] for numbers in found), "a transaction is not in all partitions"
        must = {number for number in answered if asked[number]}
        assert must <= set(found[0]), "lost: %s" % sorted(must - set(found[0]))
        may = {number for number, is_commit in asked.items() if is_commit}
        assert set(found[0]) <= may, "not committed: %s" % sorted(set(found[0]) - may)
        assert offset == Committed(NONE, found[0][-1] if found[0] else -1, "")
    assert len(answered) > 20, "hardly any load: %d" % len(answered)


@ENDS
@pytest.mark.parametrize("again", [False, True], ids=["gone", "made-again"])
def test_a_topic_that_is_deleted_in_the_middle(kafka, tx, is_commit, again):
    """The transaction ends in the others; one of the same name that came later knows nothing of it."""
    gone, kept, group = kafka.new_topic(), kafka.new_topic(), unique("group")
    tx.write(gone, b"gone")
    tx.write(kept, b"kept")
    assert tx.add_group(group) == NONE
    assert tx.offset(group, gone, 1) == NONE and tx.offset(group, kept, 1) == NONE
    assert kafka.delete_topic(gone) == NONE
    if again:
        assert wait_for(lambda: kafka.create_topic(gone) == NONE)
    assert tx.end(is_commit) == NONE
    assert committed(kafka, kept) == [b"kept"][:is_commit]
    assert kafka.stably_committed(group, kept) == Committed(NONE, 1 if is_commit else -1, "")
    if again:
        assert written(kafka, gone) == [] and kafka.stable_end(gone) == kafka.end(gone)
        del tx.sequences[gone, 0]
        tx.write(gone, b"new")
    tx.write(kept, b"next")
    tx.commit()
    assert committed(kafka, kept) == [b"kept"][:is_commit] + [b"next"]
    assert not again or committed(kafka, gone) == [b"new"]


@cola_alone
def test_a_topic_that_was_deleted_is_no_concern_after_a_restart(new_broker):
    broker = new_broker()
    broker.start()
    with Wire(kafka_protocol.of(broker)) as wire:
        gone, kept, producer = wire.new_topic(), wire.new_topic(), Transactional(wire)
        producer.write(gone, b"gone")
        producer.write(kept, b"kept")
        assert wire.delete_topic(gone) == NONE
    broker.kill()
    broker.start()
    with Wire(kafka_protocol.of(broker)) as wire:
        producer.wire = wire
        producer.commit()
        assert committed(wire, kept) == [b"kept"]
