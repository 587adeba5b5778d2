"""AMQP 0-9-1: streams, and topics with several partitions as super streams."""
from __future__ import annotations

import datetime
import time

import pytest
from pika import BasicProperties
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker, UnroutableError

import amqp
import native
from cli import cola
from test_amqp_exchanges import refused

STREAM = {"x-queue-type": "stream"}

#: What RabbitMQ does not have.
cola_alone = pytest.mark.skipif(amqp.elsewhere() is not None, reason="only Cola does this")


def murmur2(key: bytes) -> int:
    """The hash of Kafka's producers, without its sign."""
    mask, factor = 0xFFFFFFFF, 0x5BD1E995
    found = (0x9747B28C ^ len(key)) & mask
    for start in range(0, len(key) - 3, 4):
        word = int.from_bytes(key[start:start + 4], "little") * factor & mask
        word = (word ^ word >> 24) * factor & mask
        found = found * factor & mask ^ word
    rest = key[len(key) - len(key) % 4:]
    if rest:
        found = (found ^ int.from_bytes(rest, "little")) * factor & mask
    found = (found ^ found >> 13) * factor & mask
    return (found ^ found >> 15) & 0x7FFFFFFF


def read(client, name, count, offset="first", prefetch=100, **arguments):
    """The next messages of a stream, acknowledged, from there on."""
    channel = client.channel()
    channel.basic_qos(prefetch_count=prefetch)
    found = []
    for method, properties, body in channel.consume(
            name, arguments={"x-stream-offset": offset, **arguments}, inactivity_timeout=10):
        assert method, "only %d messages came of %s" % (len(found), name)
        found.append(amqp.Delivery(method, properties, body))
        channel.basic_ack(method.delivery_tag)
        if len(found) == count:
            break
    channel.close()
    return found


def bodies(client, *arguments, **options):
    return b" ".join(delivery.body for delivery in read(client, *arguments, **options))


def connection_refused(client, call, *arguments, **options):
    with pytest.raises(ConnectionClosedByBroker) as refusal:
        call(*arguments, **options)
    assert not client.is_open or not client.process_data_events(0)
    return refusal.value.reply_code, refusal.value.reply_text


@pytest.fixture
def stream(client, channel):
    """A stream with the messages 0 to 4."""
    name = amqp.unique("stream")
    channel.queue_declare(name, durable=True, arguments=STREAM)
    channel.confirm_delivery()
    for number in range(5):
        channel.basic_publish("", name, b"%d" % number)
    yield name
    if client.is_open:
        client.channel().queue_delete(name)


@pytest.fixture
def topic(shared_broker, connection):
    """A topic with three partitions."""
    name = amqp.unique("topic")
    connection.ok("declare topic %s partitions=3" % name)
    yield name
    connection.call("delete topic %s" % name)


# Streams, as at RabbitMQ


@pytest.mark.parametrize("acknowledges, prefetch, for_all, code, words", [
    (False, 10, False, 540, "automatic acknowledgement not supported by stream queues queue"),
    (False, None, False, 406, "consumer prefetch count is not set for 'queue"),
    (True, None, False, 406, "consumer prefetch count is not set for 'queue"),
    (True, 10, True, 406, "consumer prefetch count is not set for 'queue"),
])
def test_a_reader_of_a_stream_has_a_prefetch_and_acknowledges(
        client, stream, acknowledges, prefetch, for_all, code, words):
    channel = client.channel()
    if prefetch:
        channel.basic_qos(prefetch_count=prefetch, global_qos=for_all)
    with pytest.raises((ChannelClosedByBroker, ConnectionClosedByBroker)) as refusal:
        channel.basic_consume(stream, lambda *_: None, auto_ack=not acknowledges)
    assert refusal.value.reply_code == code and words in refusal.value.reply_text, refusal.value
    assert "'%s' in vhost '/'" % stream in refusal.value.reply_text


def test_a_prefetch_of_all_consumers_together_is_not_for_streams(client, stream):
    channel = client.channel()
    channel.basic_qos(prefetch_count=10)
    channel.basic_qos(prefetch_count=20, global_qos=True)
    assert connection_refused(client, channel.basic_consume, stream, lambda *_: None) == (
        540, "NOT_IMPLEMENTED - queue '%s' in vhost '/' does not support global qos" % stream)


@pytest.mark.parametrize("method, call", [
    ("basic.get", lambda channel, name: channel.basic_get(name)),
    ("basic.get", lambda channel, name: channel.basic_get(name, auto_ack=True)),
    ("queue.purge", lambda channel, name: channel.queue_purge(name)),
])
def test_a_stream_keeps_its_messages(client, stream, method, call):
    assert connection_refused(client, call, client.channel(), stream) == (
        540, "NOT_IMPLEMENTED - %s not supported by stream queues queue '%s' in vhost '/'" % (method, stream))


@pytest.mark.parametrize("property, options", [
    ("non-durable", {}), ("auto-delete", {"durable": True, "auto_delete": True}),
    ("exclusive-owner", {"durable": True, "exclusive": True})])
def test_a_stream_outlives_its_connection(client, property, options):
    name = amqp.unique("stream")
    assert refused(406, client.channel().queue_declare, name, arguments=STREAM, **options) == (
        "PRECONDITION_FAILED - invalid property '%s' for queue '%s' in vhost '/'" % (property, name))


def test_arguments_of_streams_are_not_for_queues_and_the_other_way_round(client, channel, stream):
    queue = channel.queue_declare("", exclusive=True).method.queue
    assert refused(
        406, client.channel().basic_consume, queue, lambda *_: None, arguments={"x-stream-offset": "first"}) == (
        "PRECONDITION_FAILED - invalid arg 'x-stream-offset' for queue '%s' in vhost '/' of queue type "
        "rabbit_classic_queue" % queue)
    other = client.channel()
    other.basic_qos(prefetch_count=1)
    assert refused(406, other.basic_consume, stream, lambda *_: None, arguments={"x-priority": 1}) == (
        "PRECONDITION_FAILED - invalid arg 'x-priority' for queue '%s' in vhost '/' of queue type "
        "rabbit_stream_queue" % stream)


def test_a_reader_may_wait_for_what_is_still_to_come(client, channel, stream):
    other = client.channel()
    other.basic_qos(prefetch_count=10)
    readers = [
        amqp.Collector(other, stream, arguments=arguments)
        for arguments in ({"x-stream-offset": 5}, {"x-stream-offset": "next"}, None, {"x-stream-offset": 7})]
    for body in (b"5", b"6", b"7"):
        channel.basic_publish("", stream, body)
    for reader in readers[:3]:
        assert [delivery.properties.headers["x-stream-offset"] for delivery in reader.wait(3)] == [5, 6, 7]
    (delivery,) = readers[3].wait(1)
    assert delivery.body == b"7" and delivery.properties.headers == {"x-stream-offset": 7}
    assert bodies(client, stream, 8, offset=-3) == b"0 1 2 3 4 5 6 7"


def test_a_super_stream_as_spring_declares_it(client, channel):
    name = amqp.unique("spring")
    channel.exchange_declare(name, "direct", durable=True, arguments={"x-super-stream": True})
    channel.exchange_declare(name, "direct", durable=True, arguments={"x-super-stream": True})
    channel.confirm_delivery()
    for number in range(3):
        stream = "%s-%d" % (name, number)
        channel.queue_declare(stream, durable=True, arguments=STREAM)
        channel.queue_bind(stream, name, str(number), {"x-stream-partition-order": number})
    for number in range(9):
        channel.basic_publish(name, str(number % 3), b"%d" % number, mandatory=True)
    for number in range(3):
        found = read(client, "%s-%d" % (name, number), 3)
        assert [delivery.body for delivery in found] == [b"%d" % (number + 3 * turn) for turn in range(3)]
        assert [delivery.properties.headers["x-stream-offset"] for delivery in found] == [0, 1, 2]
        assert {(delivery.method.exchange, delivery.method.routing_key) for delivery in found} == {(name, str(number))}
    for number in range(3):
        channel.queue_delete("%s-%d" % (name, number))
    channel.exchange_delete(name)


# The exchange type


@cola_alone
def test_the_exchange_type_hashes_as_rabbitmqs_stream_clients_do(client, channel):
    name = amqp.unique("super")
    channel.exchange_declare(name, "x-super-stream", durable=True)
    assert "must be an integer" in refused(406, client.channel().queue_bind, channel.queue_declare(
        "", exclusive=True).method.queue, name, "amer")
    for number in range(3):
        stream = "%s-%d" % (name, number)
        channel.queue_declare(stream, durable=True, arguments=STREAM)
        channel.queue_bind(stream, name, str(number), {"x-stream-partition-order": number})
    channel.confirm_delivery()
    # Their hashes by Python's mmh3, seed 104729, are 0x4ec83379, 0x9fc44bdc, 0x17c238a8, 0x40c5855a and 0xcbf34fec.
    for key, number in [("hello", 0), ("invoice-17", 2), ("ab", 0), ("a", 1), ("abcd", 2)]:
        channel.basic_publish(name, key, key.encode(), mandatory=True)
    assert bodies(client, name + "-0", 2) == b"hello ab"
    assert bodies(client, name + "-1", 1) == b"a"
    assert bodies(client, name + "-2", 2) == b"invoice-17 abcd"


# Topics with several partitions


@cola_alone
def test_a_key_is_in_one_partition_whatever_the_protocol(client, channel, connection, topic):
    channel.exchange_declare(topic, passive=True)
    channel.confirm_delivery()
    keys = ["key %d" % number for number in range(20)]
    for key in keys:
        channel.basic_publish(topic, key, b"amqp " + key.encode(), BasicProperties(app_id="a"), mandatory=True)
        connection.ok("pub %s %d key=%s" % (topic, len(key), native.escape(key)), key.encode())
    for number in range(3):
        name = "%s-%d" % (topic, number)
        here = [key for key in keys if murmur2(key.encode()) % 3 == number]
        assert len(here) > 1
        declared = channel.queue_declare(name, passive=True).method
        assert (declared.queue, declared.message_count, declared.consumer_count) == (name, 2 * len(here), 0)
        found = read(client, name, 2 * len(here))
        assert [delivery.body.decode() for delivery in found] == [
            text for key in here for text in ("amqp " + key, key)]
        assert [delivery.properties.headers["x-stream-offset"] for delivery in found] == list(range(2 * len(here)))
        for delivery, key in zip(found[::2], here):
            assert (delivery.method.exchange, delivery.method.routing_key) == (topic, key)
            assert delivery.properties.app_id == "a" and not delivery.method.redelivered
        connection.ok("consume %s c=%d prefetch=100 from=first partitions=%d ack=auto" % (topic, number + 1, number))
        records = connection.collect(2 * len(here))
        assert [record.body.decode() for record in records] == [delivery.body.decode() for delivery in found]
        assert [record.key for record in records] == [key for key in here for _ in range(2)]


@cola_alone
def test_a_partition_is_reached_by_its_name(client, channel, topic):
    channel.confirm_delivery()
    channel.basic_publish("", topic + "-2", b"one", mandatory=True)
    channel.basic_publish("", topic + "-2", b"copied", BasicProperties(headers={"CC": [topic + "-0"]}))
    for name in ("-3", "-02", "-", "--1", "-+1", "-1-0", "-x"):
        with pytest.raises(UnroutableError):
            channel.basic_publish("", topic + name, b"lost", mandatory=True)
        refused(404, client.channel().queue_declare, topic + name, passive=True)
    found = read(client, topic + "-2", 2)
    assert [(delivery.body, delivery.method.exchange, delivery.method.routing_key) for delivery in found] == [
        (b"one", "", topic + "-2"), (b"copied", "", topic + "-2")]
    assert bodies(client, topic + "-0", 1) == b"copied"
    assert [amqp.count(channel, "%s-%d" % (topic, number)) for number in range(3)] == [1, 0, 2]


@cola_alone
def test_a_transaction_puts_into_partitions(client, channel, topic):
    channel.tx_select()
    channel.basic_publish(topic, "key", b"by the key")
    channel.basic_publish("", topic + "-1", b"by the name")
    channel.tx_rollback()
    for body in (b"1", b"2"):
        channel.basic_publish("", topic + "-1", body)
    channel.tx_commit()
    assert bodies(client, topic + "-1", 2) == b"1 2"


@cola_alone
def test_dead_letters_go_to_the_partition_of_their_key(client, channel, topic):
    queue = channel.queue_declare(
        "", exclusive=True,
        arguments={"x-dead-letter-exchange": topic, "x-dead-letter-routing-key": "key 7"}).method.queue
    channel.basic_publish("", queue, b"dead")
    method, _, _ = amqp.get(channel, queue)
    channel.basic_reject(method.delivery_tag, requeue=False)
    (letter,) = read(client, "%s-%d" % (topic, murmur2(b"key 7") % 3), 1)
    assert letter.body == b"dead" and letter.properties.headers["x-death"][0]["queue"] == queue


@cola_alone
def test_a_partition_is_read_from_where_a_consumer_says(client, channel, topic):
    name = topic + "-1"
    channel.confirm_delivery()
    for number in range(5):
        channel.basic_publish("", topic + "-0", b"other")
        channel.basic_publish("", name, b"%d" % number)
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    for offset, expected in [
            ("first", b"0 1 2 3 4"), (3, b"3 4"), ("last", b"4"), ("1h", b"0 1 2 3 4"),
            (now - datetime.timedelta(hours=1), b"0 1 2 3 4")]:
        assert bodies(client, name, len(expected.split()), offset) == expected, offset
    later = client.channel()
    later.basic_qos(prefetch_count=1)
    readers = [amqp.Collector(later, name, arguments={"x-stream-offset": offset}) for offset in ("next", 5)]
    assert channel.queue_declare(name, passive=True).method.consumer_count == 2
    assert channel.queue_declare(topic + "-0", passive=True).method.consumer_count == 0
    channel.basic_publish("", topic + "-0", b"other")
    channel.basic_publish("", name, b"5")
    assert [reader.wait(1)[0].body for reader in readers] == [b"5"] * 2
    channel.basic_publish("", name, b"6")
    assert all(reader.bodies == [b"5"] for reader in readers)
    for reader in readers:
        later.basic_ack(reader.deliveries[0].method.delivery_tag)
        assert reader.wait(2)[1].properties.headers == {"x-stream-offset": 6}


@cola_alone
def test_what_is_declared_again_is_the_same(client, channel, topic):
    assert channel.queue_declare(topic + "-1", durable=True, arguments=STREAM).method.message_count == 0
    channel.exchange_declare(topic, "x-super-stream", durable=True)
    for number in range(3):
        channel.queue_bind("%s-%d" % (topic, number), topic, str(number))
    for options in ({"durable": True}, {"durable": True, "arguments": {**STREAM, "x-max-age": "1D"}}, {}):
        assert topic + "-1" in refused(406, client.channel().queue_declare, topic + "-1", **options)
    assert "received 'direct' but current is 'x-super-stream'" in refused(
        406, client.channel().exchange_declare, topic, "direct", durable=True)
    refused(406, client.channel().exchange_declare, topic, "x-super-stream")


@cola_alone
def test_a_part_is_not_deleted_or_bound_alone(client, channel, topic):
    advice = "cola delete topic %s" % topic
    assert advice in refused(406, client.channel().queue_delete, topic + "-1")
    assert advice in refused(406, client.channel().exchange_delete, topic)
    queue = channel.queue_declare("", exclusive=True).method.queue
    for source, destination, key in [
            (topic, queue, "0"), (topic, topic + "-1", "0"), ("amq.direct", topic + "-1", "k")]:
        assert topic in refused(406, client.channel().queue_bind, destination, source, key)
    assert topic in refused(406, client.channel().queue_unbind, topic + "-1", topic, "1")
    assert "bind it as a queue" in refused(406, client.channel().exchange_bind, topic, "amq.fanout")
    refused(406, client.channel().exchange_bind, "amq.fanout", topic)
    code, text = connection_refused(client, client.channel().basic_get, topic + "-1")
    assert code == 540 and "basic.get not supported" in text


@cola_alone
def test_nothing_else_has_these_names(client, channel, connection, topic, shared_broker):
    for line in ("declare queue %s-1", "declare topic %s-1", "declare topic %s-2 partitions=2",
                 "declare exchange %s type=direct"):
        assert connection.call(line % topic).code == "mismatch", line
    connection.ok("declare queue %s-3" % topic)
    assert connection.call("delete queue %s-1" % topic).code == "mismatch"
    cola("delete", "topic", topic + "-1", url=shared_broker.unix).fails(1, "cola delete topic %s`" % topic)
    other = amqp.unique("other")
    channel.queue_declare(other + "-1", durable=True)
    answer = connection.call("declare topic %s partitions=2" % other)
    assert (answer.code, "queue" in answer.sentence) == ("mismatch", True)
    connection.ok("declare topic %s" % other)  # one partition has no other name
    connection.ok("delete topic %s" % other)
    channel.queue_delete(other + "-1")
    channel.exchange_declare(other, "fanout")
    assert "exchange" in connection.call("declare topic %s partitions=2" % other).sentence
    channel.exchange_delete(other)
    connection.ok("declare topic %s partitions=2" % other)


@cola_alone
def test_a_client_of_amqp_makes_a_topic_with_partitions(client, channel, connection):
    name = amqp.unique("made")
    arguments = {"x-partitions": 4, "x-max-age": "7D"}
    for _ in range(2):
        channel.exchange_declare(name, "x-super-stream", durable=True, arguments=arguments)
    row = connection.ok("describe topic %s" % name).json()
    assert row["partitions"] == 4 and row["effective"] == {"retention-ms": "604800000"}
    channel.queue_declare(name + "-3", durable=True, arguments={**STREAM, "x-max-age": "7D"})
    for wrong in ({"x-partitions": 1}, {"x-partitions": "4"}, {"x-partitions": 3}, {"x-partitions": 4},
                  {"x-partitions": 2_000}, {**arguments, "x-message-ttl": 1}):
        refused(406, client.channel().exchange_declare, name, "x-super-stream", durable=True, arguments=wrong)
    assert "durable=true" in refused(
        406, client.channel().exchange_declare, name, "x-super-stream", arguments=arguments)
    channel.queue_delete(name)
    refused(404, client.channel().exchange_declare, name, passive=True)


@cola_alone
def test_readers_hear_of_the_end_of_their_topic(client, channel, connection, topic):
    channel.basic_qos(prefetch_count=1)
    cancelled = []
    channel.add_on_cancel_callback(cancelled.append)
    channel.basic_consume(topic + "-2", lambda *_: None)
    connection.ok("delete topic %s" % topic)
    assert amqp.wait_for(lambda: client.process_data_events(0.01) or cancelled)


@cola_alone
def test_permissions_are_those_of_the_topic(connection, amqp_address, topic):
    user = amqp.unique("user")
    connection.ok("user %s password=x" % user)
    connection.ok("permit %s configure=^$ write=^$ read=^%s$" % (user, topic))

    def channel():
        return amqp.connect(amqp_address, credentials=amqp.pika.PlainCredentials(user, "x")).channel()

    reader = channel()
    reader.basic_qos(prefetch_count=1)
    reader.basic_consume(topic + "-1", lambda *_: None)
    reader.connection.close()
    writer = channel()
    writer.basic_publish(topic, "key", b"no")
    assert topic in refused(403, writer.queue_declare, topic, passive=True)
    writer.connection.close()
    connection.ok("permit %s configure=^$ write=^%s$ read=^%s-1$" % (user, topic, topic))
    writer = channel()
    writer.confirm_delivery()
    writer.basic_publish(topic, "key", b"yes", mandatory=True)
    writer.basic_qos(prefetch_count=1)
    text = refused(403, writer.basic_consume, topic + "-1", lambda *_: None)
    assert "'%s'" % topic in text
    writer.connection.close()
    connection.ok("delete user %s" % user)


@cola_alone
def test_names_are_there_after_a_restart(new_broker):
    broker = new_broker()
    broker.start()
    with native.Connection(broker.unix) as connection:
        connection.ok("declare topic logins partitions=2")
    client = amqp.connect(amqp.address(broker.amqp))
    channel = client.channel()
    channel.confirm_delivery()
    channel.basic_publish("", "logins-1", b"before")
    client.close()
    broker.kill()
    broker.start()
    client = amqp.connect(amqp.address(broker.amqp))
    channel = client.channel()
    channel.confirm_delivery()
    channel.basic_publish("", "logins-1", b"after")
    assert bodies(client, "logins-1", 2) == b"before after"
    client.close()


# Filters


def publish_filtered(channel, name, values, exchange=""):
    """One message for each, which has its number as the body; None is no value."""
    channel.confirm_delivery()
    for number, value in enumerate(values):
        headers = {"n": number} if value is None else {"x-stream-filter-value": value}
        channel.basic_publish(exchange, name, b"%d" % number, BasicProperties(headers=headers))


@cola_alone
@pytest.mark.parametrize("arguments, expected", [
    ({"x-stream-filter": "eu"}, b"0 3 6 9"),
    ({"x-stream-filter": ["eu", "us"]}, b"0 1 3 4 6 7 9 10"),
    ({"x-stream-filter": "us", "x-stream-match-unfiltered": True}, b"1 2 4 5 7 8 10 11"),
    ({"x-stream-match-unfiltered": True}, b"0 1 2 3 4 5 6 7 8 9 10 11"),
    ({"x-stream-filter": ["%d" % number for number in range(3_000)] + ["us", "z", "e", "euu", ""]}, b"1 4 7 10"),
])
@pytest.mark.parametrize("prefetch", [1, 3, 100])
def test_a_filter_lets_through_what_matches_and_nothing_else(client, channel, arguments, expected, prefetch):
    name = amqp.unique("filtered")
    channel.queue_declare(name, durable=True, arguments=STREAM)
    publish_filtered(channel, name, ["eu", "us", None] * 4)
    found = read(client, name, len(expected.split()), prefetch=prefetch, **arguments)
    assert b" ".join(delivery.body for delivery in found) == expected
    for delivery in found:
        assert delivery.properties.headers["x-stream-offset"] == int(delivery.body)
    later = client.channel()
    later.basic_qos(prefetch_count=prefetch)
    reader = amqp.Collector(later, name, arguments={"x-stream-offset": "first", **arguments})
    reader.wait(min(prefetch, len(expected.split())))
    assert reader.settle_down() == reader.deliveries[:prefetch]
    assert reader.bodies == expected.split()[:prefetch]
    channel.queue_delete(name)


@cola_alone
def test_a_filter_reads_a_long_stream_without_holding_up_others(client, channel, connection, topic):
    name = topic + "-0"
    header = "h.x-stream-filter-value"
    body = b"x" * 200
    for start in range(30):
        lines = b"".join(
            b"pub %s 200 %s=other t=%d\n%s\n" % (name.encode(), header.encode(), number, body)
            for number in range(start * 1_000 + 1, start * 1_000 + 1_001))
        connection.send_bytes(lines)
    connection.ok("pub %s 4 %s=mine" % (name, header), b"here")
    channel.basic_qos(prefetch_count=1)
    reader = amqp.Collector(
        channel, name, arguments={"x-stream-offset": "first", "x-stream-filter": "mine"})
    connection.ok("pub %s-1 4" % topic, b"none")
    (delivery,) = reader.wait(1, seconds=30)
    assert delivery.body == b"here" and delivery.properties.headers["x-stream-offset"] == 30_000
    assert delivery.properties.headers["x-stream-filter-value"] == "mine"


@cola_alone
def test_filters_of_a_super_stream(client, channel, topic):
    publish_filtered(channel, "key", ["eu", "us", None] * 3, exchange=topic)
    name = "%s-%d" % (topic, murmur2(b"key") % 3)
    assert bodies(client, name, 3, **{"x-stream-filter": "us"}) == b"1 4 7"
    assert bodies(client, name, 1, offset=5, **{"x-stream-filter": "us"}) == b"7"


@cola_alone
def test_a_queue_has_no_filter(client, channel):
    queue = channel.queue_declare("", exclusive=True).method.queue
    assert refused(406, client.channel().basic_consume, queue, lambda *_: None, arguments={"x-stream-filter": "a"}) == (
        "PRECONDITION_FAILED - invalid arg 'x-stream-filter' for queue '%s' in vhost '/' of queue type "
        "rabbit_classic_queue" % queue)
    other = client.channel()
    other.basic_qos(prefetch_count=1)
    text = refused(406, other.basic_consume, queue, lambda *_: None, arguments={"x-stream-filter": 5})
    assert "x-stream-filter" in text
