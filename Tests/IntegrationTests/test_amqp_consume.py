"""AMQP 0-9-1: consuming, prefetch, acknowledgements, and what becomes of a message that is not acknowledged."""
from __future__ import annotations

import time

import pytest
from pika import BasicProperties, spec
from pika.exceptions import ChannelClosedByBroker

import amqp
from amqp import Collector


@pytest.fixture
def queue(channel):
    return channel.queue_declare("", exclusive=True).method.queue


def publish(channel, queue, *bodies, **properties):
    for body in bodies:
        channel.basic_publish("", queue, body, BasicProperties(**properties))


def numbers(count, start=0):
    return [b"%d" % n for n in range(start, start + count)]


# Deliveries


def test_deliver(channel, queue):
    publish(channel, queue, b"x", message_id="m")
    collector = Collector(channel, queue, consumer_tag="mine")
    (method, properties, body), = collector.wait(1)
    assert (method.consumer_tag, method.delivery_tag, method.redelivered) == ("mine", 1, False)
    assert (method.exchange, method.routing_key) == ("", queue)
    assert (properties.message_id, body) == ("m", b"x")


def test_names_of_consumers(channel, queue):
    tags = {channel.basic_consume(queue, lambda *_: None) for _ in range(3)}
    assert len(tags) == 3


def test_the_server_names_consumers(wire):
    name = wire.call(spec.Queue.Declare(queue="", exclusive=True), spec.Queue.DeclareOk).queue
    tags = [wire.call(spec.Basic.Consume(queue=name), spec.Basic.ConsumeOk).consumer_tag for _ in range(2)]
    assert all(tag.startswith("amq.ctag-") and len(tag) == 31 for tag in tags) and tags[0] != tags[1]


def test_the_same_tag_on_two_channels(client, channel, queue):
    channel.basic_consume(queue, lambda *_: None, consumer_tag="t")
    client.channel().basic_consume(queue, lambda *_: None, consumer_tag="t")


def test_get(channel, queue):
    assert channel.basic_get(queue) == (None, None, None)
    publish(channel, queue, *numbers(3))
    method, _, body = channel.basic_get(queue)
    assert (body, method.message_count, method.redelivered, method.delivery_tag) == (b"0", 2, False, 1)
    method, _, body = channel.basic_get(queue, auto_ack=True)
    assert (body, method.message_count, method.delivery_tag) == (b"1", 1, 2)
    assert amqp.count(channel, queue) == 1


def test_consumers_take_turns(client, channel, queue):
    collectors = [Collector(client.channel(), queue, auto_ack=True) for _ in range(3)]
    publish(channel, queue, *numbers(30))
    deadline = time.monotonic() + 5
    while sum(len(collector.deliveries) for collector in collectors) < 30 and time.monotonic() < deadline:
        client.process_data_events(0.02)
    assert [len(collector.deliveries) for collector in collectors] == [10, 10, 10]


def test_deliveries_of_one_channel_are_numbered_together(channel):
    queues = [channel.queue_declare("", exclusive=True).method.queue for _ in range(2)]
    collectors = [Collector(channel, queue) for queue in queues]
    for n in range(5):
        for queue in queues:
            publish(channel, queue, b"%d" % n)
    for collector in collectors:
        collector.wait(5)
    tags = sorted(delivery.method.delivery_tag for collector in collectors for delivery in collector.deliveries)
    assert tags == list(range(1, 11))


def test_cancel(channel, queue):
    collector = Collector(channel, queue)
    publish(channel, queue, b"0")
    collector.wait(1)
    channel.basic_cancel(collector.tag)
    publish(channel, queue, b"1")
    assert len(collector.settle_down()) == 1
    # What it had is still held by the channel, and can be settled.
    assert amqp.count(channel, queue) == 1
    channel.basic_ack(1)


def test_cancel_of_nobody(wire):
    assert wire.call(spec.Basic.Cancel(consumer_tag="nobody"), spec.Basic.CancelOk).consumer_tag == "nobody"


def test_exclusive_consumer(client, channel, queue):
    channel.basic_consume(queue, lambda *_: None, exclusive=True)
    with pytest.raises(ChannelClosedByBroker) as refusal:
        client.channel().basic_consume(queue, lambda *_: None)
    assert refusal.value.reply_code == 403


def test_no_local_is_ignored(wire):
    """As RabbitMQ does."""
    name = wire.call(spec.Queue.Declare(queue="", exclusive=True), spec.Queue.DeclareOk).queue
    wire.call(spec.Basic.Consume(queue=name, no_local=True), spec.Basic.ConsumeOk)
    wire.publish(b"mine", key=name)
    wire.expect(spec.Basic.Deliver)


# Acknowledgements


def test_ack(client, channel, queue):
    publish(channel, queue, *numbers(3))
    other = client.channel()
    for _ in range(3):
        other.basic_get(queue)
    other.basic_ack(2)
    other.close()
    assert amqp.drain(channel, queue) == [b"0", b"2"]


def test_ack_multiple(client, channel, queue):
    publish(channel, queue, *numbers(5))
    other = client.channel()
    for _ in range(5):
        other.basic_get(queue)
    other.basic_ack(3, multiple=True)
    other.close()
    assert amqp.drain(channel, queue) == [b"3", b"4"]


def test_ack_all(client, channel, queue):
    publish(channel, queue, *numbers(5))
    other = client.channel()
    for _ in range(5):
        other.basic_get(queue)
    other.basic_ack(0, multiple=True)
    other.close()
    assert amqp.drain(channel, queue) == []


def test_ack_twice(channel, queue):
    publish(channel, queue, b"x")
    channel.basic_get(queue)
    channel.basic_ack(1)
    channel.basic_ack(1)
    with pytest.raises(ChannelClosedByBroker) as refusal:
        channel.queue_declare(queue, passive=True)
    assert refusal.value.reply_code == 406
    assert refusal.value.reply_text == "PRECONDITION_FAILED - unknown delivery tag 1"


def test_ack_of_what_needs_none(channel, queue):
    publish(channel, queue, b"x")
    channel.basic_get(queue, auto_ack=True)
    channel.basic_ack(1)
    with pytest.raises(ChannelClosedByBroker) as refusal:
        channel.queue_declare(queue, passive=True)
    assert refusal.value.reply_code == 406


def test_ack_on_another_channel(client, channel, queue):
    publish(channel, queue, b"x")
    channel.basic_get(queue)
    other = client.channel()
    other.basic_ack(1)
    with pytest.raises(ChannelClosedByBroker):
        other.queue_declare(queue, passive=True)
    channel.basic_ack(1)
    assert amqp.count(channel, queue) == 0


@pytest.mark.parametrize("settle", ["basic_nack", "basic_reject"])
def test_given_back(channel, queue, settle):
    publish(channel, queue, *numbers(3))
    method = channel.basic_get(queue)[0]
    getattr(channel, settle)(method.delivery_tag, requeue=True)
    # It has its old place, and is known to have been delivered.
    found = [amqp.get(channel, queue) for _ in range(3)]
    assert [(body, method.redelivered) for method, _, body in found] == [(b"0", True), (b"1", False), (b"2", False)]


@pytest.mark.parametrize("settle", ["basic_nack", "basic_reject"])
def test_rejected(channel, queue, settle):
    publish(channel, queue, *numbers(2))
    method = channel.basic_get(queue)[0]
    getattr(channel, settle)(method.delivery_tag, requeue=False)
    assert amqp.drain(channel, queue) == [b"1"]


def test_nack_multiple(channel, queue):
    publish(channel, queue, *numbers(4))
    for _ in range(3):
        channel.basic_get(queue)
    channel.basic_nack(2, multiple=True, requeue=True)
    assert amqp.wait_for(lambda: amqp.count(channel, queue) == 3)
    assert amqp.drain(channel, queue) == [b"0", b"1", b"3"]


def test_nack_all(channel, queue):
    publish(channel, queue, *numbers(3))
    for _ in range(3):
        channel.basic_get(queue)
    channel.basic_nack(0, multiple=True, requeue=True)
    assert amqp.drain(channel, queue) == numbers(3)


def test_recover(channel, queue):
    publish(channel, queue, *numbers(2))
    collector = Collector(channel, queue)
    collector.wait(2)
    channel.basic_recover(requeue=True)
    deliveries = collector.wait(4)
    assert [(one.body, one.method.redelivered) for one in deliveries[2:]] == [(b"0", True), (b"1", True)]


def test_a_channel_that_closes_gives_back(client, channel, queue):
    publish(channel, queue, *numbers(3))
    other = client.channel()
    Collector(other, queue).wait(3)
    other.close()
    found = [amqp.get(channel, queue) for _ in range(3)]
    assert [(body, method.redelivered) for method, _, body in found] == [(one, True) for one in numbers(3)]


def test_what_is_given_back_goes_to_another_consumer(client, channel, queue):
    publish(channel, queue, b"x")
    first = Collector(client.channel(), queue)
    first.wait(1)
    second = Collector(channel, queue)
    first.channel.basic_cancel(first.tag)
    first.channel.basic_nack(1)
    assert second.wait(1)[0].method.redelivered


def test_a_consumer_that_gives_back_gets_it_again(channel, queue):
    publish(channel, queue, b"x")
    collector = Collector(channel, queue)
    for n in range(5):
        collector.wait(n + 1)
        channel.basic_nack(n + 1)
    assert [one.method.redelivered for one in collector.wait(6)] == [False] + [True] * 5


# Prefetch


def test_prefetch_of_each_consumer(channel, queue):
    publish(channel, queue, *numbers(10))
    channel.basic_qos(prefetch_count=2)
    first, second = Collector(channel, queue), Collector(channel, queue)
    first.settle_down()
    assert (len(first.deliveries), len(second.deliveries)) == (2, 2)
    channel.basic_ack(first.deliveries[0].method.delivery_tag)
    first.settle_down()
    assert (len(first.deliveries), len(second.deliveries)) == (3, 2)


def test_prefetch_concerns_later_consumers(channel, queue):
    """A consumer keeps what held when it began; pika says that it is pika."""
    publish(channel, queue, *numbers(10))
    channel.basic_qos(prefetch_count=2)
    first = Collector(channel, queue)
    channel.basic_qos(prefetch_count=5)
    first.settle_down()
    assert len(first.deliveries) == 2
    second = Collector(channel, queue)
    second.settle_down()
    assert (len(first.deliveries), len(second.deliveries)) == (2, 5)


def test_prefetch_of_the_channel(channel, queue):
    publish(channel, queue, *numbers(10))
    channel.basic_qos(prefetch_count=3, global_qos=True)
    first, second = Collector(channel, queue), Collector(channel, queue)
    first.settle_down()
    assert len(first.deliveries) + len(second.deliveries) == 3
    # It may change at any time.
    channel.basic_qos(prefetch_count=5, global_qos=True)
    first.settle_down()
    assert len(first.deliveries) + len(second.deliveries) == 5
    channel.basic_qos(prefetch_count=0, global_qos=True)
    first.settle_down()
    assert len(first.deliveries) + len(second.deliveries) == 10


def test_prefetch_of_the_channel_does_not_count_for_get(channel, queue):
    publish(channel, queue, *numbers(6))
    channel.basic_qos(prefetch_count=1, global_qos=True)
    gets = [channel.basic_get(queue) for _ in range(2)]
    assert [get[2] for get in gets] == numbers(2)
    collector = Collector(channel, queue)
    assert collector.settle_down()[0].body == b"2"
    assert channel.basic_get(queue)[2] == b"3"
    for get in gets:
        channel.basic_ack(get[0].delivery_tag)
    collector.settle_down()
    assert collector.bodies == [b"2"]
    channel.basic_ack(collector.deliveries[0].method.delivery_tag)
    collector.settle_down()
    assert collector.bodies == [b"2", b"4"]


def test_prefetch_of_the_channel_holds_back_who_needs_no_ack(channel, queue):
    """It is not counted, but it waits as the others do."""
    other = channel.queue_declare("", exclusive=True).method.queue
    channel.basic_qos(prefetch_count=1, global_qos=True)
    publish(channel, queue, b"x")
    holder = Collector(channel, queue)
    holder.wait(1)
    collector = Collector(channel, other, auto_ack=True)
    publish(channel, other, *numbers(3))
    assert collector.settle_down() == []
    channel.basic_ack(holder.deliveries[0].method.delivery_tag)
    collector.wait(3)
    assert collector.bodies == numbers(3)


def take_in_turn(channel, queues, number):
    """Which consumer gets each of so many deliveries, where the next comes when the one before is acknowledged."""
    channel.basic_qos(prefetch_count=1, global_qos=True)
    takers = []

    def take(_, method, __, ___):
        takers.append(method.consumer_tag)
        if len(takers) < number:
            channel.basic_ack(method.delivery_tag)

    for index, queue in enumerate(queues):
        channel.basic_consume(queue, take, consumer_tag="c%d" % index)
    for queue in queues:
        publish(channel, queue, *numbers(number))
    deadline = time.monotonic() + 5
    while len(takers) < number and time.monotonic() < deadline:
        channel.connection.process_data_events(0.05)
    return takers


def test_consumers_of_a_queue_take_turns_under_the_prefetch_of_the_channel(channel, queue):
    assert take_in_turn(channel, [queue, queue], 10) == ["c0", "c1"] * 5


def test_no_queue_starves_under_the_prefetch_of_the_channel(channel):
    queues = [channel.queue_declare("", exclusive=True).method.queue for _ in range(3)]
    # RabbitMQ draws lots.
    takers = take_in_turn(channel, queues, 40)
    assert len(takers) == 40 and set(takers) == {"c0", "c1", "c2"}


def test_both_kinds_of_prefetch(channel, queue):
    publish(channel, queue, *numbers(10))
    channel.basic_qos(prefetch_count=2)
    channel.basic_qos(prefetch_count=3, global_qos=True)
    collectors = [Collector(channel, queue) for _ in range(2)]
    collectors[0].settle_down()
    assert sorted(len(one.deliveries) for one in collectors) == [1, 2]


def test_prefetch_does_not_count_for_get_or_auto_ack(channel, queue):
    publish(channel, queue, *numbers(10))
    channel.basic_qos(prefetch_count=1)
    assert [channel.basic_get(queue)[2] for _ in range(3)] == numbers(3)
    assert Collector(channel, queue, auto_ack=True).wait(7)


def test_prefetch_of_none_is_no_limit(channel, queue):
    publish(channel, queue, *numbers(300))
    channel.basic_qos(prefetch_count=0)
    assert Collector(channel, queue).wait(300)


@pytest.mark.parametrize("product, capabilities, changes", [
    ("py-amqp", amqp.CAPABILITIES, True),
    ("rabbitmq-c", {"authentication_failure_close": True, "consumer_cancel_notify": True}, True),
    ("rabbitmq-c", {"authentication_failure_close": True}, False),
], ids=["celery", "SimpleAmqpClient", "librabbitmq"])
def test_a_prefetch_for_a_running_consumer(amqp_address, channel, queue, product, capabilities, changes):
    """Celery changes it while it consumes, and counts on it; RabbitMQ has global prefetch for that. SimpleAmqpClient
    uses that one where the server's version is 3.3 or later, whatever the server is."""
    if amqp.elsewhere():
        pytest.skip("Cola does this on purpose, RabbitMQ does not")
    name = amqp.unique("celery")
    channel.queue_declare(name)
    publish(channel, name, *numbers(10))
    with amqp.Wire(amqp_address, login=False) as wire:
        wire.log_in(properties={"product": product, "capabilities": capabilities})
        wire.tune()
        wire.send(spec.Connection.Open("/"), 0)
        wire.expect(spec.Connection.OpenOk, 0)
        wire.open()
        wire.call(spec.Basic.Qos(0, 2, False), spec.Basic.QosOk)
        wire.call(spec.Basic.Consume(queue=name), spec.Basic.ConsumeOk)
        for _ in range(2):
            wire.expect(spec.Basic.Deliver)
            wire.content()
        wire.silence()
        wire.send(spec.Basic.Qos(0, 5, False))
        wire.expect(spec.Basic.QosOk)
        for _ in range(3 if changes else 0):
            wire.expect(spec.Basic.Deliver)
            wire.content()
        wire.silence()
    channel.queue_delete(name)


# Priorities


def test_priorities_of_messages(channel):
    name = channel.queue_declare("", exclusive=True, arguments={"x-max-priority": 5}).method.queue
    for priority in (1, 3, None, 5, 0, 9, 3):
        publish(channel, name, str(priority).encode(), priority=priority)
    # 9 counts as 5, none as 0; among equals the older is first.
    assert amqp.drain(channel, name) == [b"5", b"9", b"3", b"3", b"1", b"None", b"0"]


def test_priorities_of_consumers(client, channel, queue):
    low, high = client.channel(), client.channel()
    for one in (low, high):
        one.basic_qos(prefetch_count=2)
    idle = Collector(low, queue)
    eager = Collector(high, queue, arguments={"x-priority": 10})
    publish(channel, queue, *numbers(3))
    idle.settle_down()
    assert (eager.bodies, idle.bodies) == ([b"0", b"1"], [b"2"])


def test_single_active_consumer(client, channel):
    name = amqp.unique("single")
    channel.queue_declare(name, arguments={"x-single-active-consumer": True})
    first, second = Collector(client.channel(), name), Collector(client.channel(), name)
    publish(channel, name, *numbers(3))
    first.settle_down()
    assert (first.bodies, second.bodies) == (numbers(3), [])
    first.channel.basic_ack(0, multiple=True)
    first.channel.close()
    publish(channel, name, *numbers(3, 3))
    second.wait(3)
    assert second.bodies == numbers(3, 3)
    channel.queue_delete(name)


@pytest.mark.parametrize("kind, code", [("classic", 403), ("quorum", None)])
def test_an_exclusive_consumer_where_one_is_active_at_a_time(client, channel, kind, code):
    """As RabbitMQ: a classic queue refuses it, even the first; of a quorum queue it stands by like any other."""
    name = amqp.unique("single")
    channel.queue_declare(name, durable=True, arguments={"x-single-active-consumer": True, "x-queue-type": kind})
    for _ in range(2):
        one = client.channel()
        if code is None:
            one.basic_consume(name, lambda *_: None, exclusive=True)
            continue
        with pytest.raises(ChannelClosedByBroker) as refusal:
            one.basic_consume(name, lambda *_: None, exclusive=True)
        assert refusal.value.reply_code == code
    channel.queue_delete(name)


@pytest.mark.parametrize("kind, code", [("classic", None), ("quorum", 405)])
def test_get_where_one_consumer_is_active_at_a_time(client, channel, kind, code):
    """As RabbitMQ, which lets nobody take messages of a quorum queue past the consumer whose turn it is."""
    name = amqp.unique("single")
    channel.queue_declare(name, durable=True, arguments={"x-single-active-consumer": True, "x-queue-type": kind})
    channel.basic_publish("", name, b"x")
    if code is None:
        assert channel.basic_get(name, auto_ack=True)[2] == b"x"
    else:
        with pytest.raises(ChannelClosedByBroker) as refusal:
            client.channel().basic_get(name)
        assert refusal.value.reply_code == code
        assert name in refusal.value.reply_text
    channel.queue_delete(name)


# Direct reply-to


def test_direct_reply_to(client, channel, queue):
    answers = []
    channel.basic_consume("amq.rabbitmq.reply-to", lambda _, method, properties, body: answers.append(
        (method.routing_key, properties.correlation_id, body)), auto_ack=True)
    publish(channel, queue, b"question", reply_to="amq.rabbitmq.reply-to", correlation_id="7")
    server = client.channel()
    _, properties, _ = amqp.get(server, queue, auto_ack=True)
    assert properties.reply_to.startswith("amq.rabbitmq.reply-to.")
    # Whether the asker is still there can be looked at.
    server.queue_declare(properties.reply_to, passive=True)
    server.basic_publish("", properties.reply_to, b"answer", BasicProperties(correlation_id="7"))
    assert amqp.wait_for(lambda: client.process_data_events(0.01) or answers)
    assert answers == [(properties.reply_to, "7", b"answer")]


def test_nobody_can_guess_where_others_wait_for_answers(amqp_address, channel, queue):
    names = []
    for _ in range(2):
        with amqp.connect(amqp_address) as other:
            asker = other.channel()
            asker.basic_consume("amq.rabbitmq.reply-to", lambda *_: None, auto_ack=True)
            publish(asker, queue, b"question", reply_to="amq.rabbitmq.reply-to")
            names.append(amqp.get(channel, queue, auto_ack=True)[1].reply_to)
    secrets = [name.removesuffix("==").split(".")[-1] for name in names]
    assert all(name.endswith("==") for name in names) and all(len(secret) == 22 for secret in secrets)
    assert len(set(secrets)) == 2


def test_direct_reply_to_of_one_who_is_gone(client, channel, queue):
    asker = client.channel()
    asker.basic_consume("amq.rabbitmq.reply-to", lambda *_: None, auto_ack=True)
    publish(asker, queue, b"question", reply_to="amq.rabbitmq.reply-to")
    asker.close()
    _, properties, _ = amqp.get(channel, queue, auto_ack=True)
    publish(channel, properties.reply_to, b"answer")  # is dropped, which is no error
    with pytest.raises(ChannelClosedByBroker) as refusal:
        client.channel().queue_declare(properties.reply_to, passive=True)
    assert refusal.value.reply_code == 404
    assert channel.is_open


def test_direct_reply_to_from_another_connection(amqp_address, channel, queue):
    """Most who answer are other programs; they may look, and declare by mistake, but take nothing."""
    tag = channel.basic_consume("amq.rabbitmq.reply-to", lambda *_: None, auto_ack=True)
    publish(channel, queue, b"question", reply_to="amq.rabbitmq.reply-to")
    _, properties, _ = amqp.get(channel, queue, auto_ack=True)
    with amqp.connect(amqp_address) as other:
        server = other.channel()
        for options in ({"passive": True}, {}, {"exclusive": True}):
            found = server.queue_declare(properties.reply_to, **options).method
            assert (found.queue, found.message_count, found.consumer_count) == (properties.reply_to, 0, 1)
        channel.basic_cancel(tag)
        with pytest.raises(ChannelClosedByBroker) as refusal:
            server.queue_declare(properties.reply_to)
        assert refusal.value.reply_code == 404


def test_direct_reply_to_only_once_a_channel(channel):
    channel.basic_consume("amq.rabbitmq.reply-to", lambda *_: None, auto_ack=True)
    with pytest.raises(ChannelClosedByBroker) as refusal:
        channel.basic_consume("amq.rabbitmq.reply-to", lambda *_: None, auto_ack=True)
    assert refusal.value.reply_code == 406


# Flow


def test_flow(wire):
    assert wire.call(spec.Channel.Flow(active=True), spec.Channel.FlowOk).active
    # As RabbitMQ: what a client wants less of it says with a prefetch.
    wire.send(spec.Channel.Flow(active=False))
    close = wire.expect(spec.Connection.Close, 0)
    assert (close.reply_code, close.class_id, close.method_id) == (540, 20, 20)
    assert close.reply_text == "NOT_IMPLEMENTED - active=false"
