"""Consumer groups over Kafka's protocol: the coordinator request by request, and members with three clients."""
from __future__ import annotations

import contextlib
import threading
from typing import Iterator, List, Optional, Tuple

import pytest
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from kafka import KafkaAdminClient

import kafka_wire as kafka_protocol
from kafka_members import CLIENTS, SESSION_MS, Confluent, Got, Member, Mortal, received, settled
from kafka_wire import (
    FENCED_INSTANCE_ID, FIND_COORDINATOR, GROUP_ID_NOT_FOUND, ILLEGAL_GENERATION, INVALID_SESSION_TIMEOUT, JOIN_GROUP,
    MEMBER_ID_REQUIRED, NONE, OFFSET_COMMIT, REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER_ID, UNKNOWN_TOPIC_OR_PARTITION,
    Committed, Joined, Wire, array, batch, i8, i32, i64, join_body, string, unique, wait_for)

INVALID_GROUP_ID, INCONSISTENT_GROUP_PROTOCOL, OFFSET_METADATA_TOO_LARGE = 24, 23, 12

cola_alone = pytest.mark.skipif(kafka_protocol.elsewhere() is not None, reason="only Cola does this")


# The coordinator, request by request


def entered(wire: Wire, group: str, **options) -> Joined:
    """A member's first join: it is told its name, and comes again with it."""
    first = wire.join(group, **options)
    assert first.error == MEMBER_ID_REQUIRED and first.member, first
    return wire.join(group, first.member, **options)


def alone(wire: Wire, group: str, **options) -> Joined:
    """The only member of a group, in its stable state."""
    joined = entered(wire, group, **options)
    assert joined.error == NONE and joined.leader == joined.member, joined
    assert wire.sync(group, joined.generation, joined.member, {joined.member: b"all"}) == (NONE, b"all")
    return joined


@contextlib.contextmanager
def pair(where: kafka_protocol.Address, group: str) -> Iterator[Tuple[Wire, Joined, Wire, Joined]]:
    """Two members that have joined one generation, the leader first, and not synced yet."""
    with Wire(where) as leader, Wire(where) as other:
        first = alone(leader, group, protocols=[("range", b"one")])
        name = other.join(group, protocols=[("range", b"two")]).member
        other.send(JOIN_GROUP, 5, join_body(group, name, None, 10_000, 10_000, [("range", b"two")]))
        assert wait_for(
            lambda: leader.heartbeat(group, first.generation, first.member) == REBALANCE_IN_PROGRESS)
        joined = leader.join(group, first.member, protocols=[("range", b"one")])
        yield leader, joined, other, other.joined()


def test_find_coordinator(kafka, kafka_address):
    """The broker itself, under the address that the client came by."""
    for kind in (0, 1):
        reader = kafka.call(FIND_COORDINATOR, 2, string(unique("group")) + i8(kind))
        reader.i32()
        assert reader.i16() == NONE
        reader.string()
        reader.i32()
        assert (reader.string(), reader.i32()) == (kafka_address.host, kafka_address.port)


def test_one_member(kafka):
    group = unique("one")
    joined = entered(kafka, group, protocols=[("range", b"r"), ("roundrobin", b"rr")])
    assert joined.error == NONE and joined.generation >= 1 and joined.leader == joined.member
    assert joined.protocol == "range" and joined.members == [(joined.member, None, b"r")]
    assert kafka.sync(group, joined.generation, joined.member, {joined.member: b"\0plan"}) == (NONE, b"\0plan")
    assert kafka.heartbeat(group, joined.generation, joined.member) == NONE
    assert kafka.leave(group, joined.member) == NONE
    assert kafka.heartbeat(group, joined.generation, joined.member) == UNKNOWN_MEMBER_ID


def test_two_members(kafka_address):
    group = unique("two")
    with pair(kafka_address, group) as (leader, first, other, second):
        assert first.error == second.error == NONE and first.generation == second.generation
        assert first.leader == second.leader == first.member != second.member
        assert {name: data for name, _, data in first.members} == {first.member: b"one", second.member: b"two"}
        assert second.members == []
        threads: List[Tuple[int, Optional[bytes]]] = []
        waiting = threading.Thread(
            target=lambda: threads.append(other.sync(group, second.generation, second.member, {})), daemon=True)
        waiting.start()
        plans = {first.member: b"for the first", second.member: b"for the second"}
        assert leader.sync(group, first.generation, first.member, plans) == (NONE, b"for the first")
        waiting.join(20)
        assert threads == [(NONE, b"for the second")]
        # Asked again, the plan is the same.
        assert other.sync(group, second.generation, second.member, {}) == (NONE, b"for the second")
        # One leaves: the other is told, and has the next generation alone.
        assert other.leave(group, second.member) == NONE
        assert leader.heartbeat(group, first.generation, first.member) == REBALANCE_IN_PROGRESS
        again = leader.join(group, first.member, protocols=[("range", b"one")])
        assert again.error == NONE and again.generation == first.generation + 1
        assert [name for name, _, _ in again.members] == [first.member]


def test_strangers_and_older_generations_are_refused(kafka):
    group, topic = unique("fenced"), kafka.new_topic()
    joined = alone(kafka, group)
    for generation, member, error in [(joined.generation, "stranger", UNKNOWN_MEMBER_ID),
                                      (joined.generation - 1, joined.member, ILLEGAL_GENERATION),
                                      (joined.generation + 1, joined.member, ILLEGAL_GENERATION)]:
        assert kafka.heartbeat(group, generation, member) == error
        assert kafka.sync(group, generation, member, {})[0] == error
        assert kafka.commit(group, topic, 1, generation=generation, member=member) == error
    assert kafka.join(group, "stranger").error == UNKNOWN_MEMBER_ID
    assert kafka.leave(group, "stranger") == UNKNOWN_MEMBER_ID
    # Nobody commits beside the members either.
    assert kafka.commit(group, topic, 1) == UNKNOWN_MEMBER_ID
    assert kafka.committed(group, topic).offset == -1
    assert kafka.commit(group, topic, 1, generation=joined.generation, member=joined.member) == NONE


def test_joins_that_are_wrong(kafka):
    assert kafka.join("").error == INVALID_GROUP_ID
    for session in (0, -1, 1, 2**31 - 1):
        assert kafka.join(unique("session"), session=session).error == INVALID_SESSION_TIMEOUT
    assert kafka.join(unique("none"), protocols=[]).error == INCONSISTENT_GROUP_PROTOCOL
    group = unique("mixed")
    alone(kafka, group, protocols=[("range", b"")])
    first = kafka.join(group, protocols=[("sticky", b"")])
    found = first if first.error != MEMBER_ID_REQUIRED else kafka.join(
        group, first.member, protocols=[("sticky", b"")])
    assert found.error == INCONSISTENT_GROUP_PROTOCOL


def test_a_commit_while_members_join_is_told_to_wait(kafka_address):
    """Its member is not lost: it joins and commits again."""
    group = unique("moving")
    with pair(kafka_address, group) as (leader, first, _, _):
        topic = leader.new_topic()
        assert leader.commit(group, topic, 7, generation=first.generation, member=first.member) in (
            NONE, REBALANCE_IN_PROGRESS)
        assert leader.sync(group, first.generation, first.member, {first.member: b"all"})[0] == NONE
        assert leader.commit(group, topic, 8, generation=first.generation, member=first.member) == NONE
        assert leader.committed(group, topic).offset == 8


def test_a_member_that_is_silent_for_its_session_is_given_up(kafka, kafka_address):
    group = unique("silent")
    with Wire(kafka_address) as other:
        joined = alone(kafka, group, session=SESSION_MS)
        name = other.join(group).member
        # Its join waits for the silent one, no longer than that one's session.
        found = other.join(group, name)
        assert found.error == NONE and found.leader == name and [row[0] for row in found.members] == [name]
        assert kafka.heartbeat(group, joined.generation, joined.member) == UNKNOWN_MEMBER_ID


def test_static_members(kafka, kafka_address):
    """One that comes back under its name gets what it had, and nobody is disturbed; the one before it is shut out."""
    group, topic = unique("static"), kafka.new_topic()
    joined = kafka.join(group, instance="i1")
    assert joined.error == NONE and joined.members == [(joined.member, "i1", b"")]
    assert kafka.sync(group, joined.generation, joined.member, {joined.member: b"mine"}, "i1") == (NONE, b"mine")
    with Wire(kafka_address) as again:
        back = again.join(group, instance="i1")
        assert back.error == NONE and back.member != joined.member and back.generation == joined.generation
        assert again.sync(group, back.generation, back.member, {}, "i1") == (NONE, b"mine")
        assert again.heartbeat(group, back.generation, back.member, "i1") == NONE
        assert kafka.heartbeat(group, joined.generation, joined.member, "i1") == FENCED_INSTANCE_ID
        assert kafka.commit(group, topic, 1, generation=joined.generation, member=joined.member,
                            instance="i1") == FENCED_INSTANCE_ID
        assert kafka.heartbeat(group, back.generation, back.member, "other") == UNKNOWN_MEMBER_ID
        assert again.leave(group, "", "i1") == NONE
        assert again.heartbeat(group, back.generation, back.member, "i1") == UNKNOWN_MEMBER_ID


# Offsets


def test_offsets_are_kept_with_their_metadata(kafka):
    group, topic = unique("offsets"), kafka.new_topic(partitions=2)
    assert kafka.committed(group, topic) == Committed(NONE, -1, "")
    for offset, metadata in ((5, "made by a test: ü {\"a\": 1}"), (3, ""), (2**62, "x" * 4096)):
        assert kafka.commit(group, topic, offset, metadata=metadata) == NONE
        assert kafka.committed(group, topic) == Committed(NONE, offset, metadata)
    assert kafka.commit(group, topic, 1, metadata=None) == NONE
    assert kafka.committed(group, topic) == Committed(NONE, 1, "")
    assert kafka.commit(group, topic, 1, metadata="x" * 5000) == OFFSET_METADATA_TOO_LARGE
    assert kafka.committed(group, topic, 1).offset == -1
    assert kafka.commit(group, topic, 1, partition=9) == UNKNOWN_TOPIC_OR_PARTITION
    assert kafka.commit(group, unique("nobody"), 1) == UNKNOWN_TOPIC_OR_PARTITION


def test_offsets_of_several_partitions_are_committed_at_once(kafka):
    group, topic = unique("many"), kafka.new_topic(partitions=3)
    rows = [i32(partition) + i64(partition * 10) + i32(-1) + string("m%d" % partition) for partition in (0, 1, 2, 8)]
    body = string(group) + i32(-1) + string("") + string(None) + array([string(topic) + array(rows)])
    reader = kafka.call(OFFSET_COMMIT, 7, body)
    reader.i32()
    found = reader.array(lambda: (reader.string(), reader.array(lambda: (reader.i32(), reader.i16()))))
    assert found == [(topic, [(0, NONE), (1, NONE), (2, NONE), (8, UNKNOWN_TOPIC_OR_PARTITION)])]
    for partition in range(3):
        assert kafka.committed(group, topic, partition) == Committed(NONE, partition * 10, "m%d" % partition)


@cola_alone
@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_offsets_are_there_after_a_restart(new_broker, how):
    broker = new_broker()
    broker.start()
    with Wire(kafka_protocol.of(broker)) as wire:
        topic = wire.new_topic(partitions=2)
        joined = alone(wire, "member")
        assert wire.commit("reader", topic, 11, metadata="simple") == NONE
        assert wire.commit("member", topic, 22, 1, "joined", joined.generation, joined.member) == NONE
    getattr(broker, how)()
    broker.start()
    with Wire(kafka_protocol.of(broker)) as wire:
        assert wire.committed("reader", topic) == Committed(NONE, 11, "simple")
        assert wire.committed("member", topic, 1) == Committed(NONE, 22, "joined")
        # Who was a member is not any more, and is told to join anew.
        assert wire.heartbeat("member", joined.generation, joined.member) == UNKNOWN_MEMBER_ID
        assert alone(wire, "member").error == NONE


# Members with clients


def fill(wire: Wire, topic: str, partitions: int, count: int) -> None:
    for partition in range(partitions):
        end = wire.end(topic, partition)
        records = [b"%d/%d" % (partition, end + number) for number in range(count)]
        assert wire.produce(topic, batch(records), partition).error == NONE


def expected(partitions: int, count: int) -> List[Got]:
    return [Got(partition, offset, b"%d/%d" % (partition, offset))
            for partition in range(partitions) for offset in range(count)]


@pytest.fixture
def members() -> Iterator[List[Member]]:
    """Ended after the test, whatever became of it."""
    made: List[Member] = []
    yield made
    for member in made:
        member.ending.set()
    for member in made:
        member.thread.join(30)
        assert not member.thread.is_alive(), "a member hangs"


@pytest.mark.parametrize("client", CLIENTS)
def test_a_group_shares_a_topic(kafka, kafka_address, members, client):
    """Each record once; who leaves gives his partitions to the others, who go on where he ended."""
    group, topic = unique("share"), kafka.new_topic("share", partitions=4)
    fill(kafka, topic, 4, 50)
    members.append(CLIENTS[client](kafka_address, group, topic))
    assert received(members, 200) == expected(4, 50)
    settled(members, 4)
    members.append(CLIENTS[client](kafka_address, group, topic))
    settled(members, 4)
    fill(kafka, topic, 4, 50)
    # Who commits while the group moves may get a record again, and nobody misses one.
    assert sorted(set(received(members, 400))) == expected(4, 100)
    members[0].leave()
    settled(members[1:], 4)
    fill(kafka, topic, 4, 10)
    assert sorted(set(received(members, 440))) == expected(4, 110)
    members[1].leave()
    # What they have committed is what they have read.
    assert [kafka.committed(group, topic, partition).offset for partition in range(4)] == [110] * 4


def test_clients_of_three_kinds_in_one_group(kafka, kafka_address, members):
    """They all know `range`, and read each other's plans."""
    group, topic = unique("mixed"), kafka.new_topic("mixed", partitions=6)
    fill(kafka, topic, 6, 20)
    options = {"librdkafka": dict(partition_assignment_strategy="range"),
               "aiokafka": dict(partition_assignment_strategy=[RangePartitionAssignor])}
    for name, client in CLIENTS.items():
        members.append(client(kafka_address, group, topic, **options.get(name, {})))
    settled(members, 6)
    assert sorted(set(received(members, 120))) == expected(6, 20)


def test_the_partitions_of_a_member_that_died(kafka, kafka_address, members):
    """Nobody says that it is gone: the others have its partitions when its session is over."""
    group, topic = unique("died"), kafka.new_topic("died", partitions=4)
    fill(kafka, topic, 4, 10)
    mortal = Mortal(kafka_address, group, topic)
    try:
        assert mortal.assigned() == 4
        members.append(Confluent(kafka_address, group, topic))
        assert wait_for(lambda: len(members[0].assigned) == 2, 40), "it got %s" % members[0].assigned
    finally:
        mortal.kill()
    settled(members, 4)
    assert {got.partition for got in members[0].got} <= set(range(4))


def test_cooperative_members_keep_what_they_read(kafka, kafka_address, members):
    """Only what moves is taken away, and only from the one who has it."""
    group, topic = unique("cooperative"), kafka.new_topic("cooperative", partitions=4)
    options = dict(partition_assignment_strategy="cooperative-sticky")
    members.append(Confluent(kafka_address, group, topic, **options))
    settled(members, 4)
    members.append(Confluent(kafka_address, group, topic, **options))
    settled(members, 4)
    assert [lost for lost in members[0].lost if lost] == [set(members[1].assigned)]
    assert len(members[1].assigned) == 2 and not [lost for lost in members[1].lost if lost]
    fill(kafka, topic, 4, 20)
    assert received(members, 80) == expected(4, 20)
    members[1].leave()
    settled(members[:1], 4)
    assert len([lost for lost in members[0].lost if lost]) == 1


@pytest.mark.parametrize("client", ["librdkafka", "kafka-python"])
def test_a_static_member_comes_back_to_its_partitions(kafka, kafka_address, members, client):
    """It does not say that it leaves, and is back before its session is over: the other one notices nothing."""
    group, topic = unique("static"), kafka.new_topic("static", partitions=4)
    name = "group_instance_id"
    first = CLIENTS[client](kafka_address, group, topic, **{name: "a"})
    second = CLIENTS[client](kafka_address, group, topic, **{name: "b"})
    members += [first, second]
    settled(members, 4)
    kept, moved = set(second.assigned), set(first.assigned)
    gained = len(second.gained)
    first.leave()
    members.append(CLIENTS[client](kafka_address, group, topic, **{name: "a"}))
    settled([members[2], second], 4)
    assert set(members[2].assigned) == moved and set(second.assigned) == kept
    assert len(second.gained) == gained


# Looking at groups, and deleting them


def test_confluents_admin_client_lists_and_describes(kafka, kafka_address, members):
    group, topic = unique("described"), kafka.new_topic("described", partitions=4)
    members.append(Confluent(kafka_address, group, topic, client_id="looked-at"))
    settled(members, 4)
    admin = AdminClient({"bootstrap.servers": str(kafka_address)})
    listed = admin.list_consumer_groups(request_timeout=20).result(20)
    assert not listed.errors
    assert {row.group_id: row.state.name for row in listed.valid}[group] == "STABLE"
    found = admin.describe_consumer_groups([group], request_timeout=20)[group].result(20)
    assert found.state.name == "STABLE" and found.partition_assignor == "range"
    [member] = found.members
    assert member.client_id == "looked-at" and member.host
    assert {row.partition for row in member.assignment.topic_partitions} == set(range(4))
    members[0].leave()
    found = admin.describe_consumer_groups([group], request_timeout=20)[group].result(20)
    assert found.state.name in ("EMPTY", "DEAD") and found.members == []


def test_kafka_pythons_admin_client_lists_and_describes(kafka, kafka_address):
    group = unique("listed")
    joined = alone(kafka, group)
    admin = KafkaAdminClient(bootstrap_servers=str(kafka_address))
    try:
        assert group in str(admin.list_groups())
        assert joined.member in str(admin.describe_groups([group]))
    finally:
        admin.close()


def test_offsets_through_an_admin_client(kafka, kafka_address):
    group, topic = unique("altered"), kafka.new_topic(partitions=2)
    admin = AdminClient({"bootstrap.servers": str(kafka_address)})
    wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 7), TopicPartition(topic, 1, 9)])
    admin.alter_consumer_group_offsets([wanted], request_timeout=20)[group].result(20)
    asked = ConsumerGroupTopicPartitions(group)
    found = admin.list_consumer_group_offsets([asked], request_timeout=20)[group].result(20)
    assert {(row.topic, row.partition, row.offset) for row in found.topic_partitions} == {(topic, 0, 7), (topic, 1, 9)}


def test_groups_are_deleted(kafka, kafka_address):
    """Not while they have members; then with all that they have committed."""
    group, topic = unique("deleted"), kafka.new_topic()
    admin = AdminClient({"bootstrap.servers": str(kafka_address)})
    joined = alone(kafka, group)
    assert kafka.commit(group, topic, 5, generation=joined.generation, member=joined.member) == NONE
    with pytest.raises(KafkaException) as refusal:
        admin.delete_consumer_groups([group], request_timeout=20)[group].result(20)
    assert refusal.value.args[0].name() == "NON_EMPTY_GROUP"
    assert kafka.leave(group, joined.member) == NONE
    admin.delete_consumer_groups([group], request_timeout=20)[group].result(20)
    assert kafka.committed(group, topic).offset == -1
    with pytest.raises(KafkaException) as refusal:
        admin.delete_consumer_groups(["nobody"], request_timeout=20)["nobody"].result(20)
    assert refusal.value.args[0].code() == GROUP_ID_NOT_FOUND


def test_a_client_commits_with_metadata_and_reads_on(kafka, kafka_address):
    group, topic = unique("metadata"), kafka.new_topic()
    fill(kafka, topic, 1, 10)
    consumer = Consumer({"bootstrap.servers": str(kafka_address), "group.id": group, "enable.auto.commit": False})
    consumer.commit(offsets=[TopicPartition(topic, 0, 4, "written by librdkafka")], asynchronous=False)
    [found] = consumer.committed([TopicPartition(topic, 0)], timeout=20)
    assert (found.offset, found.metadata) == (4, "written by librdkafka")
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=20) == (0, 10)
    consumer.assign([TopicPartition(topic, 0)])
    assert wait_for(lambda: consumer.poll(1.0), 20).offset() == 4
    consumer.close()
