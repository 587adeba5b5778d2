"""AMQP 0-9-1: publishing, confirms, returns, transactions, and what a message is made of."""
from __future__ import annotations

import decimal
import os
import threading
import time
from datetime import datetime, timezone

import pytest
from pika import BasicProperties, spec
from pika.exceptions import ChannelClosedByBroker, NackError, UnroutableError

import amqp
from amqp import Wire

@pytest.fixture
def queue(channel):
    return channel.queue_declare("", exclusive=True).method.queue


def declared(wire, **arguments):
    """A queue of this connection's own."""
    return wire.call(spec.Queue.Declare(queue="", exclusive=True, arguments=arguments), spec.Queue.DeclareOk).queue


def confirms(wire, count):
    """The next so many confirmed or refused publishes, in their order: number and whether it was confirmed."""
    found = {}
    while len(found) < count:
        frame = wire.frame()
        kind = frame.method
        assert isinstance(kind, (spec.Basic.Ack, spec.Basic.Nack)), frame
        first = max(found, default=0) + 1 if kind.multiple else kind.delivery_tag
        for number in range(first, kind.delivery_tag + 1):
            assert number not in found, "confirmed twice: %d" % number
            found[number] = isinstance(kind, spec.Basic.Ack)
    return found


# Confirms


def test_confirms_are_numbered_by_channel(wire):
    queue = declared(wire)
    wire.publish(b"before", key=queue)  # nobody asked for this one
    wire.call(spec.Confirm.Select(), spec.Confirm.SelectOk)
    wire.publish(b"1", key=queue)
    assert wire.expect(spec.Basic.Ack).delivery_tag == 1
    wire.call(spec.Confirm.Select(), spec.Confirm.SelectOk)  # again: the numbers go on
    wire.publish(b"2", key=queue)
    assert wire.expect(spec.Basic.Ack).delivery_tag == 2
    wire.open(2)
    wire.call(spec.Confirm.Select(), spec.Confirm.SelectOk, 2)
    wire.publish(b"1", key=queue, channel=2)
    assert wire.expect(spec.Basic.Ack, 2).delivery_tag == 1


def test_a_thousand_confirms(wire):
    queue = declared(wire)
    wire.call(spec.Confirm.Select(), spec.Confirm.SelectOk)
    wire.send_bytes(b"".join(amqp.published(b"%d" % n, key=queue) for n in range(1000)))
    assert confirms(wire, 1000) == {n + 1: True for n in range(1000)}
    assert wire.call(spec.Queue.Declare(queue=queue, passive=True), spec.Queue.DeclareOk).message_count == 1000


def test_what_leads_nowhere_is_confirmed(wire):
    wire.call(spec.Confirm.Select(), spec.Confirm.SelectOk)
    wire.publish(b"x", key="nobody-has-this")
    assert wire.expect(spec.Basic.Ack).delivery_tag == 1


@pytest.mark.parametrize("mode", [1, 2])
@pytest.mark.parametrize("durable", [True, False])
def test_confirms_of_every_durability(channel, mode, durable):
    name = amqp.unique("confirmed")
    channel.queue_declare(name, durable=durable)
    channel.confirm_delivery()
    for n in range(3):
        channel.basic_publish("", name, b"%d" % n, BasicProperties(delivery_mode=mode))
    assert amqp.drain(channel, name) == [b"0", b"1", b"2"]
    channel.queue_delete(name)


def test_a_full_queue_refuses(wire):
    queue = declared(wire, **{"x-max-length": 3, "x-overflow": "reject-publish"})
    wire.call(spec.Confirm.Select(), spec.Confirm.SelectOk)
    outcome = {}
    for n in range(5):
        wire.publish(b"%d" % n, key=queue)
        answer = wire.frame().method
        outcome[answer.delivery_tag] = isinstance(answer, spec.Basic.Ack)
    assert outcome == {1: True, 2: True, 3: True, 4: False, 5: False}
    assert wire.call(spec.Basic.Get(queue=queue, no_ack=True), spec.Basic.GetOk).message_count == 2
    wire.content()
    wire.publish(b"5", key=queue)
    assert wire.expect(spec.Basic.Ack).delivery_tag == 6


def test_a_full_queue_refuses_in_pika(channel):
    name = channel.queue_declare("", exclusive=True, arguments={
        "x-max-length-bytes": 10_000, "x-overflow": "reject-publish"}).method.queue
    channel.confirm_delivery()
    channel.basic_publish("", name, b"x" * 9_000)
    with pytest.raises(NackError):
        for _ in range(3):
            channel.basic_publish("", name, b"x" * 9_000)


# Returns


def test_mandatory(wire):
    body = b"returned" * 40_000
    wire.call(spec.Confirm.Select(), spec.Confirm.SelectOk)
    wire.publish(body, "amq.topic", "nobody.has.this", mandatory=True, message_id="m", headers={"a": 1})
    returned = wire.expect(spec.Basic.Return)
    assert (returned.reply_code, returned.reply_text) == (312, "NO_ROUTE")
    assert (returned.exchange, returned.routing_key) == ("amq.topic", "nobody.has.this")
    properties, received, _ = wire.content()
    assert received == body
    assert (properties.message_id, properties.headers) == ("m", {"a": 1})
    # First the message, then its confirm.
    assert wire.expect(spec.Basic.Ack).delivery_tag == 1


def test_each_return_is_followed_by_its_confirm(wire):
    """Also where publishes come in one piece: who counts confirms, or takes the next one for the message that came
    back, is right."""
    queue = declared(wire)
    wire.call(spec.Confirm.Select(), spec.Confirm.SelectOk)
    wire.send_bytes(b"".join(
        amqp.published(b"%d" % n, key=key, mandatory=True)
        for n, key in enumerate(["nobody-has-this", "nobody-has-this", queue, "nobody-has-this"], 1)))
    returned = {}
    while len(returned) < 3:
        method = wire.frame().method
        if isinstance(method, spec.Basic.Return):
            body = wire.content()[1]
            ack = wire.expect(spec.Basic.Ack)
            returned[body] = (ack.delivery_tag, ack.multiple)
    assert returned == {b"1": (1, False), b"2": (2, False), b"4": (4, False)}


def test_mandatory_without_confirms(wire):
    wire.publish(b"x", key="nobody-has-this", mandatory=True)
    wire.expect(spec.Basic.Return)
    assert wire.content()[1] == b"x"
    queue = declared(wire)
    wire.publish(b"y", key=queue, mandatory=True)
    wire.silence()


def test_mandatory_in_pika(channel, queue):
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"x", mandatory=True)
    with pytest.raises(UnroutableError) as unroutable:
        channel.basic_publish("", "nobody-has-this", b"x", mandatory=True)
    assert unroutable.value.messages[0].body == b"x"


def test_a_missing_exchange_ends_the_channel(client, channel):
    channel.confirm_delivery()
    with pytest.raises(ChannelClosedByBroker) as refusal:
        channel.basic_publish("no-such-exchange", "k", b"x")
    assert refusal.value.reply_code == 404
    assert client.channel().is_open


def test_what_follows_on_a_channel_that_failed_is_dropped(wire):
    queue = declared(wire)
    wire.open(2)
    wire.publish(b"before", key=queue, channel=2)
    wire.publish(b"x", "no-such-exchange", channel=2)
    wire.publish(b"after", key=queue, channel=2)
    assert wire.expect(spec.Channel.Close, 2).reply_code == 404
    wire.publish(b"later", key=queue, channel=2)
    wire.send(spec.Channel.CloseOk(), 2)
    assert wire.call(spec.Queue.Declare(queue=queue, passive=True), spec.Queue.DeclareOk).message_count <= 2
    wire.call(spec.Basic.Get(queue=queue, no_ack=True), spec.Basic.GetOk)
    assert wire.content()[1] == b"before"


# What a message is made of


EVERY = BasicProperties(
    content_type="text/plain", content_encoding="utf-8", delivery_mode=2, priority=7, correlation_id="c",
    reply_to="r", expiration="60000", message_id="m", timestamp=1_700_000_000, type="t", user_id="guest", app_id="a",
    cluster_id="cl")


def test_every_property(channel, queue):
    channel.basic_publish("", queue, b"x", EVERY)
    method, properties, _ = amqp.get(channel, queue)
    assert vars(properties) == vars(EVERY)
    channel.basic_nack(method.delivery_tag)
    again = amqp.get(channel, queue)[1]
    assert vars(again) == vars(EVERY)


def test_no_property(channel, queue):
    channel.basic_publish("", queue, b"x")
    assert all(value is None for value in vars(amqp.get(channel, queue)[1]).values())


def test_headers_of_every_type(channel, queue):
    headers = {
        "text": "ü", "empty": "", "number": 5, "negative": -5, "large": 1 << 40, "true": True, "false": False,
        "none": None, "decimal": decimal.Decimal("3.14"), "time": datetime(2026, 1, 1, tzinfo=timezone.utc),
        "list": [1, "two", [3, None], {"four": 4}], "table": {"a": {"b": {"c": []}}}, "x" * 128: "a long name",
        "bytes": b"\x00\xff\xfe"}
    channel.basic_publish("", queue, b"x", BasicProperties(headers=headers))
    received = amqp.get(channel, queue)[1].headers
    expected = dict(headers)
    found = received.pop("time")
    assert found.replace(tzinfo=timezone.utc) == expected.pop("time")
    assert received == expected
    assert list(received) == [name for name in headers if name != "time"]


FIELDS = b"".join((
    b"\x01sS\0\0\0\x02hi", b"\x01bb\xff", b"\x01BB\xff", b"\x01us\xff\xfe", b"\x01iI\xff\xff\xff\xfe",
    b"\x01ll\xff\xff\xff\xff\xff\xff\xff\xfb", b"\x01ff\x3f\xc0\0\0", b"\x01dd\x40\x09\x21\xfb\x54\x44\x2d\x18",
    b"\x01tt\x01", b"\x01VV", b"\x01xx\0\0\0\x02\xff\0", b"\x01TT\0\0\0\0\x65\x53\xf1\0",
    b"\x01DD\x02\0\0\x01\x3a"))


def test_field_types_that_pika_has_not(wire):
    """Every type goes through as it came, to the byte."""
    queue = declared(wire)
    table = len(FIELDS).to_bytes(4, "big") + FIELDS
    header = b"\0\x3c\0\0" + (1).to_bytes(8, "big") + b"\x20\0" + table
    wire.send_bytes(amqp.marshal(spec.Basic.Publish(exchange="", routing_key=queue))
                    + amqp.raw_frame(2, 1, header) + amqp.raw_frame(3, 1, b"x"))
    wire.send(spec.Basic.Get(queue=queue))
    data = b""
    while not data.endswith(b"x\xce"):
        data += wire.socket.recv(65_536)
    fields = data[data.index(b"\x01sS"):]
    # RabbitMQ writes some kinds of integers as another kind.
    if not amqp.elsewhere():
        assert fields.startswith(FIELDS)
    for part in (b"\x01sS\0\0\0\x02hi", b"\x01tt\x01", b"\x01VV", b"\x01xx\0\0\0\x02\xff\0", b"\x01dd\x40\x09\x21\xfb"):
        assert part in fields, part


@pytest.mark.parametrize("size", [0, 1, 4087, 4088, 4089, 131_064, 131_065, 262_128, 1 << 20, 5_000_000, 70_000_000])
def test_bodies_of_every_size(amqp_address, size):
    body = os.urandom(size)
    with Wire(amqp_address) as wire:
        wire.open()
        queue = declared(wire)
        wire.call(spec.Confirm.Select(), spec.Confirm.SelectOk)
        wire.publish(body, key=queue)
        wire.expect(spec.Basic.Ack)
        wire.call(spec.Basic.Get(queue=queue, no_ack=True), spec.Basic.GetOk)
        assert wire.content()[1] == body


def test_a_body_in_frames_of_no_bytes(wire):
    """An empty body frame says nothing; RabbitMQ sends none for an empty body."""
    queue = declared(wire)
    wire.publish(b"", key=queue)
    wire.call(spec.Basic.Get(queue=queue), spec.Basic.GetOk)
    assert wire.content()[1:] == (b"", [])


def test_contents_of_two_channels_may_be_interleaved(wire):
    queue = declared(wire)
    wire.open(2)
    first = amqp.published(b"a" * 300_000, key=queue)
    second = amqp.published(b"b" * 300_000, key=queue, channel=2)
    frames = [cut(first), cut(second)]
    for pair in zip(*frames):
        wire.send_bytes(b"".join(pair))
    bodies = []
    for _ in range(2):
        wire.call(spec.Basic.Get(queue=queue, no_ack=True), spec.Basic.GetOk)
        bodies.append(wire.content()[1])
    assert sorted(bodies) == [b"a" * 300_000, b"b" * 300_000]


def cut(data):
    """Whole frames."""
    found = []
    while data:
        size = 8 + int.from_bytes(data[3:7], "big")
        found.append(data[:size])
        data = data[size:]
    return found


# Order


def test_order_of_one_channel(channel, queue):
    for n in range(2000):
        channel.basic_publish("", queue, b"%d" % n)
    collector = amqp.Collector(channel, queue, auto_ack=True)
    collector.wait(2000, 20)
    assert collector.bodies == [b"%d" % n for n in range(2000)]


def test_order_is_the_same_in_every_queue(channel):
    queues = [channel.queue_declare("", exclusive=True).method.queue for _ in range(3)]
    exchange = amqp.unique("fan")
    channel.exchange_declare(exchange, "fanout", auto_delete=True)
    for queue in queues:
        channel.queue_bind(queue, exchange)
    for n in range(200):
        channel.basic_publish(exchange, "", b"%d" % n)
    for queue in queues:
        assert amqp.drain(channel, queue) == [b"%d" % n for n in range(200)]


# Transactions


def test_commit(client, channel, queue):
    channel.tx_select()
    channel.basic_publish("", queue, b"1")
    channel.basic_publish("", queue, b"2")
    assert amqp.count(client.channel(), queue) == 0
    channel.tx_commit()
    assert amqp.drain(client.channel(), queue) == [b"1", b"2"]


def test_rollback(client, channel, queue):
    channel.tx_select()
    channel.basic_publish("", queue, b"1")
    channel.tx_rollback()
    channel.basic_publish("", queue, b"2")
    channel.tx_commit()
    assert amqp.drain(client.channel(), queue) == [b"2"]


def test_acknowledgements_belong_to_the_transaction(client, channel, queue):
    other = client.channel()
    for n in range(3):
        other.basic_publish("", queue, b"%d" % n)
    channel.tx_select()
    tags = [amqp.get(channel, queue)[0].delivery_tag for _ in range(3)]
    channel.basic_ack(tags[0])
    channel.basic_nack(tags[1], requeue=True)
    time.sleep(0.1)
    assert amqp.count(other, queue) == 0
    channel.tx_rollback()
    # They are still held, and can be settled again.
    channel.basic_ack(tags[0])
    channel.basic_nack(tags[1], requeue=True)
    channel.tx_commit()
    assert amqp.wait_for(lambda: amqp.count(other, queue) == 1)
    channel.close()  # which gives back the third
    assert sorted(amqp.drain(other, queue)) == [b"1", b"2"]


def test_what_is_given_back_leaves_publishes_of_the_transaction_their_place(client, channel):
    """In a queue that takes one more, whatever is said first."""
    queue = channel.queue_declare(
        "", exclusive=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"}).method.queue
    channel.tx_select()
    channel.basic_publish("", queue, b"1")
    channel.tx_commit()
    channel.basic_nack(amqp.get(channel, queue)[0].delivery_tag, requeue=True)
    channel.basic_publish("", queue, b"2")
    channel.tx_commit()
    assert amqp.drain(client.channel(), queue) == [b"1", b"2"]


def test_all_that_is_held_is_what_was_held_then(client, channel, queue):
    """`ack` of delivery 0 means what was handed out before it, not what comes until the commit."""
    other = client.channel()
    for n in range(4):
        other.basic_publish("", queue, b"%d" % n)
    channel.tx_select()
    tags = [amqp.get(channel, queue)[0].delivery_tag for _ in range(2)]
    # The last one was settled already.
    channel.basic_ack(tags[1])
    channel.basic_ack(0, multiple=True)
    amqp.get(channel, queue)
    amqp.get(channel, queue)
    channel.tx_commit()
    channel.close()
    assert sorted(amqp.drain(other, queue)) == [b"2", b"3"]


def test_nothing_that_is_held_is_all(channel, queue):
    channel.tx_select()
    channel.basic_ack(0, multiple=True)
    channel.basic_publish("", queue, b"x")
    channel.tx_commit()
    channel.basic_nack(0, multiple=True)
    assert amqp.get(channel, queue)[2] == b"x"
    channel.tx_commit()
    channel.basic_recover(requeue=True)
    assert amqp.get(channel, queue)[0].redelivered


SETTLE = {
    "ack": lambda tag: spec.Basic.Ack(delivery_tag=tag),
    "ack multiple": lambda tag: spec.Basic.Ack(delivery_tag=tag, multiple=True),
    "nack": lambda tag: spec.Basic.Nack(delivery_tag=tag),
    "reject": lambda tag: spec.Basic.Reject(delivery_tag=tag),
}


@pytest.mark.parametrize("settle", SETTLE)
def test_a_transaction_takes_only_deliveries_that_there_are(wire, settle):
    """Nobody waits for the commit to hear of it."""
    wire.call(spec.Tx.Select(), spec.Tx.SelectOk)
    wire.send(SETTLE[settle](123456))
    closed = wire.expect(spec.Channel.Close)
    assert (closed.reply_code, closed.reply_text) == (406, "PRECONDITION_FAILED - unknown delivery tag 123456")


@pytest.mark.parametrize("settle", SETTLE)
def test_a_transaction_takes_a_delivery_once(wire, settle):
    wire.call(spec.Tx.Select(), spec.Tx.SelectOk)
    queue = wire.call(spec.Queue.Declare(queue="", exclusive=True), spec.Queue.DeclareOk).queue
    wire.publish(b"x", key=queue)
    wire.call(spec.Tx.Commit(), spec.Tx.CommitOk)
    tag = wire.call(spec.Basic.Get(queue=queue), spec.Basic.GetOk).delivery_tag
    wire.content()
    wire.send(spec.Basic.Ack(delivery_tag=tag))
    # All of nothing is nothing to complain about.
    wire.send(spec.Basic.Ack(delivery_tag=0, multiple=True))
    wire.silence()
    wire.send(SETTLE[settle](tag))
    closed = wire.expect(spec.Channel.Close)
    assert (closed.reply_code, closed.reply_text) == (406, "PRECONDITION_FAILED - unknown delivery tag %d" % tag)


def test_recover_leaves_what_a_transaction_settles(client, channel, queue):
    other = client.channel()
    for n in range(3):
        other.basic_publish("", queue, b"%d" % n)
    channel.tx_select()
    tags = [amqp.get(channel, queue)[0].delivery_tag for _ in range(3)]
    channel.basic_ack(tags[0])
    channel.basic_reject(tags[1])
    channel.basic_recover(requeue=True)
    method, _, body = amqp.get(channel, queue)
    assert (body, method.redelivered) == (b"2", True)
    assert channel.basic_get(queue) == (None, None, None)
    # Then it is as if nobody had settled anything.
    channel.tx_rollback()
    channel.basic_recover(requeue=True)
    assert sorted(amqp.get(channel, queue)[2] for _ in range(3)) == [b"0", b"1", b"2"]
    channel.basic_ack(0, multiple=True)
    channel.basic_recover(requeue=True)
    channel.tx_commit()
    channel.close()
    assert amqp.count(other, queue) == 0


def test_a_channel_that_closes_commits_nothing(client, channel, queue):
    other = client.channel()
    other.tx_select()
    other.basic_publish("", queue, b"1")
    other.close()
    assert amqp.count(channel, queue) == 0


def test_returns_come_with_the_commit(wire):
    wire.call(spec.Tx.Select(), spec.Tx.SelectOk)
    wire.publish(b"x", key="nobody-has-this", mandatory=True)
    wire.silence()
    wire.send(spec.Tx.Commit())
    wire.expect(spec.Basic.Return)
    wire.content()
    wire.expect(spec.Tx.CommitOk)


def test_select_twice(channel):
    channel.tx_select()
    channel.tx_select()
    channel.tx_commit()
    channel.tx_rollback()


# Many at once


def test_publishers_side_by_side(amqp_address, channel):
    name = amqp.unique("many")
    channel.queue_declare(name)

    def publish(number):
        with Wire(amqp_address) as wire:
            wire.open()
            wire.call(spec.Confirm.Select(), spec.Confirm.SelectOk)
            wire.send_bytes(b"".join(amqp.published(b"%d %d" % (number, n), key=name) for n in range(200)))
            if all(confirms(wire, 200).values()):
                done.append(number)

    done = []
    threads = [threading.Thread(target=publish, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(done) == list(range(8))
    bodies = amqp.drain(channel, name)
    for number in range(8):
        assert [body for body in bodies if body.startswith(b"%d " % number)] == [
            b"%d %d" % (number, n) for n in range(200)]
    channel.queue_delete(name)
