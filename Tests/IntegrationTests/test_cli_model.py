"""declare with every setting, set, policies, delete, bindings of every kind, and the properties of a message."""
from __future__ import annotations

import json

import pytest

from cli import REFUSED, USAGE, cola


@pytest.fixture
def url(shared_broker):
    return shared_broker.unix


def describe(url, *subject):
    return json.loads(cola("describe", *subject, "--json", url=url).succeeds().out)


QUEUE_SETTINGS = {
    "message-ttl": "60000", "expires": "3600000", "max-length": "1000", "max-length-bytes": "1000000",
    "overflow": "reject-publish", "delivery-limit": "5", "retry": "delays=100,2000,attempts=7",
    "dead-letter-exchange": "amq.fanout",
    "dead-letter-routing-key": "dead", "single-active-consumer": "yes", "max-priority": "9",
    "deduplication-window": "5000",
}
TOPIC_SETTINGS = {
    "retention-ms": "86400000", "retention-bytes": "1000000", "cleanup-policy": "compact,delete",
    "delete-retention-ms": "1000", "deduplication-window": "5000",
}


def options(settings):
    return [word for name, value in settings.items() for word in ("--" + name, value)]


def test_declare_takes_every_setting(url):
    cola("declare", "queue", "mod-all", *options(QUEUE_SETTINGS), url=url).succeeds()
    assert describe(url, "queue", "mod-all")["arguments"] == QUEUE_SETTINGS
    cola("declare", "topic", "mod-topic", "--partitions", "3", *options(TOPIC_SETTINGS), url=url).succeeds()
    found = describe(url, "topic", "mod-topic")
    assert found["arguments"] == TOPIC_SETTINGS and found["partitions"] == 3
    cola("declare", "queue", "mod-all", url=url).fails(REFUSED, "mod-all")
    cola("declare", "queue", "mod-brief", "--transient", "--auto-delete", url=url).succeeds()
    found = describe(url, "queue", "mod-brief")
    assert found["durable"] is False and found["auto-delete"] is True


def test_set_changes_a_queue_and_a_topic_while_they_run(url):
    cola("declare", "queue", "mod-set", "--max-length", "5", url=url).succeeds()
    cola("set", "queue", "mod-set", "--max-length", "2", "--message-ttl", "60000", url=url).succeeds()
    assert describe(url, "queue", "mod-set")["arguments"] == {"max-length": "2", "message-ttl": "60000"}
    cola("publish", "-q", "mod-set", "1", "2", "3", url=url).succeeds()
    assert describe(url, "queue", "mod-set")["ready"] == 2
    cola("set", "queue", "mod-set", "--clear", "max-length,message-ttl", url=url).succeeds()
    assert describe(url, "queue", "mod-set")["arguments"] == {}
    cola("declare", "topic", "mod-sett", url=url).succeeds()
    cola("set", "topic", "mod-sett", "--retention-ms", "1000", url=url).succeeds()
    assert describe(url, "topic", "mod-sett")["arguments"] == {"retention-ms": "1000"}
    cola("set", "queue", "mod-sett", "--max-length", "1", url=url).fails(REFUSED, "mod-sett")
    cola("set", "topic", "mod-none", "--retention-ms", "1", url=url).fails(REFUSED, "mod-none")
    cola("set", "queue", "mod-set", "--retention-ms", "1", url=url).fails(USAGE, "retention-ms")


def test_a_policy_holds_for_every_queue_that_fits(url):
    policy = ["policy", "mod-p", "--pattern", "^modp-", "--to", "queues", "--priority", "3", "--max-length", "2"]
    cola("set", *policy, url=url).succeeds()
    cola("declare", "queue", "modp-a", url=url).succeeds()
    found = describe(url, "queue", "modp-a")
    assert found["policy"] == "mod-p" and found["effective"] == {"max-length": "2"} and found["arguments"] == {}
    cola("delete", "policy", "mod-p", url=url).succeeds()
    assert describe(url, "queue", "modp-a")["effective"] == {}
    cola("delete", "policy", "mod-p", url=url).fails(REFUSED, "mod-p")
    cola("set", "policy", "mod-p", "--pattern", "(", "--max-length", "2", url=url).fails(USAGE, "(")


def test_delete_of_each_kind(url):
    cola("declare", "vhost", "mod-host", url=url).succeeds()
    assert cola("delete", "vhost", "mod-host", url=url).succeeds().out == b""
    cola("declare", "topic", "mod-dt", url=url).succeeds()
    cola("publish", "--topic", "mod-dt", "1", url=url).succeeds()
    assert cola("delete", "topic", "mod-dt", url=url).succeeds().lines() == ["1"]
    cola("publish", "-q", "mod-dq", "--declare", "x", url=url).succeeds()
    cola("delete", "queue", "mod-dq", "--if-empty", url=url).fails(REFUSED, "mod-dq")
    assert cola("delete", "queue", "mod-dq", "--if-unused", url=url).succeeds().lines() == ["1"]
    cola("declare", "exchange", "mod-dx", "--type", "topic", url=url).succeeds()
    cola("declare", "queue", "mod-dq", url=url).succeeds()
    cola("bind", "mod-dx", "mod-dq", "--key", "#", url=url).succeeds()
    cola("delete", "exchange", "mod-dx", "--if-unused", url=url).fails(REFUSED, "mod-dx")
    cola("delete", "exchange", "mod-dx", url=url).succeeds()


def test_bindings_of_every_kind_lead_messages(url):
    for queue in ("mod-b1", "mod-b2"):
        cola("declare", "queue", queue, url=url).succeeds()
    cola("declare", "exchange", "mod-t", "--type", "topic", url=url).succeeds()
    cola("declare", "exchange", "mod-h", "--type", "headers", "--alternate", "mod-t", url=url).succeeds()
    cola("bind", "mod-t", "mod-b1", "--key", "a.*", url=url).succeeds()
    cola("bind", "mod-h", "mod-b2", "--header", "eu=1", "--header", "urgent=", "--any", url=url).succeeds()
    cola("bind", "amq.direct", "mod-t", "--routing-key", "a.x", "--to-exchange", url=url).succeeds()
    cola("publish", "--exchange", "amq.direct", "--routing-key", "a.x", "over two", url=url).succeeds()
    cola("publish", "--exchange", "mod-h", "--header", "urgent=now", "by header", url=url).succeeds()
    cola("publish", "--exchange", "mod-h", "--routing-key", "a.y", "alternate", url=url).succeeds()
    assert cola("consume", "-q", "mod-b1", url=url).succeeds().lines() == ["over two", "alternate"]
    assert cola("consume", "-q", "mod-b2", url=url).succeeds().lines() == ["by header"]
    headers = ["--header", "eu=1", "--header", "urgent=", "--any"]
    cola("unbind", "mod-h", "mod-b2", *headers, url=url).succeeds()
    cola("unbind", "amq.direct", "mod-t", "--key", "a.x", "--to-exchange", url=url).succeeds()
    rows = json.loads(cola("bindings", "mod-*", "--json", url=url).succeeds().out)
    assert [(row["source"], row["key"], row["destination"]) for row in rows] == [("mod-t", "a.*", "mod-b1")]


def test_properties_travel_with_each_message(url):
    cola("declare", "queue", "mod-prop", "--max-priority", "9", "--deduplication-window", "60000", url=url).succeeds()
    more = ["--key", "k", "--message-id", "m1", "--reply-to", "mod-re", "--correlation-id", "c1"]
    cola("publish", "-q", "mod-prop", "--priority", "1", *more, "low", url=url).succeeds()
    cola("publish", "-q", "mod-prop", "--priority", "8", "--expiration", "600000", "high", url=url).succeeds()
    cola("publish", "-q", "mod-prop", "--message-id", "m1", "twice", url=url).succeeds()
    rows = [json.loads(line) for line in cola("consume", "-q", "mod-prop", "--json", url=url).succeeds().lines()]
    assert [row["body"] for row in rows] == ["high", "low"]
    assert rows[1]["key"] == "k" and rows[1]["headers"]["cola-message-id"] == "m1"
    assert rows[1]["headers"]["cola-reply-to"] == "mod-re" and rows[1]["headers"]["cola-correlation-id"] == "c1"
    assert int(rows[0]["headers"]["cola-expires"]) > rows[0]["timestamp"]
    cola("publish", "-q", "mod-prop", "--delay", "300", "later", url=url).succeeds()
    assert cola("get", "mod-prop", url=url).succeeds().out == b""
    arguments = ["consume", "-q", "mod-prop", "--count", "1", "--idle-timeout", "20"]
    assert cola(*arguments, url=url).succeeds().lines() == ["later"]


@pytest.mark.parametrize("arguments, words", [
    (["declare", "queue", "q", "--max-length", "many"], ["--max-length", "many"]),
    (["declare", "queue", "q", "--overflow", "explode"], ["--overflow", "explode", "drop-head"]),
    (["declare", "queue", "q", "--partitions", "2"], ["--partitions", "queue"]),
    (["declare", "topic", "t", "--partitions", "0"], ["--partitions"]),
    (["declare", "topic", "t", "--transient"], ["--transient"]),
    (["declare", "queue", "q", "--alternate", "e"], ["--alternate"]),
    (["declare", "exchange", "e", "--type", "topic", "--max-length", "1"], ["--max-length", "exchange"]),
    (["declare", "queue", "q", "--max-lenght", "1"], ["--max-lenght", "--max-length"]),
    (["set", "queue", "q"], ["nothing to change"]),
    (["set", "policy", "p", "--max-length", "1"], ["--pattern"]),
    (["set", "policy", "p", "--pattern", "x"], ["setting"]),
    (["set", "policy", "p", "--pattern", "x", "--clear", "y"], ["--clear"]),
    (["set", "queue", "q", "--pattern", "x"], ["--pattern"]),
    (["delete", "topic", "t", "--if-empty"], ["--if-empty"]),
    (["delete", "policy", "p", "--if-unused"], ["--if-unused"]),
    (["delete", "group", "t"], ["group TOPIC GROUP"]),
    (["bind", "e", "q", "--any"], ["--any"]),
    (["bind", "e", "q", "--header", "novalue"], ["novalue"]),
    (["publish", "-q", "q", "--priority", "256", "x"], ["--priority"]),
    (["publish", "-q", "q", "--expiration", "soon", "x"], ["--expiration", "soon"]),
    (["publish", "-q", "q", "--partition", "1000", "x"], ["--partition"]),
    (["publish", "-q", "q", "--partition", "1", "--delay", "5", "x"], ["--partition", "--delay"]),
])
def test_wrong_usage_says_what_is_wrong(url, arguments, words):
    cola(*arguments, url=url).fails(USAGE, *words, "--help")
