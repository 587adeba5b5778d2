"""AMQP 0-9-1: the types of exchanges that come with plugins of RabbitMQ."""
from __future__ import annotations

import time

import pytest
from pika import BasicProperties

import amqp
from test_amqp_exchanges import exchange, queues, refused, where  # noqa: F401

pytestmark = pytest.mark.skipif(amqp.elsewhere() is not None, reason="a server without plugins does not know them")


def test_a_delayed_message_is_routed_when_its_time_has_come(channel, queues, exchange):  # noqa: F811
    name = exchange("x-delayed-message", arguments={"x-delayed-type": "topic"})
    channel.queue_bind(queues[0], name, "a.*")
    assert where(channel, queues, name, "a.now") == [0]
    began = time.monotonic()
    channel.basic_publish(name, "a.later", b"later", BasicProperties(headers={"x-delay": 400}))
    channel.basic_publish(name, "b.later", b"b", BasicProperties(headers={"x-delay": 400}))
    assert amqp.drain(channel, queues[0]) == []
    channel.queue_bind(queues[1], name, "b.*")
    method, properties, body = amqp.get(channel, queues[0], auto_ack=True)
    assert time.monotonic() - began >= 0.4
    assert (method.exchange, method.routing_key, body) == (name, "a.later", b"later")
    assert properties.headers["x-delay"] == 400
    assert amqp.get(channel, queues[1], auto_ack=True)[2] == b"b"


def test_elsewhere_a_delay_means_nothing(channel, queues, exchange):  # noqa: F811
    name = exchange("fanout")
    channel.queue_bind(queues[0], name)
    assert where(channel, queues, name, headers={"x-delay": 60_000}) == [0]


@pytest.mark.parametrize("arguments", [None, {"x-delayed-type": "odd"}, {"x-delayed-type": "x-delayed-message"}])
def test_a_delayed_exchange_says_how_it_routes(client, arguments):
    text = refused(406, client.channel().exchange_declare, amqp.unique("x"), "x-delayed-message", arguments=arguments)
    assert "x-delayed-type" in text


def test_a_consistent_hash_keeps_a_key_where_it_was(client, channel, queues, exchange):  # noqa: F811
    name = exchange("x-consistent-hash", arguments={"hash-header": "customer"})
    for queue, weight in zip(queues, "121"):
        channel.queue_bind(queue, name, weight)
    first = [where(channel, queues, name, "any", headers={"customer": str(number)}) for number in range(40)]
    assert all(len(found) == 1 for found in first) and {found[0] for found in first} == {0, 1, 2}
    again = [where(channel, queues, name, "other", headers={"customer": str(number)}) for number in range(40)]
    assert again == first
    assert "weight" in refused(406, client.channel().exchange_bind, name, name, "heavy")


@pytest.mark.parametrize("name", ["message_id", "correlation_id", "timestamp"])
def test_a_consistent_hash_of_a_property(channel, queues, exchange, name):  # noqa: F811
    source = exchange("x-consistent-hash", arguments={"hash-property": name})
    for queue in queues:
        channel.queue_bind(queue, source, "1")

    def place(number, key):
        value = 1_700_000_000 + number if name == "timestamp" else str(number)
        channel.basic_publish(source, key, b"x", BasicProperties(**{name: value}))
        taken = [index for index, queue in enumerate(queues) for _ in amqp.drain(channel, queue)]
        assert len(taken) == 1
        return taken[0]

    first = [place(number, "any") for number in range(40)]
    assert set(first) == {0, 1, 2}
    assert [place(number, "other") for number in range(40)] == first


def test_no_other_property_is_hashed(client):
    text = refused(406, client.channel().exchange_declare, amqp.unique("x"), "x-consistent-hash",
                   arguments={"hash-property": "expiration"})
    assert "one of message_id, correlation_id, timestamp" in text


@pytest.mark.parametrize("kind", ["x-random", "x-modulus-hash"])
def test_one_queue_gets_each_message(channel, queues, exchange, kind):  # noqa: F811
    name = exchange(kind)
    for queue in queues:
        channel.queue_bind(queue, name)
    found = [where(channel, queues, name, "key %d" % number) for number in range(40)]
    assert all(len(places) == 1 for places in found) and {places[0] for places in found} == {0, 1, 2}


def test_what_is_bound_later_gets_what_was_before(channel, queues, exchange):  # noqa: F811
    name = exchange("x-recent-history", arguments={"x-recent-history-length": 2})
    for body in (b"1", b"2", b"3"):
        channel.basic_publish(name, "k", body)
    channel.basic_publish(name, "k", b"4", BasicProperties(headers={"x-recent-history-no-store": True}))
    channel.queue_bind(queues[0], name)
    assert amqp.drain(channel, queues[0]) == [b"2", b"3"]
