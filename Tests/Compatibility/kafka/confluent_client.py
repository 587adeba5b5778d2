"""confluent-kafka (librdkafka). Prints `ok CHECK` or `not ok CHECK` for each thing a broker must do for it."""
import sys
import time
import uuid

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, OffsetSpec, ResourceType)

SERVER = "%s:%s" % (sys.argv[1], sys.argv[2])


def check(name, good, why=""):
    print("%s %s" % ("ok" if good else "not ok", name) + ("" if good else "\n# %s" % (why,)), flush=True)


def name(prefix):
    return "confluent-%s-%s" % (prefix, uuid.uuid4().hex[:8])


def read(consumer, count, seconds=20):
    found, deadline = [], time.monotonic() + seconds
    while len(found) < count and time.monotonic() < deadline:
        found += [one for one in consumer.consume(count - len(found), 0.5) if not one.error()]
    return found


def consumer(group=None, **options):
    return Consumer({"bootstrap.servers": SERVER, "group.id": group or name("group"), "auto.offset.reset": "earliest",
                     "enable.auto.commit": False, **options})


def refused(call):
    """The name of the error."""
    try:
        call()
    except KafkaException as error:
        return error.args[0].name()
    return "nothing"


admin = AdminClient({"bootstrap.servers": SERVER})
topic = name("topic")
admin.create_topics([NewTopic(topic, 3, 1)], request_timeout=20)[topic].result(20)
check("create-topic", len(admin.list_topics(topic, timeout=20).topics[topic].partitions) == 3)
again = admin.create_topics([NewTopic(topic, 3, 1)], request_timeout=20)
check("create-topic-again", refused(lambda: again[topic].result(20)) == "TOPIC_ALREADY_EXISTS")
cluster = admin.describe_cluster(request_timeout=20).result(20)
check("describe-cluster",
      len(cluster.nodes) == 1 and cluster.cluster_id and cluster.controller.id == cluster.nodes[0].id)

reports = []
producer = Producer({
    "bootstrap.servers": SERVER, "linger.ms": 5, "compression.type": "lz4", "enable.idempotence": True})
for number in range(3000):
    producer.produce(topic, b"%d" % number, b"key-%d" % (number % 50), headers={"n": b"%d" % number},
                     on_delivery=lambda error, message: reports.append((error, message.partition(), message.offset())))
check("flush", producer.flush(30) == 0)
check("reports", len(reports) == 3000 and not [row for row in reports if row[0]], reports[:3])
places = {(partition, offset) for _, partition, offset in reports}
check("offsets-are-dense", len(places) == 3000 and all(
    len(offsets) == max(offsets) + 1 for offsets in [[o for p, o in places if p == n] for n in range(3)]))

group = name("group")
reader = consumer(group)
reader.subscribe([topic])
found = read(reader, 3000)
check("subscribe", sorted(int(one.value()) for one in found) == list(range(3000)), len(found))
check("headers", all(one.headers() == [("n", one.value())] for one in found))
reader.commit(asynchronous=False)
committed = reader.committed([TopicPartition(topic, n) for n in range(3)], timeout=20)
check("commit", sum(one.offset for one in committed) == 3000, committed)
reader.close()
reader = consumer(group)
reader.subscribe([topic])
producer.produce(topic, b"new")
producer.flush(20)
check("goes-on-after-commit", [one.value() for one in read(reader, 1)] == [b"new"])
reader.close()

times = name("times")
for number in range(10):
    producer.produce(times, b"%d" % number, timestamp=1_000_000 * (number + 1))
producer.flush(20)
reader = consumer()
[place] = reader.offsets_for_times([TopicPartition(times, 0, 4_500_000)], timeout=20)
check("offsets-for-times", place.offset == 4, place)
check("watermarks", reader.get_watermark_offsets(TopicPartition(times, 0), timeout=20) == (0, 10))
reader.assign([TopicPartition(times, 0, 7)])
check("assign", [one.value() for one in read(reader, 3)] == [b"7", b"8", b"9"])
reader.seek(TopicPartition(times, 0, 2))
check("seek", [one.value() for one in read(reader, 1)] == [b"2"])
reader.close()
listed = admin.list_offsets({TopicPartition(times, 0): OffsetSpec.latest()}, request_timeout=20)
check("list-offsets", [future.result(20).offset for future in listed.values()] == [10])

resource = ConfigResource(ResourceType.TOPIC, topic)
configs = admin.describe_configs([resource], request_timeout=20)[resource].result(20)
check("describe-configs", {"cleanup.policy", "retention.ms", "max.message.bytes"} <= set(configs), sorted(configs))
change = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[
    ConfigEntry("retention.ms", "3600000", incremental_operation=AlterConfigOpType.SET)])
try:
    admin.incremental_alter_configs([change], request_timeout=20)[change].result(20)
    configs = admin.describe_configs([resource], request_timeout=20)[resource].result(20)
    check("alter-configs", configs["retention.ms"].value == "3600000", configs["retention.ms"].value)
except KafkaException as error:
    check("alter-configs", False, error)

large = Producer({"bootstrap.servers": SERVER, "message.max.bytes": 10_000_000})
errors = []
large.produce(topic, bytes(5_000_000), on_delivery=lambda error, _: errors.append(error and error.name()))
large.flush(20)
check("too-large", errors in (["MSG_SIZE_TOO_LARGE"], ["INVALID_MSG_SIZE"]), errors)

try:
    transactional = Producer({"bootstrap.servers": SERVER, "transactional.id": name("tx")})
    transactional.init_transactions(10)
    for ends in (transactional.abort_transaction, transactional.commit_transaction):
        transactional.begin_transaction()
        transactional.produce(times, ends.__name__.encode())
        ends(10)
    reader = consumer(**{"isolation.level": "read_committed"})
    reader.assign([TopicPartition(times, 0, 10)])
    check("transactions", [one.value() for one in read(reader, 1)] == [b"commit_transaction"])
    reader.close()
except KafkaException as error:
    check("transactions", False, error)

admin.delete_topics([topic], request_timeout=20)[topic].result(20)
check("delete-topic", topic not in admin.list_topics(timeout=20).topics)
