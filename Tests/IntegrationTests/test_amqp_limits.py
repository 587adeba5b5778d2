"""AMQP 0-9-1: limits that RabbitMQ does not have. They hold nobody up who acknowledges, and lose nothing."""
from __future__ import annotations

import pytest
from pika import spec
from pika.exceptions import ChannelClosedByBroker

import amqp
from amqp import Collector

HELD, CONSUMERS = 50, 20


@pytest.fixture(scope="module")
def limited(request):
    if amqp.elsewhere():
        pytest.skip("limits of Cola's own")
    import broker as broker_module

    started = broker_module.Broker(
        broker_module.new_folder(), ["--unacked-max", str(HELD), "--consumers-max", str(CONSUMERS)])
    try:
        started.start()
        yield amqp.address(started.amqp)
        assert started.runs(), started.stderr()
    finally:
        started.remove()


@pytest.fixture
def client(limited):
    with amqp.connect(limited) as opened:
        yield opened


def numbers(count, start=0):
    return [b"%d" % n for n in range(start, start + count)]


def fill(channel, count):
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.confirm_delivery()
    for body in numbers(count):
        channel.basic_publish("", queue, body)
    return queue


@pytest.mark.parametrize("prefetch", [0, 65_535])
def test_a_channel_that_acknowledges_nothing_is_handed_no_more(client, prefetch):
    channel = client.channel()
    queue = fill(channel, 2 * HELD + 10)
    channel.basic_qos(prefetch_count=prefetch)
    collector = Collector(channel, queue)
    collector.wait(HELD)
    assert collector.settle_down() == collector.deliveries[:HELD]
    assert collector.bodies == numbers(HELD)
    # Each that is settled makes room for another one, whatever it was settled with.
    channel.basic_ack(1)
    assert collector.wait(HELD + 1)[-1].body == b"%d" % HELD
    channel.basic_nack(2, requeue=False)
    assert collector.wait(HELD + 2)[-1].body == b"%d" % (HELD + 1)
    channel.basic_ack(0, multiple=True)
    collector.wait(2 * HELD + 2)
    channel.basic_ack(0, multiple=True)
    assert [delivery.body for delivery in collector.wait(2 * HELD + 10)] == numbers(2 * HELD + 10)
    assert not any(delivery.method.redelivered for delivery in collector.deliveries)
    assert channel.is_open


def test_other_channels_and_what_needs_no_acknowledgement_go_on(client):
    channel, other = client.channel(), client.channel()
    held = fill(channel, HELD + 10)
    Collector(channel, held).wait(HELD)
    assert Collector(other, held).wait(10) is not None
    free = fill(channel, 2 * HELD)
    assert channel.basic_get(free, auto_ack=True)[2] == b"0"
    assert Collector(channel, free, auto_ack=True).wait(2 * HELD - 1)[-1].body == b"%d" % (2 * HELD - 1)


def test_one_more_message_is_not_handed_out_on_demand(client):
    channel = client.channel()
    queue = fill(channel, HELD + 1)
    for _ in range(HELD):
        amqp.get(channel, queue)
    reason = "at most %d unacknowledged messages on a channel.*unacked-max" % HELD
    with pytest.raises(ChannelClosedByBroker, match=reason):
        channel.basic_get(queue)
    again = client.channel()
    assert amqp.wait_for(lambda: amqp.count(again, queue) == HELD + 1)


def test_consumers_of_a_channel(client, limited):
    channel = client.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    for _ in range(CONSUMERS):
        channel.basic_consume(queue, lambda *_: None)
    with pytest.raises(ChannelClosedByBroker, match="at most %d consumers on a channel.*consumers-max" % CONSUMERS):
        channel.basic_consume(queue, lambda *_: None)
    # Each channel has its own.
    client.channel().basic_consume(queue, lambda *_: None)


def test_thousands_of_consumers_on_a_channel(wire):
    """As many as one for each of many customers; RabbitMQ has no limit."""
    queue = wire.call(spec.Queue.Declare(queue="", exclusive=True), spec.Queue.DeclareOk).queue
    count = 5_000
    wire.send_bytes(b"".join(
        amqp.marshal(spec.Basic.Consume(queue=queue, consumer_tag=str(n), no_ack=True)) for n in range(count)))
    for n in range(count):
        assert wire.expect(spec.Basic.ConsumeOk).consumer_tag == str(n)
    wire.publish(b"x", "", queue)
    wire.expect(spec.Basic.Deliver)
    assert wire.content()[1] == b"x"
