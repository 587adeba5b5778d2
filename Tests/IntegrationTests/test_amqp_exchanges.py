"""AMQP 0-9-1: exchanges and where they lead."""
from __future__ import annotations

import pytest
from pika import BasicProperties
from pika.exceptions import ChannelClosedByBroker, NackError, UnroutableError

import amqp


@pytest.fixture
def queues(channel):
    """Three queues that end with their connection."""
    return [channel.queue_declare("", exclusive=True).method.queue for _ in range(3)]


@pytest.fixture
def exchange(channel):
    """Makes exchanges, and deletes them after the test."""
    made = []

    def make(kind="direct", **options):
        name = amqp.unique(kind)
        channel.exchange_declare(name, kind, **options)
        made.append(name)
        return name

    yield make
    if channel.is_open:
        for name in made:
            channel.exchange_delete(name)


def refused(code, call, *arguments, **options):
    with pytest.raises(ChannelClosedByBroker) as refusal:
        call(*arguments, **options)
    assert refusal.value.reply_code == code, refusal.value
    return refusal.value.reply_text


def where(channel, queues, exchange, key="", **properties):
    """Which of the queues a message comes to; a publish is routed before what is asked behind it."""
    channel.basic_publish(exchange, key, b"x", BasicProperties(**properties) if properties else None)
    return [index for index, queue in enumerate(queues) if amqp.drain(channel, queue)]


# Each kind


def test_direct(channel, queues, exchange):
    name = exchange()
    channel.queue_bind(queues[0], name, "red")
    channel.queue_bind(queues[1], name, "red")
    channel.queue_bind(queues[1], name, "blue")
    assert where(channel, queues, name, "red") == [0, 1]
    assert where(channel, queues, name, "blue") == [1]
    assert where(channel, queues, name, "Red") == []
    assert where(channel, queues, name, "") == []


def test_fanout(channel, queues, exchange):
    name = exchange("fanout")
    for queue in queues:
        channel.queue_bind(queue, name, "ignored")
    assert where(channel, queues, name, "any") == [0, 1, 2]


@pytest.mark.parametrize("pattern, key, matches", [
    ("a.b", "a.b", True), ("a.*", "a.b", True), ("a.*", "a", False), ("a.*", "a.b.c", False), ("a.#", "a", True),
    ("a.#", "a.b.c", True), ("#", "", True), ("#", "a.b", True), ("*", "", False), ("*", "a", True), ("*.*", ".", True),
    ("#.c", "a.b.c", True), ("#.c", "c", True), ("a.#.c", "a.c", True), ("a.#.c", "a.b.b.c", True),
    ("a.*.c", "a..c", True), ("a.#.b.#", "a.x.b.y.b", True), ("a.#.b", "a.b.x", False), ("", "", True),
    ("", "a", False), ("a*", "ab", False), ("a.b.", "a.b.", True)])
def test_topic(channel, queues, exchange, pattern, key, matches):
    name = exchange("topic")
    channel.queue_bind(queues[0], name, pattern)
    assert where(channel, queues, name, key) == ([0] if matches else [])


def test_a_message_comes_once_to_a_queue(channel, queues, exchange):
    name = exchange("topic")
    for pattern in ("a.#", "#", "a.b"):
        channel.queue_bind(queues[0], name, pattern)
    channel.basic_publish(name, "a.b", b"once")
    assert amqp.drain(channel, queues[0]) == [b"once"]


@pytest.mark.parametrize("arguments, headers, matches", [
    ({"x-match": "all", "a": 1, "b": "x"}, {"a": 1, "b": "x", "c": True}, True),
    ({"x-match": "all", "a": 1, "b": "x"}, {"a": 1}, False),
    ({"x-match": "any", "a": 1, "b": "x"}, {"b": "x"}, True),
    ({"x-match": "any", "a": 1, "b": "x"}, {"b": "y"}, False),
    ({"a": 1}, {"a": 1}, True),                       # all is the default
    ({"x-match": "all"}, {}, True),
    ({"x-match": "all"}, {"a": 1}, True),
    ({"x-match": "any"}, {"a": 1}, False),
    ({"a": None}, {"a": "anything"}, True),           # no value: it must be there
    ({"a": None}, {"b": 1}, False),
    # Cola compares text, RabbitMQ types as well.
    ({"a": 1}, {"a": "1"}, amqp.elsewhere() is None),
    ({"a": 1}, {"a": 1 << 40}, False),
    ({"a": True}, {"a": True}, True), ({"a": True}, {"a": False}, False),
    ({"a": "x"}, {"a": "X"}, False),
    ({"a": b"x"}, {"a": b"x"}, True), ({"a": "x"}, {"a": b"x"}, True), ({"a": b"x"}, {"a": "x"}, True),
    ({"a": b"x"}, {"a": b"y"}, False),                # some clients write text as arrays of bytes
    ({"x-match": "all", "x-not": 1, "a": 1}, {"a": 1}, True),   # names that begin with x- do not count
])
def test_headers(channel, queues, exchange, arguments, headers, matches):
    name = exchange("headers")
    channel.queue_bind(queues[0], name, "", arguments=arguments)
    assert where(channel, queues, name, headers=headers) == ([0] if matches else [])


@pytest.mark.parametrize("match, headers, matches", [
    ("all-with-x", {"a": 1, "x-id": 5}, True), ("all-with-x", {"a": 1}, False), ("any-with-x", {"x-id": 5}, True)])
def test_headers_with_x(channel, queues, exchange, match, headers, matches):
    """RabbitMQ has them from 3.10 on."""
    name = exchange("headers")
    channel.queue_bind(queues[0], name, "", arguments={"x-match": match, "a": 1, "x-id": 5})
    assert where(channel, queues, name, headers=headers) == ([0] if matches else [])


def test_x_match_must_be_known(client, channel, queues, exchange):
    name = exchange("headers")
    refused(406, client.channel().queue_bind, queues[0], name, "", arguments={"x-match": "some"})


# The default exchange, and those that are there


def test_the_default_exchange_leads_to_every_queue_by_its_name(channel, queues):
    for index, queue in enumerate(queues):
        assert where(channel, queues, "", queue) == [index]
    method = publish_and_get(channel, "", queues[0])[0]
    assert (method.exchange, method.routing_key) == ("", queues[0])


def publish_and_get(channel, exchange, key, queue=None, body=b"x", **properties):
    channel.basic_publish(exchange, key, body, BasicProperties(**properties))
    return amqp.get(channel, queue or key, auto_ack=True)


@pytest.mark.parametrize("name, kind", [
    ("amq.direct", "direct"), ("amq.fanout", "fanout"), ("amq.topic", "topic"), ("amq.headers", "headers"),
    ("amq.match", "headers")])
def test_exchanges_that_are_there(client, name, kind):
    client.channel().exchange_declare(name, kind, durable=True)
    client.channel().exchange_declare(name, passive=True)


# Declaration and deletion


@pytest.mark.parametrize("first, second, names", [
    ({"durable": True}, {}, "durable"), ({"auto_delete": True}, {}, "auto_delete"),
    ({"internal": True}, {}, "internal"),
    ({"arguments": {"alternate-exchange": "a"}}, {"arguments": {"alternate-exchange": "b"}}, "alternate-exchange")])
def test_declared_again_differently(client, channel, exchange, first, second, names):
    name = exchange(**first)
    channel.exchange_declare(name, "direct", **first)
    text = refused(406, client.channel().exchange_declare, name, "direct", **second)
    assert "inequivalent arg '%s' for exchange '%s'" % (names, name) in text
    refused(406, client.channel().exchange_declare, name, "topic", **first)


def test_delete(client, channel, queues, exchange):
    name = exchange()
    channel.queue_bind(queues[0], name, "k")
    refused(406, client.channel().exchange_delete, name, if_unused=True)
    channel.exchange_delete(name)
    channel.exchange_delete(name)  # which is no error
    refused(404, client.channel().exchange_declare, name, passive=True)
    # Its bindings are gone with it.
    channel.exchange_declare(name, "direct")
    assert where(channel, queues, name, "k") == []


def test_auto_delete_ends_with_its_last_binding(client, channel, queues):
    name = amqp.unique("auto")
    channel.exchange_declare(name, "direct", auto_delete=True)
    channel.queue_bind(queues[0], name, "k")
    channel.queue_bind(queues[1], name, "k")
    channel.queue_unbind(queues[0], name, "k")
    client.channel().exchange_declare(name, passive=True)
    channel.queue_delete(queues[1])
    refused(404, client.channel().exchange_declare, name, passive=True)


def test_internal(client, channel, queues, exchange):
    inner = exchange("fanout", internal=True)
    outer = exchange("fanout")
    channel.exchange_bind(inner, outer)
    channel.queue_bind(queues[0], inner)
    assert where(channel, queues, outer) == [0]
    other = client.channel()
    other.basic_publish(inner, "", b"x")
    refused(403, other.queue_declare, "", exclusive=True)


# Bindings


def test_bind_twice_is_bound_once(channel, queues, exchange):
    name = exchange()
    for _ in range(2):
        channel.queue_bind(queues[0], name, "k")
    channel.queue_unbind(queues[0], name, "k")
    assert where(channel, queues, name, "k") == []


def test_unbind_what_is_not_bound(channel, queues, exchange):
    channel.queue_unbind(queues[0], exchange(), "k")  # which is no error
    channel.queue_unbind(queues[0], amqp.unique("never"), "k")
    channel.queue_unbind(amqp.unique("never"), exchange(), "k")
    channel.exchange_unbind(exchange(), amqp.unique("never"), "k")


def test_bindings_differ_by_their_arguments(channel, queues, exchange):
    name = exchange("headers")
    channel.queue_bind(queues[0], name, "", arguments={"a": 1})
    channel.queue_bind(queues[0], name, "", arguments={"b": 1})
    channel.queue_unbind(queues[0], name, "", arguments={"a": 1})
    assert where(channel, queues, name, headers={"a": 1}) == []
    assert where(channel, queues, name, headers={"b": 1}) == [0]


def test_exchange_to_exchange(channel, queues, exchange):
    source, middle, last = exchange("topic"), exchange("fanout"), exchange("direct")
    channel.exchange_bind(middle, source, "a.#")
    channel.exchange_bind(last, middle)
    channel.queue_bind(queues[0], last, "a.b")
    channel.queue_bind(queues[1], source, "#")
    assert where(channel, queues, source, "a.b") == [0, 1]
    assert where(channel, queues, source, "a.c") == [1]
    channel.exchange_unbind(middle, source, "a.#")
    assert where(channel, queues, source, "a.b") == [1]


def test_a_circle_of_exchanges(channel, queues, exchange):
    first, second = exchange("fanout"), exchange("fanout")
    channel.exchange_bind(first, second)
    channel.exchange_bind(second, first)
    channel.queue_bind(queues[0], first)
    channel.queue_bind(queues[0], second)
    channel.basic_publish(first, "", b"once")
    assert amqp.drain(channel, queues[0]) == [b"once"]


def test_alternate_exchange(client, channel, queues, exchange):
    last = exchange("fanout")
    middle = exchange("direct", arguments={"alternate-exchange": last})
    first = exchange("direct", arguments={"alternate-exchange": middle})
    channel.queue_bind(queues[0], first, "a")
    channel.queue_bind(queues[1], middle, "b")
    channel.queue_bind(queues[2], last)
    assert where(channel, queues, first, "a") == [0]
    assert where(channel, queues, first, "b") == [1]
    assert where(channel, queues, first, "c") == [2]
    # What the alternate takes was not unroutable.
    other = client.channel()
    other.confirm_delivery()
    other.basic_publish(first, "c", b"x", mandatory=True)
    assert amqp.get(channel, queues[2])[0].exchange == first


def test_an_alternate_exchange_that_is_not_there(client, channel, exchange):
    name = exchange(arguments={"alternate-exchange": amqp.unique("never")})
    other = client.channel()
    other.confirm_delivery()
    other.basic_publish(name, "k", b"dropped")
    with pytest.raises(UnroutableError):
        other.basic_publish(name, "k", b"returned", mandatory=True)


# Further routing keys


def test_cc_and_bcc(channel, queues):
    headers = {"CC": [queues[1]], "BCC": [queues[2]], "other": 1}
    channel.basic_publish("", queues[0], b"x", BasicProperties(headers=headers))
    for queue in queues:
        method, properties, _ = amqp.get(channel, queue, auto_ack=True)
        assert properties.headers == {"CC": [queues[1]], "other": 1}, queue
        assert method.routing_key == queues[0]


def test_cc_goes_through_the_exchange(channel, queues, exchange):
    name = exchange("topic")
    channel.queue_bind(queues[0], name, "a.*")
    channel.queue_bind(queues[1], name, "b.*")
    assert where(channel, queues, name, "x.y", headers={"CC": ["a.1", "b.1"]}) == [0, 1]
    assert where(channel, queues, name, "a.1", headers={"CC": ["a.2"]}) == [0]


@pytest.mark.skipif(amqp.elsewhere() is not None, reason="RabbitMQ counts bodies alone")
@pytest.mark.parametrize("header", ["CC", "BCC"])
def test_copies_count_with_their_keys(client, channel, header):
    """Each has them all: a queue with a limit of bytes is full by them, too."""
    queue = client.channel().queue_declare(
        "", exclusive=True, arguments={"x-max-length-bytes": 5_000, "x-overflow": "reject-publish"}).method.queue
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"x", BasicProperties(headers={header: ["k"] * 10}), mandatory=True)
    with pytest.raises(NackError):
        channel.basic_publish("", queue, b"x", BasicProperties(headers={header: ["k"] * 1_000}), mandatory=True)


def test_cc_must_be_a_list(client, queues):
    other = client.channel()
    other.basic_publish("", queues[0], b"x", BasicProperties(headers={"CC": "not a list"}))
    refused(406, other.queue_declare, "", exclusive=True)


def test_short_strings_of_every_length(channel, queues, exchange):
    name = exchange("direct")
    for length in (0, 1, 127, 128, 255):
        channel.queue_bind(queues[0], name, "k" * length)
        method, _, _ = publish_and_get(channel, name, "k" * length, queues[0])
        assert method.routing_key == "k" * length
