"""Transactions with librdkafka, kafka-python and aiokafka. Prints `ok CHECK` or `not ok CHECK` for each thing a broker
must do for them."""
import asyncio
import random
import sys
import time
import uuid

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as AIOTopicPartition
from aiokafka.errors import KafkaError as AIOKafkaError
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import KafkaConsumer, KafkaProducer
from kafka import TopicPartition as PythonTopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

SERVER = "%s:%s" % (sys.argv[1], sys.argv[2])
SECONDS = 20


def check(name, good, why=""):
    print("%s %s" % ("ok" if good else "not ok", name) + ("" if good else "\n# %s" % (why,)), flush=True)


def name(prefix):
    return "transactions-%s-%s" % (prefix, uuid.uuid4().hex[:8])


def refused(call, *arguments):
    """The name of the error."""
    try:
        call(*arguments)
    except KafkaException as error:
        return error.args[0].name()
    return "nothing"


def attempt(checks, *names):
    """Runs the checks; those that it did not come to have failed."""
    done = set()
    try:
        for row in checks():
            done.add(row[0])
            check(*row)
    except Exception as error:
        for missing in names:
            if missing not in done:
                check(missing, False, "%s: %s" % (type(error).__name__, error))


def new_topic(partitions=1):
    topic = name("topic")
    admin = AdminClient({"bootstrap.servers": SERVER})
    admin.create_topics([NewTopic(topic, partitions, 1)], request_timeout=SECONDS)[topic].result(SECONDS)
    return topic


# librdkafka


def producer(transactional_id=None, **options):
    made = Producer({"bootstrap.servers": SERVER, "transactional.id": transactional_id or name("tx"), "linger.ms": 2,
                     **options})
    made.init_transactions(SECONDS)
    return made


def consumer(group=None, isolation="read_committed", **options):
    return Consumer({"bootstrap.servers": SERVER, "group.id": group or name("group"), "auto.offset.reset": "earliest",
                     "enable.auto.commit": False, "isolation.level": isolation, "session.timeout.ms": 6000,
                     "fetch.wait.max.ms": 100, **options})


def read(topic, partitions=1, isolation="read_committed"):
    """All values up to the end, of each partition in its order."""
    reader = consumer(isolation=isolation, **{"enable.partition.eof": True})
    reader.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    found, at_end, deadline = [], set(), time.monotonic() + SECONDS
    while len(at_end) < partitions and time.monotonic() < deadline:
        for one in reader.consume(500, 0.2):
            if one.error() is None:
                found.append(one.value())
            elif one.error().name() == "_PARTITION_EOF":
                at_end.add(one.partition())
    reader.close()
    assert len(at_end) == partitions, "it came to the end of %d partitions of %d" % (len(at_end), partitions)
    return found


def librdkafka():
    topic = new_topic(2)
    one = producer()

    def write(*values):
        for number, value in enumerate(values):
            one.produce(topic, value, partition=number % 2)
        assert one.flush(SECONDS) == 0

    one.begin_transaction()
    write(b"1", b"2")
    yield "librdkafka-open", (read(topic, 2), sorted(read(topic, 2, "read_uncommitted"))) == ([], [b"1", b"2"])
    one.commit_transaction(SECONDS)
    yield "librdkafka-commit", sorted(read(topic, 2)) == [b"1", b"2"]
    one.begin_transaction()
    write(b"3", b"4")
    one.abort_transaction(SECONDS)
    yield "librdkafka-abort", sorted(read(topic, 2)) == [b"1", b"2"]
    # What was not sent yet is dropped, too.
    one.begin_transaction()
    one.produce(topic, b"5")
    one.abort_transaction(SECONDS)
    one.begin_transaction()
    write(b"6")
    one.commit_transaction(SECONDS)
    yield "librdkafka-goes-on-after-abort", sorted(read(topic, 2)) == [b"1", b"2", b"6"]
    for _ in range(3):
        one.begin_transaction()
        one.commit_transaction(SECONDS)
    yield "librdkafka-empty", sorted(read(topic, 2)) == [b"1", b"2", b"6"]


def write_late(fenced, topic):
    """Until its end is told. No callback: one that is called together with that would run with an exception set."""
    fenced.produce(topic, b"too late")
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        fenced.poll(0.05)


def fencing():
    """By another one with the same id: of two that are, the first wants to commit, and the other to write on."""
    for case in ("commit", "write"):
        topic, shared = new_topic(), name("tx")
        first = producer(shared)
        first.begin_transaction()
        first.produce(topic, b"of the first")
        assert first.flush(SECONDS) == 0
        second = producer(shared)
        if case == "write":
            error = refused(write_late, first, topic)
            yield "librdkafka-fenced-writing", error == "_FENCED", error
            error = refused(first.commit_transaction, SECONDS)
            yield "librdkafka-fenced-writing-commit", error != "nothing", error
            error = refused(first.abort_transaction, SECONDS)
            yield "librdkafka-fenced-for-good", error == "_FENCED", error
        else:
            error = refused(first.commit_transaction, SECONDS)
            yield "librdkafka-fenced", error == "_FENCED", error
        second.begin_transaction()
        second.produce(topic, b"of the second")
        second.commit_transaction(SECONDS)
        found = read(topic)
        yield "librdkafka-second-after-%s" % case, found == [b"of the second"], found


def timeout():
    topic = new_topic()
    slow = producer(**{"transaction.timeout.ms": 1000})
    slow.begin_transaction()
    slow.produce(topic, b"slow")
    assert slow.flush(SECONDS) == 0
    other = producer()
    other.begin_transaction()
    other.produce(topic, b"behind it")
    other.commit_transaction(SECONDS)
    deadline = time.monotonic() + SECONDS
    found = read(topic)
    while not found and time.monotonic() < deadline:
        time.sleep(0.1)
        found = read(topic)
    yield "librdkafka-timeout", found == [b"behind it"], found
    error = refused(slow.commit_transaction, SECONDS)
    yield "librdkafka-timeout-fences", error in ("_FENCED", "_STATE", "INVALID_PRODUCER_EPOCH"), error


def exactly_once():
    """Each record is read, made into another and written, with its offset, by two members of a group who now and then
    abort and begin again: each counts once."""
    source, target, group = new_topic(4), new_topic(3), name("group")
    count, partitions = 400, 4
    filler = Producer({"bootstrap.servers": SERVER})
    for number in range(count):
        filler.produce(source, b"%d" % number, partition=number % partitions)
    assert filler.flush(SECONDS) == 0

    class Worker:
        def __init__(self, number):
            self.choices = random.Random(number)
            self.number = number
            self.aborts = self.commits = 0
            self.begin()

        def begin(self):
            self.reader = consumer(group)
            self.reader.subscribe([source])
            self.writer = producer("%s-%d" % (group, self.number))

        def crash(self):
            """In the middle of a transaction: the next one of its id aborts that."""
            self.reader.close()
            self.begin()

        def turn(self):
            """One transaction, if there is something to do."""
            rows = [one for one in self.reader.consume(self.choices.randint(1, 20), 0.1) if not one.error()]
            if not rows:
                return
            self.writer.begin_transaction()
            for one in rows:
                self.writer.produce(target, b"of " + one.value())
            if self.choices.random() < 0.1:
                self.writer.flush(SECONDS)
                return self.crash()
            ends = {}
            for one in rows:
                ends[one.partition()] = one.offset() + 1
            try:
                self.writer.send_offsets_to_transaction(
                    [TopicPartition(source, *place) for place in ends.items()],
                    self.reader.consumer_group_metadata(), SECONDS)
                if self.choices.random() < 0.7:
                    self.writer.commit_transaction(SECONDS)
                    self.commits += 1
                    return
            except KafkaException as error:
                # Its group has moved: what it has read is somebody else's now.
                if not error.args[0].txn_requires_abort():
                    raise
            self.writer.abort_transaction(SECONDS)
            self.aborts += 1
            self.rewind()

        def rewind(self):
            places = self.reader.committed(self.reader.assignment(), SECONDS)
            for place in places:
                self.reader.seek(TopicPartition(source, place.partition, max(0, place.offset)))

    workers = [Worker(number) for number in range(2)]
    looking = consumer(group)

    def done():
        places = looking.committed([TopicPartition(source, partition) for partition in range(partitions)], SECONDS)
        return [place.offset for place in places] == [count // partitions] * partitions

    deadline = time.monotonic() + 45
    while not done() and time.monotonic() < deadline:
        for worker in workers:
            worker.turn()
    is_done = done()
    looking.close()
    for worker in workers:
        worker.reader.close()
    aborts, commits = sum(worker.aborts for worker in workers), sum(worker.commits for worker in workers)
    yield "librdkafka-group", is_done and aborts > 3 and commits > 3, (is_done, aborts, commits)
    found = read(target, 3)
    yield "librdkafka-exactly-once", sorted(found) == sorted(b"of %d" % number for number in range(count)), (
        "%d records, %d different" % (len(found), len(set(found))))
    yield "librdkafka-uncommitted", len(read(target, 3, "read_uncommitted")) > count


# kafka-python


def kafka_python():
    topic, group = new_topic(), name("group")
    shared = name("tx")
    one = KafkaProducer(bootstrap_servers=SERVER, transactional_id=shared, linger_ms=2)
    one.init_transactions()
    for number, end in enumerate((one.commit_transaction, one.abort_transaction, one.commit_transaction)):
        one.begin_transaction()
        for _ in range(5):
            one.send(topic, b"%d" % number, partition=0)
        one.send_offsets_to_transaction({PythonTopicPartition(topic, 0): OffsetAndMetadata(number + 1, "m", -1)}, group)
        end()
    reader = KafkaConsumer(bootstrap_servers=SERVER, isolation_level="read_committed", group_id=group,
                           auto_offset_reset="earliest", enable_auto_commit=False)
    place = PythonTopicPartition(topic, 0)
    reader.assign([place])
    reader.seek_to_beginning(place)
    found, deadline = [], time.monotonic() + SECONDS
    while len(found) < 10 and time.monotonic() < deadline:
        found += [row.value for rows in reader.poll(500).values() for row in rows]
    found += [row.value for rows in reader.poll(300).values() for row in rows]
    yield "kafka-python-transactions", found == [b"0"] * 5 + [b"2"] * 5, found
    yield "kafka-python-offsets", reader.committed(place) == 3, reader.committed(place)
    reader.close()
    one.begin_transaction()
    one.send(topic, b"of the first", partition=0).get(SECONDS)
    second = KafkaProducer(bootstrap_servers=SERVER, transactional_id=shared)
    second.init_transactions()
    try:
        one.commit_transaction()
        yield "kafka-python-fenced", False, "it could commit"
    except KafkaError as error:
        yield "kafka-python-fenced", type(error).__name__ in (
            "ProducerFencedError", "InvalidProducerEpochError"), repr(error)
    one.close(timeout=5)
    second.close(timeout=5)
    yield "kafka-python-read-by-librdkafka", read(topic) == [b"0"] * 5 + [b"2"] * 5


# aiokafka


async def aiokafka():
    topic, group, shared = new_topic(2), name("group"), name("tx")
    rows = []
    place = AIOTopicPartition(topic, 0)
    async with AIOKafkaProducer(bootstrap_servers=SERVER, transactional_id=shared) as one:
        for number in range(4):
            await one.begin_transaction()
            for partition in (0, 1):
                await one.send(topic, b"%d" % number, partition=partition)
            await one.send_offsets_to_transaction({place: number + 1}, group)
            await (one.abort_transaction() if number % 2 else one.commit_transaction())
        try:
            async with one.transaction():
                await one.send_and_wait(topic, b"dropped", partition=0)
                raise ValueError("a mistake")
        except ValueError:
            pass
    options = dict(bootstrap_servers=SERVER, isolation_level="read_committed", group_id=group,
                   enable_auto_commit=False, auto_offset_reset="earliest")
    async with AIOKafkaConsumer(**options) as reader:
        reader.assign([place, AIOTopicPartition(topic, 1)])
        await reader.seek_to_beginning()
        found = []
        deadline = time.monotonic() + SECONDS
        while len(found) < 4 and time.monotonic() < deadline:
            got = await reader.getmany(timeout_ms=500)
            found += [(row.partition, row.value) for part in got.values() for row in part]
        got = await reader.getmany(timeout_ms=300)
        found += [(row.partition, row.value) for part in got.values() for row in part]
        wanted = [(partition, value) for partition in (0, 1) for value in (b"0", b"2")]
        rows.append(("aiokafka-transactions", sorted(found) == wanted, found))
        offset = await reader.committed(place)
        rows.append(("aiokafka-offsets", offset == 3, offset))
        # Its last transaction is aborted, and stands behind all that is committed.
        ends = await reader.end_offsets([place])
        rows.append(("aiokafka-end-offsets", ends == {place: 10}, ends))
    first = AIOKafkaProducer(bootstrap_servers=SERVER, transactional_id=shared)
    await first.start()
    await first.begin_transaction()
    await first.send_and_wait(topic, b"of the first", partition=0)
    async with AIOKafkaProducer(bootstrap_servers=SERVER, transactional_id=shared) as second:
        try:
            await first.commit_transaction()
            rows.append(("aiokafka-fenced", False, "it could commit"))
        except AIOKafkaError as error:
            rows.append(("aiokafka-fenced", type(error).__name__ in ("ProducerFenced", "InvalidProducerEpoch"),
                         repr(error)))
        async with second.transaction():
            await second.send_and_wait(topic, b"of the second", partition=0)
    await first.stop()
    found = sorted(await asyncio.get_running_loop().run_in_executor(None, read, topic, 2))
    rows.append(("aiokafka-read-by-librdkafka", found == [b"0", b"0", b"2", b"2", b"of the second"], found))
    return rows


attempt(librdkafka, "librdkafka-open", "librdkafka-commit", "librdkafka-abort", "librdkafka-goes-on-after-abort",
        "librdkafka-empty")
attempt(fencing, "librdkafka-fenced", "librdkafka-second-after-commit", "librdkafka-fenced-writing",
        "librdkafka-fenced-writing-commit", "librdkafka-fenced-for-good", "librdkafka-second-after-write")
attempt(timeout, "librdkafka-timeout", "librdkafka-timeout-fences")
attempt(exactly_once, "librdkafka-group", "librdkafka-exactly-once", "librdkafka-uncommitted")
attempt(kafka_python, "kafka-python-transactions", "kafka-python-offsets", "kafka-python-fenced",
        "kafka-python-read-by-librdkafka")
attempt(lambda: asyncio.run(asyncio.wait_for(aiokafka(), 40)), "aiokafka-transactions", "aiokafka-offsets",
        "aiokafka-end-offsets", "aiokafka-fenced", "aiokafka-read-by-librdkafka")
