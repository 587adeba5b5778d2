"""AMQP 0-9-1: messages that expire, are rejected or have no room, and where they go."""
from __future__ import annotations

import time

import pytest
from pika import BasicProperties
from pika.exceptions import NackError

import amqp


@pytest.fixture
def dead(channel):
    """The queue for dead letters."""
    return channel.queue_declare("", exclusive=True).method.queue


def declare(channel, dead=None, **arguments):
    given = {name.replace("_", "-"): value for name, value in arguments.items()}
    if dead is not None:
        given.update({"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
    return channel.queue_declare("", exclusive=True, arguments=given).method.queue


def publish(channel, queue, *bodies, **properties):
    for body in bodies:
        channel.basic_publish("", queue, body, BasicProperties(**properties))


# Time to live


def test_ttl_of_a_queue(channel):
    queue = declare(channel, x_message_ttl=200)
    publish(channel, queue, b"x")
    assert amqp.wait_for(lambda: amqp.count(channel, queue) == 1)
    assert amqp.wait_for(lambda: amqp.count(channel, queue) == 0)


def test_ttl_of_a_message(channel, dead):
    queue = declare(channel, dead)
    publish(channel, queue, b"x", expiration="100")
    publish(channel, queue, b"y")
    assert amqp.get(channel, dead)[2] == b"x"
    assert amqp.drain(channel, queue) == [b"y"]


def test_the_shorter_ttl_counts(channel, dead):
    queue = declare(channel, dead, x_message_ttl=100)
    begun = time.monotonic()
    publish(channel, queue, b"x", expiration="60000")
    amqp.get(channel, dead)
    assert time.monotonic() - begun < 3


def test_ttl_of_nothing(channel, dead):
    """It is for whoever can take it at once."""
    queue = declare(channel, dead)
    publish(channel, queue, b"x", expiration="0")
    assert amqp.get(channel, dead)[2] == b"x"
    collector = amqp.Collector(channel, queue, auto_ack=True)
    publish(channel, queue, b"y", expiration="0")
    collector.wait(1)
    assert collector.bodies == [b"y"]


@pytest.mark.parametrize("arguments, properties", [({"x_message_ttl": 0}, {}), ({}, {"expiration": "0"})])
def test_ttl_of_nothing_is_for_one_delivery(channel, dead, arguments, properties):
    """It does not come back to whoever gives it back."""
    queue = declare(channel, dead, **arguments)
    collector = amqp.Collector(channel, queue)
    publish(channel, queue, b"x", **properties)
    delivery, = collector.wait(1)
    channel.basic_nack(delivery.method.delivery_tag, requeue=True)
    assert amqp.get(channel, dead)[2] == b"x"
    assert collector.settle_down() == [delivery]


def test_what_somebody_holds_does_not_expire(client, channel, dead):
    queue = declare(channel, dead, x_message_ttl=150)
    publish(channel, queue, b"x")
    other = client.channel()
    amqp.get(other, queue)
    time.sleep(0.4)
    assert amqp.count(channel, dead) == 0
    other.close()
    assert amqp.get(channel, dead)[2] == b"x"


# Dead letters


def test_rejected(channel, dead):
    queue = declare(channel, dead)
    publish(channel, queue, b"x", headers={"mine": 1}, message_id="m", priority=3)
    channel.basic_reject(amqp.get(channel, queue)[0].delivery_tag, requeue=False)
    method, properties, body = amqp.get(channel, dead)
    assert body == b"x" and not method.redelivered
    assert (method.exchange, method.routing_key) == ("", dead)
    assert (properties.message_id, properties.priority) == ("m", 3)
    headers = dict(properties.headers)
    death, = headers.pop("x-death")
    for name in ("exchange", "queue", "reason"):
        headers.pop("x-last-death-" + name, None)  # which RabbitMQ has from 3.13 on
    assert headers == {"mine": 1, "x-first-death-exchange": "", "x-first-death-queue": queue,
                       "x-first-death-reason": "rejected"}
    died = death.pop("time")
    assert death == {"count": 1, "reason": "rejected", "queue": queue, "exchange": "", "routing-keys": [queue]}
    assert abs(died.timestamp() - time.time()) < 100_000  # in seconds, whatever the time zone pika takes it for


def test_expired(channel, dead):
    queue = declare(channel, dead)
    publish(channel, queue, b"x", expiration="50")
    _, properties, _ = amqp.get(channel, dead)
    death, = properties.headers["x-death"]
    del death["time"]
    assert death == {"count": 1, "reason": "expired", "queue": queue, "exchange": "", "routing-keys": [queue],
                     "original-expiration": "50"}
    # It would expire there as well.
    assert properties.expiration is None


def test_without_a_routing_key_it_keeps_its_own(channel, dead):
    exchange = amqp.unique("dead")
    channel.exchange_declare(exchange, "topic", auto_delete=True)
    channel.queue_bind(dead, exchange, "a.#")
    queue = declare(channel, x_dead_letter_exchange=exchange, x_message_ttl=1)
    channel.queue_bind(queue, "amq.topic", "a.b.%s" % queue)
    channel.basic_publish("amq.topic", "a.b.%s" % queue, b"x")
    method, properties, _ = amqp.get(channel, dead)
    assert (method.exchange, method.routing_key) == (exchange, "a.b.%s" % queue)
    death, = properties.headers["x-death"]
    assert (death["exchange"], death["routing-keys"]) == ("amq.topic", ["a.b.%s" % queue])


def test_a_headers_exchange_goes_by_how_it_died(channel, dead):
    exchange = amqp.unique("dead")
    channel.exchange_declare(exchange, "headers", auto_delete=True)
    queue, another = declare(channel, x_dead_letter_exchange=exchange, x_max_length=0), declare(channel)
    for target, arguments in (
            (dead, {"x-match": "all-with-x", "x-first-death-reason": "maxlen", "x-first-death-queue": queue}),
            (another, {"x-match": "any-with-x", "x-first-death-reason": "expired"})):
        channel.queue_bind(target, exchange, "", arguments=arguments)
    publish(channel, queue, b"x")
    assert amqp.get(channel, dead)[2] == b"x"
    assert amqp.count(channel, another) == 0


def test_a_second_death_comes_first(channel, dead):
    second = declare(channel, dead, x_message_ttl=50)
    first = declare(channel, second, x_message_ttl=50)
    publish(channel, first, b"x")
    _, properties, _ = amqp.get(channel, dead)
    assert [(death["queue"], death["count"]) for death in properties.headers["x-death"]] == [(second, 1), (first, 1)]
    assert properties.headers["x-first-death-queue"] == first


def test_the_same_death_is_counted(channel):
    """A circle through rejection goes on, and says how often."""
    name = amqp.unique("circle")
    channel.queue_declare(name, exclusive=True, arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": name})
    publish(channel, name, b"x")
    for count in range(1, 5):
        method, properties, _ = amqp.get(channel, name)
        if count > 1:
            death, = properties.headers["x-death"]
            assert death["count"] == count - 1
        channel.basic_reject(method.delivery_tag, requeue=False)


def test_a_circle_without_rejection_ends(channel):
    """What expires from a queue it has been in before, and nobody rejected it, is dropped."""
    name = amqp.unique("circle")
    channel.queue_declare(name, exclusive=True, arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": name, "x-message-ttl": 50})
    publish(channel, name, b"x")
    assert amqp.wait_for(lambda: amqp.count(channel, name) == 0)
    time.sleep(0.2)
    assert amqp.count(channel, name) == 0


def test_a_dead_letter_exchange_that_is_not_there(channel):
    queue = declare(channel, x_dead_letter_exchange=amqp.unique("never"), x_message_ttl=30)
    publish(channel, queue, b"x")
    assert amqp.wait_for(lambda: amqp.count(channel, queue) == 0)
    assert channel.is_open


def test_purge_and_delete_kill_nobody(channel, dead):
    queue = declare(channel, dead)
    publish(channel, queue, b"x")
    channel.queue_purge(queue)
    publish(channel, queue, b"y")
    channel.queue_delete(queue)
    time.sleep(0.1)
    assert amqp.count(channel, dead) == 0


def test_cc_is_in_the_history_and_gone_from_the_letter(channel, dead):
    queue, other = declare(channel, dead, x_message_ttl=30), declare(channel)
    publish(channel, queue, b"x", headers={"CC": [other], "BCC": [amqp.unique("nobody")]})
    _, properties, _ = amqp.get(channel, dead)
    assert "CC" not in properties.headers and "BCC" not in properties.headers
    assert properties.headers["x-death"][0]["routing-keys"] == [queue, other]


def letters_by_key(channel, exchange, *keys):
    """A queue for each key at the exchange for dead letters."""
    channel.exchange_declare(exchange, "topic", auto_delete=True)
    queues = {key: declare(channel) for key in keys}
    for key, queue in queues.items():
        channel.queue_bind(queue, exchange, key)
    return queues


def test_without_a_routing_key_all_that_it_was_published_with_count(channel):
    exchange = amqp.unique("dead")
    keys = letters_by_key(channel, exchange, "k", "c1", "c2", "b", "other", "#")
    queue = declare(channel, x_dead_letter_exchange=exchange, x_max_length=0)
    channel.queue_bind(queue, "amq.direct", "k")
    channel.basic_publish("amq.direct", "k", b"x", BasicProperties(headers={"CC": ["c1", "c2"], "BCC": ["b"]}))
    for key in ("k", "c1", "c2", "b", "#"):
        method, properties, body = amqp.get(channel, keys[key])
        assert (method.exchange, method.routing_key, body) == (exchange, "k", b"x")
        assert properties.headers["CC"] == ["c1", "c2"] and "BCC" not in properties.headers
        death, = properties.headers["x-death"]
        assert (death["exchange"], death["routing-keys"]) == ("amq.direct", ["k", "c1", "c2"])
    assert [amqp.drain(channel, name) for name in keys.values()] == [[]] * len(keys)


def test_copies_go_by_name_as_well(channel, dead):
    """The default exchange for dead letters: the first routing key stays, wherever it comes."""
    other = declare(channel)
    queue = declare(channel, x_dead_letter_exchange="", x_max_length=0)
    channel.queue_bind(queue, "amq.direct", dead)
    channel.basic_publish("amq.direct", dead, b"x", BasicProperties(headers={"CC": [other]}))
    for name in (dead, other):
        method, properties, _ = amqp.get(channel, name)
        assert (method.exchange, method.routing_key) == ("", dead)
        assert properties.headers["CC"] == [other]


@pytest.mark.parametrize("given", ["k", "another"])
def test_with_a_routing_key_none_of_the_others_counts(channel, given):
    """Also if it is the one that the message had."""
    exchange = amqp.unique("dead")
    keys = letters_by_key(channel, exchange, given, "c")
    queue = declare(channel, x_dead_letter_exchange=exchange, x_dead_letter_routing_key=given, x_max_length=0)
    channel.queue_bind(queue, "amq.direct", "k")
    channel.basic_publish("amq.direct", "k", b"x", BasicProperties(headers={"CC": ["c"], "mine": 1}))
    method, properties, _ = amqp.get(channel, keys[given])
    assert method.routing_key == given
    assert "CC" not in properties.headers and properties.headers["mine"] == 1
    assert properties.headers["x-death"][0]["routing-keys"] == ["k", "c"]
    assert amqp.drain(channel, keys["c"]) == []


def test_every_death_says_by_which_keys_it_came(channel, dead):
    """Twice with its own keys, then with one that is given, and then by that alone."""
    exchange = amqp.unique("dead")
    fourth = declare(channel, dead, x_max_length=0)
    third = declare(channel, fourth, x_max_length=0)
    second = declare(channel, third, x_max_length=0)
    channel.exchange_declare(exchange, "direct", auto_delete=True)
    channel.queue_bind(second, exchange, "c")
    queue = declare(channel, x_dead_letter_exchange=exchange, x_max_length=0)
    channel.queue_bind(queue, "amq.direct", "k")
    channel.basic_publish("amq.direct", "k", b"x", BasicProperties(headers={"CC": ["c"]}))
    _, properties, _ = amqp.get(channel, dead)
    assert {death["queue"]: death["routing-keys"] for death in properties.headers["x-death"]} == {
        fourth: [fourth], third: [third], second: ["k", "c"], queue: ["k", "c"]}
    assert "CC" not in properties.headers


# Limits


def test_max_length_drops_the_oldest(channel, dead):
    queue = declare(channel, dead, x_max_length=3)
    publish(channel, queue, *[b"%d" % n for n in range(5)])
    assert amqp.drain(channel, queue) == [b"2", b"3", b"4"]
    found = [amqp.get(channel, dead) for _ in range(2)]
    assert [body for _, _, body in found] == [b"0", b"1"]
    assert found[0][1].headers["x-death"][0]["reason"] == "maxlen"


def test_max_length_in_bytes(channel):
    """Cola counts properties and headers as well, RabbitMQ bodies alone; the difference is small here."""
    queue = declare(channel, x_max_length_bytes=10_000)
    publish(channel, queue, *[b"%d" % n * 4_000 for n in range(4)])
    assert amqp.drain(channel, queue) == [b"2" * 4_000, b"3" * 4_000]


def test_max_length_counts_what_waits(channel):
    """What somebody holds takes no room."""
    queue = declare(channel, x_max_length=2)
    publish(channel, queue, b"0", b"1")
    amqp.get(channel, queue)
    publish(channel, queue, b"2")
    assert amqp.wait_for(lambda: amqp.count(channel, queue) == 2)


def test_reject_publish_dead_letters(channel, dead):
    queue = declare(channel, dead, x_max_length=1, x_overflow="reject-publish-dlx")
    channel.confirm_delivery()
    publish(channel, queue, b"0")
    # Whoever publishes hears that there was no room.
    with pytest.raises(NackError):
        publish(channel, queue, b"1")
    assert amqp.get(channel, dead)[2] == b"1"
    assert amqp.drain(channel, queue) == [b"0"]


def test_a_queue_for_nothing(channel):
    queue = declare(channel, x_max_length=0)
    publish(channel, queue, b"x")
    assert amqp.count(channel, queue) == 0


def test_delayed_by_ttl(channel, dead):
    """The way in which Celery, kombu and many programs make messages wait."""
    queue = declare(channel, dead)
    begun = time.monotonic()
    publish(channel, queue, b"later", expiration="300")
    amqp.get(channel, dead)
    assert 0.25 < time.monotonic() - begun < 3
