"""aiokafka. Prints `ok CHECK` or `not ok CHECK` for each thing a broker must do for it."""
import asyncio
import sys
import uuid

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, TopicAlreadyExistsError

SERVER = "%s:%s" % (sys.argv[1], sys.argv[2])


def check(name, good, why=""):
    print("%s %s" % ("ok" if good else "not ok", name) + ("" if good else "\n# %s" % (why,)), flush=True)


def name(prefix):
    return "aiokafka-%s-%s" % (prefix, uuid.uuid4().hex[:8])


async def read(consumer, count):
    return [await asyncio.wait_for(consumer.getone(), 20) for _ in range(count)]


async def main():
    admin = AIOKafkaAdminClient(bootstrap_servers=SERVER)
    await admin.start()
    topic = name("topic")
    await admin.create_topics([NewTopic(topic, 2, 1)])
    check("create-topic", topic in await admin.list_topics())
    try:
        answer = await admin.create_topics([NewTopic(topic, 2, 1)])
        check("create-topic-again", [row[1] for row in answer.topic_errors] == [36], answer)
    except TopicAlreadyExistsError:
        check("create-topic-again", True)

    for codec in (None, "gzip", "snappy", "lz4", "zstd"):
        own = name(codec or "none")
        async with AIOKafkaProducer(bootstrap_servers=SERVER, compression_type=codec, linger_ms=5) as producer:
            sent = [await producer.send(own, b"value %d" % number, key=b"k", headers=[("n", b"%d" % number)],
                                        timestamp_ms=1_000_000 + number) for number in range(300)]
            found = [await asyncio.wait_for(future, 20) for future in sent]
        async with AIOKafkaConsumer(own, bootstrap_servers=SERVER, auto_offset_reset="earliest") as consumer:
            records = await read(consumer, 300)
        good = [row.offset for row in found] == list(range(300)) and [
            (row.value, row.key, row.headers, row.timestamp, row.offset) for row in records] == [
            (b"value %d" % n, b"k", (("n", b"%d" % n),), 1_000_000 + n, n) for n in range(300)]
        check("codec-%s" % (codec or "none"), good, records[:2])

    async with AIOKafkaProducer(bootstrap_servers=SERVER, enable_idempotence=True, acks="all") as producer:
        for number in range(100):
            await producer.send_and_wait(topic, b"%d" % number, partition=number % 2)
        check("idempotent", True)
        row = await producer.send_and_wait(topic, None, key=b"k", partition=0)
        check("tombstone", row.offset == 50, row)
    async with AIOKafkaProducer(bootstrap_servers=SERVER, max_request_size=10_000_000) as producer:
        try:
            await producer.send_and_wait(topic, bytes(5_000_000))
            check("too-large", False, "it was taken")
        except MessageSizeTooLargeError:
            check("too-large", True)

    group = name("group")
    options = dict(bootstrap_servers=SERVER, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False)
    async with AIOKafkaConsumer(topic, **options) as consumer:
        records = await read(consumer, 101)
        check("group", {row.value for row in records} == {b"%d" % n for n in range(100)} | {None})
        await consumer.commit()
        check("commit", [await consumer.committed(TopicPartition(topic, n)) for n in (0, 1)] == [51, 50])
        place = TopicPartition(topic, 1)
        check("end-offsets", await consumer.end_offsets([place]) == {place: 50})
        consumer.seek(place, 40)
        check("seek", [row.value for row in await read(consumer, 2)] == [b"81", b"83"])
        found = await consumer.offsets_for_times({place: 1000})
        check("offsets-for-times", found[place].offset == 0, found)
    async with AIOKafkaProducer(bootstrap_servers=SERVER) as producer:
        await producer.send_and_wait(topic, b"new", partition=1)
    async with AIOKafkaConsumer(topic, **options) as consumer:
        check("goes-on-after-commit", [row.value for row in await read(consumer, 1)] == [b"new"])
    offsets = await admin.list_consumer_group_offsets(group)
    check("group-offsets", {place.partition: row.offset for place, row in offsets.items()} == {0: 51, 1: 50}, offsets)
    check("list-groups", group in [row[0] for row in await admin.list_consumer_groups()])

    try:
        async with AIOKafkaProducer(bootstrap_servers=SERVER, transactional_id=name("tx")) as producer:
            async with producer.transaction():
                row = await producer.send_and_wait(topic, b"in a transaction", partition=0)
        check("transactions", row.offset >= 51)
    except KafkaError as error:
        check("transactions", False, error)
    await admin.delete_topics([topic])
    check("delete-topic", topic not in await admin.list_topics())
    await admin.close()


asyncio.run(asyncio.wait_for(main(), 80))
