"""Every version of the APIs that every client uses, in the layouts of Kafka's own schemas, as kafka-python has them."""
from __future__ import annotations

import io
from typing import Any, Dict, List

import pytest
from kafka.protocol import admin, consumer, metadata, producer

from kafka_wire import NONE, Wire, batch

GROUP = "versions"


def requests(topic: str) -> Dict[Any, Dict[str, Any]]:
    """For each API the fields of a request that succeeds; a version leaves out those that it does not have."""
    return {
        producer.ProduceRequest: dict(acks=-1, timeout_ms=9000, topic_data=[
            dict(name=topic, partition_data=[dict(index=0, records=batch([b"version"]))])]),
        consumer.FetchRequest: dict(replica_id=-1, max_wait_ms=0, min_bytes=1, max_bytes=1 << 20, topics=[
            dict(topic=topic, partitions=[dict(partition=0, fetch_offset=0, partition_max_bytes=1 << 20)])]),
        consumer.ListOffsetsRequest: dict(replica_id=-1, topics=[
            dict(name=topic, partitions=[dict(partition_index=0, timestamp=-1, max_num_offsets=1)])]),
        metadata.MetadataRequest: dict(topics=[dict(name=topic)], allow_auto_topic_creation=False),
        metadata.ApiVersionsRequest: dict(client_software_name="test", client_software_version="1"),
        metadata.FindCoordinatorRequest: dict(key=GROUP, key_type=0, coordinator_keys=[GROUP]),
        producer.InitProducerIdRequest: dict(transactional_id=None, transaction_timeout_ms=9000),
        consumer.OffsetCommitRequest: dict(
            group_id=GROUP, generation_id_or_member_epoch=-1, member_id="", topics=[
                dict(name=topic, partitions=[dict(partition_index=0, committed_offset=1, committed_metadata="m")])]),
        consumer.OffsetFetchRequest: dict(
            group_id=GROUP, topics=[dict(name=topic, partition_indexes=[0])],
            groups=[dict(group_id=GROUP, member_epoch=-1, topics=[dict(name=topic, partition_indexes=[0])])]),
        admin.ListGroupsRequest: {},
        admin.DescribeGroupsRequest: dict(groups=[GROUP]),
        admin.DescribeClusterRequest: {},
    }


def build(kind: Any, version: int, fields: Dict[str, Any]) -> Any:
    """A message, or a part of one, with the fields that this version has."""
    values = {}
    for field in kind._struct._fields:
        if field.name in fields and field.for_version_q(version):
            value = fields[field.name]
            values[field.name] = (
                [build(getattr(kind, field.type_str), version, one) for one in value]
                if field.is_struct_array() else value)
    return kind(version=version, **values)


def errors(part: Any) -> List[int]:
    """Every error code of an answer."""
    found = []
    for field in part._struct._fields:
        value = getattr(part, field.name, None)
        if field.name == "error_code":
            found.append(value)
        elif field.is_struct_array():
            found += [code for one in value or [] for code in errors(one)]
    return found


@pytest.mark.parametrize("kind", requests("none"), ids=lambda kind: kind.__name__)
def test_each_version_is_answered_in_its_layout(kafka, kafka_address, kind):
    """The answer says no error, and is just what Kafka's schema makes of what was understood of it."""
    topic = kafka.new_topic("versions")
    assert kafka.produce(topic, batch([b"first"])).error == NONE
    first, last = kafka.api_versions()[1][kind.API_KEY]
    # Those before version 3 of produce are listed for old clients, and have batches that nobody takes any more.
    first = max(first, 3) if kind is producer.ProduceRequest else first
    assert last <= kind.max_version, "kafka-python does not know version %d yet" % last
    with Wire(kafka_address) as wire:
        for version in range(first, last + 1):
            asked = build(kind, version, requests(topic)[kind])
            asked.with_header(correlation_id=version, client_id="versions")
            wire.send_bytes(asked.encode(framed=True, header=True))
            data = io.BytesIO(wire.frame())
            answer = asked.header.get_response_class()
            assert answer.parse_header(data).correlation_id == version
            rest = data.read()
            found = answer.decode(io.BytesIO(rest))
            codes = errors(found)
            assert not any(codes), "version %d: %s" % (version, found)
            assert found.encode() == rest, "version %d: %s" % (version, found)
