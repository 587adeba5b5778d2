"""Arguments of queues that RabbitMQ's users know, by the CLI and the native protocol."""
from __future__ import annotations

import json

import pytest

import native
from cli import REFUSED, USAGE, cola


@pytest.fixture
def url(shared_broker):
    return shared_broker.unix


def effective(url, name, kind="queue"):
    return json.loads(cola("describe", kind, name, "--json", url=url).succeeds().out)["effective"]


def test_a_queue_is_declared_with_any_argument_by_its_name(url):
    cola("declare", "queue", "arg-a", "--argument", "x-queue-type=quorum", "--argument", "consumer-timeout=900000",
         "--dead-letter-strategy", "at-least-once", url=url).succeeds()
    found = effective(url, "arg-a")
    assert found == {"queue-type": "quorum", "consumer-timeout": "900000", "dead-letter-strategy": "at-least-once",
                     "delivery-limit": "20"}
    rows = json.loads(cola("queues", "--json", url=url).succeeds().out)
    assert [row["type"] for row in rows if row["name"] == "arg-a"] == ["quorum"]
    cola("declare", "topic", "arg-t", "--argument", "x-max-age=7D", url=url).succeeds()
    assert effective(url, "arg-t", "topic") == {"retention-ms": "604800000"}
    cola("declare", "queue", "arg-c", "--argument", "x-queue-mode=lazy", "--argument", "max-length=3",
         url=url).succeeds()
    assert effective(url, "arg-c") == {"max-length": "3"}
    cola("declare", "queue", "arg-b", "--argument", "color=red", url=url).fails(USAGE, "color")
    cola("declare", "queue", "arg-b", "--argument", "nothing", url=url).fails(USAGE, "NAME=VALUE", "nothing")
    cola("declare", "queue", "arg-b", "--argument", "queue-type=stream", url=url).fails(USAGE, "declare topic")


def test_the_error_of_a_redeclare_names_the_command_that_changes_it(url):
    cola("declare", "queue", "arg-re", "--max-length", "5", url=url).succeeds()
    result = cola("declare", "queue", "arg-re", "--max-length", "6", url=url)
    result.fails(REFUSED, "inequivalent arg 'max-length' for queue 'arg-re' in vhost '/'", "received '6'",
                 "current is '5'", "`cola set queue arg-re --max-length 6`")
    command = result.err.split("`")[1].split()
    cola(*command[1:], url=url).succeeds()
    cola("declare", "queue", "arg-re", "--max-length", "6", url=url).succeeds()


def test_a_broker_can_be_told_to_adopt_what_is_declared(new_broker):
    broker = new_broker("--redeclare", "adopt")
    broker.start()
    cola("declare", "queue", "a", "--max-length", "5", url=broker.unix).succeeds()
    cola("declare", "queue", "a", "--message-ttl", "9000", url=broker.unix).succeeds()
    assert effective(broker.unix, "a") == {"message-ttl": "9000", "max-length": "5"}


def test_a_policy_gives_exchanges_an_alternate_and_lowers_limits(url):
    for queue in ["arg-lost", "arg-lim"]:
        cola("declare", "queue", queue, "--max-length", "50", url=url).succeeds()
    for exchange in ["arg-x", "arg-alt"]:
        cola("declare", "exchange", exchange, "--type", "fanout", url=url).succeeds()
    cola("bind", "arg-alt", "arg-lost", url=url).succeeds()
    cola("set", "policy", "arg-p", "--pattern", "^arg-x$", "--to", "exchanges", "--alternate-exchange", "arg-alt",
         url=url).succeeds()
    cola("publish", "--exchange", "arg-x", "--key", "k", "astray", url=url).succeeds()
    assert cola("get", "arg-lost", url=url).succeeds().out == b"astray\n"
    cola("set", "policy", "arg-q", "--pattern", "^arg-lim$", "--to", "classic_queues", "--max-length", "3",
         url=url).succeeds()
    assert effective(url, "arg-lim")["max-length"] == "3"
    for policy in ["arg-p", "arg-q"]:
        cola("delete", "policy", policy, url=url).succeeds()
    assert effective(url, "arg-lim")["max-length"] == "50"


def test_a_consumer_that_holds_a_message_for_too_long_is_ended_and_says_why(url):
    with native.Connection(url) as slow, native.Connection(url) as other:
        slow.ok("declare queue arg-slow consumer-timeout=200")
        slow.ok("pub arg-slow 3", b"one")
        slow.ok("consume arg-slow c=1")
        first = slow.delivery(timeout=10)
        assert first.body == b"one"
        event = slow.next_event(timeout=20)
        assert isinstance(event, native.ConsumerError) and event.consumer == 1 and event.code == "cancelled"
        assert "consumer-timeout of 200 ms" in event.sentence and "arg-slow" in event.sentence
        other.ok("consume arg-slow c=1 timeout=0")
        again = other.delivery(timeout=10)
        assert (again.body, again.redelivered) == (b"one", 1)
        other.send("ack %d" % again.number)
