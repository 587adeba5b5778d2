"""AMQP 0-9-1: queues, from their declaration to their end."""
from __future__ import annotations

import time

import pytest
from pika.exceptions import ChannelClosedByBroker
from pika import spec

import amqp
from amqp import Wire


@pytest.fixture
def queue(channel):
    """A queue that ends with its connection."""
    name = amqp.unique("q")
    channel.queue_declare(name, exclusive=True)
    return name


def refused(code, call, *arguments, **options):
    with pytest.raises(ChannelClosedByBroker) as refusal:
        call(*arguments, **options)
    assert refusal.value.reply_code == code, refusal.value
    return refusal.value.reply_text


# Declaration


@pytest.mark.parametrize("options", [
    {}, {"durable": True}, {"auto_delete": True}, {"exclusive": True}, {"durable": True, "auto_delete": True},
    {"arguments": {"x-message-ttl": 60_000, "x-expires": 600_000, "x-max-length": 10, "x-max-length-bytes": 1_000_000,
                   "x-overflow": "reject-publish", "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "k",
                   "x-max-priority": 10}},
    {"arguments": {"x-single-active-consumer": True}}, {"arguments": {"x-queue-mode": "lazy"}},
    {"arguments": {"x-queue-type": "classic"}}, {"arguments": {"x-nobody-knows": "this", "n": {"a": [1, None]}}}])
def test_declared_again_as_it_is(client, channel, options):
    name = amqp.unique("again")
    assert channel.queue_declare(name, **options).method.queue == name
    again = client.channel().queue_declare(name, **options).method
    assert (again.queue, again.message_count, again.consumer_count) == (name, 0, 0)
    channel.queue_delete(name)


@pytest.mark.parametrize("first, second, names", [
    ({"durable": True}, {}, "durable"), ({}, {"durable": True}, "durable"),
    ({"auto_delete": True}, {}, "auto_delete"),
    ({"arguments": {"x-message-ttl": 1000}}, {"arguments": {"x-message-ttl": 2000}}, "x-message-ttl"),
    ({"arguments": {"x-message-ttl": 1000}}, {}, "x-message-ttl"),
    ({}, {"arguments": {"x-expires": 100_000}}, "x-expires"),
    ({"arguments": {"x-max-priority": 3}}, {"arguments": {"x-max-priority": 4}}, "x-max-priority"),
    ({"arguments": {"x-max-length": 3}}, {"arguments": {"x-max-length": 4}}, "x-max-length"),
    ({"arguments": {"x-overflow": "drop-head"}}, {"arguments": {"x-overflow": "reject-publish"}}, "x-overflow"),
    ({"arguments": {"x-dead-letter-exchange": "a"}}, {"arguments": {"x-dead-letter-exchange": "b"}},
     "x-dead-letter-exchange"),
    ({"arguments": {"x-single-active-consumer": True}}, {}, "x-single-active-consumer")])
def test_declared_again_differently(client, channel, first, second, names):
    name = amqp.unique("other")
    channel.queue_declare(name, **first)
    text = refused(406, client.channel().queue_declare, name, **second)
    assert "inequivalent arg '%s' for queue '%s'" % (names, name) in text
    client.channel().queue_delete(name)


def test_the_kind_of_a_number_does_not_matter(wire, channel):
    """One client sends a short integer, another a long one."""
    name = amqp.unique("number")
    channel.queue_declare(name, arguments={"x-message-ttl": 60_000})
    table = b"\x0dx-message-ttll" + (60_000).to_bytes(8, "big")
    payload = b"\0\x32\0\x0a\0\0" + bytes([len(name)]) + name.encode() + b"\0" + len(table).to_bytes(4, "big") + table
    wire.send_bytes(amqp.raw_frame(1, 1, payload))
    assert wire.expect(spec.Queue.DeclareOk).queue == name
    channel.queue_delete(name)


def test_passive(client, channel, queue):
    for n in range(3):
        channel.basic_publish("", queue, b"x")
    channel.basic_get(queue)
    found = channel.queue_declare(queue, passive=True).method
    assert (found.queue, found.message_count, found.consumer_count) == (queue, 2, 0)
    # What else is said does not matter.
    channel.queue_declare(queue, passive=True, durable=True, arguments={"x-message-ttl": 5})


def test_consumers_are_counted(client, channel, queue):
    tag = channel.basic_consume(queue, lambda *_: None)
    channel.basic_consume(queue, lambda *_: None)
    assert channel.queue_declare(queue, passive=True).method.consumer_count == 2
    channel.basic_cancel(tag)
    assert channel.queue_declare(queue, passive=True).method.consumer_count == 1


def test_names_of_the_server(channel):
    names = [channel.queue_declare("", exclusive=True).method.queue for _ in range(3)]
    assert len(set(names)) == 3
    assert all(name.startswith("amq.gen-") for name in names)
    assert channel.queue_declare(names[0], passive=True).method.queue == names[0]
    # Only the server chooses such names.
    refused(403, channel.queue_declare, names[0], exclusive=True)


def test_the_queue_declared_last_needs_no_name(wire):
    name = wire.call(spec.Queue.Declare(queue="", exclusive=True), spec.Queue.DeclareOk).queue
    wire.call(spec.Queue.Bind(queue="", exchange="amq.direct", routing_key=""), spec.Queue.BindOk)
    wire.publish(b"x", "amq.direct", name)
    wire.call(spec.Basic.Get(queue=""), spec.Basic.GetOk)
    wire.content()
    wire.call(spec.Queue.Purge(queue=""), spec.Queue.PurgeOk)
    wire.call(spec.Basic.Consume(queue=""), spec.Basic.ConsumeOk)
    wire.call(spec.Queue.Delete(queue=""), spec.Queue.DeleteOk)


def test_the_queue_declared_last_is_meant_before_its_name_is_known(wire):
    """Everything in one write, as clients do that ask for no answers, or do not wait for them."""
    before = amqp.unique("before")
    wire.call(spec.Queue.Declare(queue=before, exclusive=True), spec.Queue.DeclareOk)
    wire.send_bytes(b"".join(amqp.marshal(method) for method in (
        spec.Queue.Declare(queue="", exclusive=True), spec.Queue.Bind(queue="", exchange="amq.direct", routing_key=""),
        spec.Queue.Purge(queue=""), spec.Basic.Get(queue=""), spec.Basic.Consume(queue="", no_ack=True))))
    name = wire.expect(spec.Queue.DeclareOk).queue
    assert name.startswith("amq.gen-")
    wire.expect(spec.Queue.BindOk)
    wire.expect(spec.Queue.PurgeOk)
    wire.expect(spec.Basic.GetEmpty)
    tag = wire.expect(spec.Basic.ConsumeOk).consumer_tag
    wire.publish(b"x", "amq.direct", name)
    wire.publish(b"y", "", before)
    delivered = wire.expect(spec.Basic.Deliver)
    assert (delivered.consumer_tag, delivered.exchange, delivered.routing_key) == (tag, "amq.direct", name)
    assert wire.content()[1] == b"x"
    wire.silence()


def test_the_queue_declared_last_without_an_answer(wire):
    wire.send_bytes(b"".join(amqp.marshal(method) for method in (
        spec.Queue.Declare(queue="", exclusive=True, nowait=True),
        spec.Basic.Consume(queue="", no_ack=True, nowait=True, consumer_tag="c"),
        spec.Queue.Declare(queue="", exclusive=True, nowait=True),
        spec.Queue.Bind(queue="", exchange="amq.direct", routing_key="second", nowait=True))))
    wire.publish(b"x", "amq.direct", "second")
    wire.call(spec.Basic.Get(queue="", no_ack=True), spec.Basic.GetOk)
    assert wire.content()[1] == b"x"


def test_a_queue_that_could_not_be_declared_is_not_the_last(wire):
    name = wire.call(spec.Queue.Declare(queue="", exclusive=True), spec.Queue.DeclareOk).queue
    wire.send_bytes(amqp.marshal(spec.Queue.Declare(queue=name, durable=True, nowait=True))
                    + amqp.marshal(spec.Queue.Purge(queue="")))
    assert wire.expect(spec.Channel.Close).reply_code == 403
    wire.send(spec.Channel.CloseOk())
    wire.open()
    wire.send(spec.Queue.Purge(queue=""))
    assert wire.expect(spec.Channel.Close).reply_code == 404


def test_no_queue_was_declared(wire):
    wire.send_bytes(amqp.marshal(spec.Queue.Declare(queue="", passive=True))
                    + amqp.marshal(spec.Queue.Purge(queue="")))
    refusal = wire.expect(spec.Channel.Close)
    assert (refusal.reply_code, refusal.method_id) == (404, 10), refusal


@pytest.mark.parametrize("name", ["ü" * 127, "with space", "a/b?c#d", "%", "x" * 255, "quote'\"", "."])
def test_any_name(channel, name):
    assert channel.queue_declare(name, exclusive=True).method.queue == name
    channel.basic_publish("", name, b"x")
    assert amqp.get(channel, name)[2] == b"x"


def test_ends_of_lines_are_no_part_of_a_name(client, channel, amqp_address):
    name = amqp.unique("a")
    with Wire(amqp_address) as wire:  # pika waits for an answer with the name that it sent
        wire.open()
        declare = spec.Queue.Declare(queue="%s\r\nb\n" % name, auto_delete=True)
        assert wire.call(declare, spec.Queue.DeclareOk).queue == name + "b"
    channel.queue_declare(name + "b", passive=True)
    channel.exchange_declare("%s\nx" % name, "fanout", auto_delete=True)
    channel.exchange_declare(name + "x", passive=True)
    channel.queue_bind(name + "\nb", "\r%sx" % name, "k")
    channel.basic_publish(name + "x", "", b"1")
    assert amqp.get(channel, name + "b")[2] == b"1"
    channel.queue_unbind(name + "b\n", name + "x\n", "k")
    refused(404, client.channel().exchange_declare, name + "x", passive=True)


# Whose it is, and how long it lives


def test_exclusive(amqp_address, client, channel, queue):
    with_another = amqp.connect(amqp_address)
    channel.queue_bind(queue, "amq.direct", "x")
    for call, options in (("queue_declare", {"passive": True}), ("queue_declare", {"exclusive": True}),
                          ("queue_purge", {}), ("queue_delete", {}), ("basic_get", {}),
                          ("queue_bind", {"exchange": "amq.direct", "routing_key": "x"}),
                          ("queue_unbind", {"exchange": "amq.direct", "routing_key": "x"})):
        refused(405, getattr(with_another.channel(), call), queue, **options)
    # It may be published to, and other channels of its connection may do everything.
    another = with_another.channel()
    another.confirm_delivery()
    another.basic_publish("", queue, b"x", mandatory=True)
    assert amqp.get(client.channel(), queue)[2] == b"x"
    with_another.close()


def test_exclusive_ends_with_its_connection(amqp_address, channel):
    owner = amqp.connect(amqp_address)
    name = amqp.unique("owned")
    owner.channel().queue_declare(name, exclusive=True, durable=True)
    owner.close()
    assert amqp.wait_for(lambda: is_gone(amqp_address, name))
    channel.queue_declare(name, exclusive=True)


def is_gone(address, name):
    connection = amqp.connect(address)
    try:
        connection.channel().queue_declare(name, passive=True)
        return False
    except ChannelClosedByBroker as refusal:
        return refusal.reply_code == 404
    finally:
        connection.close()


def test_auto_delete_ends_with_its_last_consumer(amqp_address, client, channel):
    name = amqp.unique("auto")
    channel.queue_declare(name, auto_delete=True)
    channel.basic_publish("", name, b"x")
    amqp.get(channel, name)  # asking for one is no consuming
    first = channel.basic_consume(name, lambda *_: None)
    second = client.channel()
    second.basic_consume(name, lambda *_: None)
    channel.basic_cancel(first)
    assert not is_gone(amqp_address, name)
    second.close()
    assert amqp.wait_for(lambda: is_gone(amqp_address, name))


def test_expires(amqp_address, channel):
    name = amqp.unique("expires")
    channel.queue_declare(name, arguments={"x-expires": 400})
    for _ in range(4):
        time.sleep(0.2)
        channel.basic_get(name)  # as long as it is used it stays
    tag = channel.basic_consume(name, lambda *_: None)
    time.sleep(0.7)
    channel.basic_cancel(tag)
    time.sleep(0.2)
    assert not is_gone(amqp_address, name)  # to be looked at is to be used as well
    time.sleep(0.9)
    assert is_gone(amqp_address, name)


# Its end, and what is in it


def test_delete(client, channel):
    name = amqp.unique("delete")
    channel.queue_declare(name)
    for _ in range(3):
        channel.basic_publish("", name, b"x")
    channel.basic_get(name)
    assert channel.queue_delete(name).method.message_count == 2
    # Again: it is gone already, which is no error.
    assert channel.queue_delete(name).method.message_count == 0
    refused(404, channel.queue_declare, name, passive=True)


def test_delete_if_unused(client, channel):
    name = amqp.unique("unused")
    channel.queue_declare(name)
    tag = channel.basic_consume(name, lambda *_: None)
    refused(406, client.channel().queue_delete, name, if_unused=True)
    channel.basic_cancel(tag)
    channel.queue_delete(name, if_unused=True)


def test_delete_if_empty(client, channel):
    name = amqp.unique("empty")
    channel.queue_declare(name)
    channel.basic_publish("", name, b"x")
    refused(406, client.channel().queue_delete, name, if_empty=True)
    amqp.get(channel, name, auto_ack=True)
    channel.queue_delete(name, if_empty=True)


def test_delete_cancels_consumers(client, channel):
    name = amqp.unique("cancelled")
    channel.queue_declare(name)
    cancelled = []
    channel.add_on_cancel_callback(lambda frame: cancelled.append(frame.method.consumer_tag))
    tag = channel.basic_consume(name, lambda *_: None)
    client.channel().queue_delete(name)
    assert amqp.wait_for(lambda: client.process_data_events(0.01) or cancelled)
    assert cancelled == [tag]


def test_a_client_that_knows_no_cancel_gets_none(amqp_address, channel):
    name = amqp.unique("silent")
    channel.queue_declare(name)
    with amqp.Wire(amqp_address, login=False) as wire:
        wire.log_in(properties={"product": "old"})
        wire.tune()
        wire.send(spec.Connection.Open("/"), 0)
        wire.expect(spec.Connection.OpenOk, 0)
        wire.open()
        wire.call(spec.Basic.Consume(queue=name), spec.Basic.ConsumeOk)
        channel.queue_delete(name)
        wire.silence()


def test_purge(channel, queue):
    for _ in range(5):
        channel.basic_publish("", queue, b"x")
    channel.basic_get(queue)
    # What somebody holds stays with them.
    assert channel.queue_purge(queue).method.message_count == 4
    assert amqp.count(channel, queue) == 0
    channel.basic_recover(requeue=True)
    assert amqp.count(channel, queue) == 1


def test_no_wait(wire):
    """Nobody answers what nobody waits for."""
    name, exchange = amqp.unique("q"), amqp.unique("x")
    wire.send(spec.Queue.Declare(queue=name, nowait=True))
    wire.send(spec.Exchange.Declare(exchange=exchange, type="fanout", nowait=True))
    wire.send(spec.Exchange.Bind(destination=exchange, source="amq.fanout", nowait=True))
    wire.send(spec.Queue.Bind(queue=name, exchange=exchange, nowait=True))
    wire.send(spec.Confirm.Select(nowait=True))
    wire.publish(b"x", "amq.fanout")
    assert wire.expect(spec.Basic.Ack).delivery_tag == 1
    wire.send(spec.Basic.Consume(queue=name, consumer_tag="mine", nowait=True))
    assert wire.expect(spec.Basic.Deliver).consumer_tag == "mine"
    wire.content()
    wire.send(spec.Basic.Cancel(consumer_tag="mine", nowait=True))
    wire.send(spec.Queue.Purge(queue=name, nowait=True))
    wire.send(spec.Exchange.Unbind(destination=exchange, source="amq.fanout", nowait=True))
    wire.send(spec.Exchange.Delete(exchange=exchange, nowait=True))
    wire.send(spec.Queue.Delete(queue=name, nowait=True))
    wire.silence()
    wire.send(spec.Queue.Declare(queue=name, passive=True))
    assert wire.expect(spec.Channel.Close).reply_code == 404


def test_an_error_of_a_no_wait_method_is_told(wire):
    wire.send(spec.Queue.Bind(queue="none", exchange="amq.direct", nowait=True))
    assert wire.expect(spec.Channel.Close).reply_code == 404


def test_durable_queues_outlive_the_server(new_broker):
    """And what they hold, if it is persistent; transient queues and messages do not."""
    if amqp.elsewhere():
        pytest.skip("restarts a server")
    broker = new_broker()
    broker.start()
    with_before = amqp.connect(amqp.address(broker.amqp))
    channel = with_before.channel()
    channel.confirm_delivery()
    channel.queue_declare("durable", durable=True, arguments={"x-max-priority": 5})
    channel.queue_declare("transient")
    channel.exchange_declare("lasting", "topic", durable=True)
    channel.exchange_declare("passing", "topic")
    channel.queue_bind("durable", "lasting", "a.#")
    persistent = spec.BasicProperties(delivery_mode=2, headers={"n": 1}, priority=4, message_id="m")
    channel.basic_publish("lasting", "a.b", b"kept", persistent)
    channel.basic_publish("", "durable", b"lost", spec.BasicProperties(delivery_mode=1))
    with_before.close()
    broker.terminate()
    broker.start()
    with_after = amqp.connect(amqp.address(broker.amqp))
    channel = with_after.channel()
    channel.queue_declare("durable", durable=True, arguments={"x-max-priority": 5})
    method, properties, body = amqp.get(channel, "durable", auto_ack=True)
    assert (body, method.exchange, method.routing_key) == (b"kept", "lasting", "a.b")
    assert (properties.headers, properties.priority, properties.message_id) == ({"n": 1}, 4, "m")
    channel.exchange_declare("lasting", "topic", durable=True)
    refused(404, with_after.channel().queue_declare, "transient", passive=True)
    refused(404, with_after.channel().exchange_declare, "passing", passive=True)
    with_after.close()
