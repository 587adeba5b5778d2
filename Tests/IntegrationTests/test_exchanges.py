"""Exchanges of every type and kind of life against the real server, over the native protocol and the commands, and what
of them is there after a restart."""
from __future__ import annotations

import json

import pytest

import native
from cli import NOT_PERMITTED, REFUSED, USAGE, cola
from test_model import soon
from test_protocol import assert_error, contents, pub


def listed(connection, what, name):
    """The rows of a listing whose name, or source, begins so."""
    rows = {row.get("name") or row["source"]: row for row in connection.ok("list %s" % what).json()}
    return {key: row for key, row in rows.items() if key.startswith(name)}


def refused(connection, target, body, options):
    connection.send_bytes(native.publish(target, body, options))
    return connection.answer()


@pytest.fixture
def served(broker):
    with native.Connection(broker.unix) as opened:
        yield broker, opened


def test_what_is_durable_is_there_after_a_restart(served):
    broker, connection = served
    connection.ok("declare queue q")
    connection.ok("declare exchange kept type=x-consistent-hash hash-header=who auto-delete=yes delayed=yes")
    connection.ok("declare exchange inside type=fanout internal=yes alternate=kept")
    connection.ok("declare exchange passing type=fanout durable=no")
    connection.ok("bind kept q key=3")
    connection.ok("bind passing q")
    connection.ok("bind inside passing to=exchange")
    connection.ok("bind amq.headers q match=any h.x-tenant=1 h.urgent=")
    pub(connection, "%", b"1", options="x=passing")
    assert contents(connection, "q") == [b"1"]
    before = {name: row for name, row in listed(connection, "exchanges", "").items() if name != "passing"}
    broker.kill()
    broker.start()
    with native.Connection(broker.unix) as again:
        assert listed(again, "exchanges", "") == before
        assert before["kept"] == {
            "name": "kept", "type": "x-consistent-hash", "alternate": None, "durable": True, "auto-delete": True,
            "internal": False, "delayed": True, "arguments": {"hash-header": "who"},
        }
        assert before["inside"]["internal"] and before["inside"]["alternate"] == "kept"
        bindings = listed(again, "bindings", "")
        assert sorted(bindings) == ["amq.headers", "kept"]
        assert bindings["amq.headers"]["arguments"] == {"urgent": None, "x-match": "any-with-x", "x-tenant": "1"}
        pub(again, "%", b"2", options="x=amq.headers h.x-tenant=1")
        again.ok("unbind amq.headers q match=any h.urgent= h.x-tenant=1")
        assert_error(refused(again, "%", b"3", "x=amq.headers h.x-tenant=1"), "unroutable")
        assert contents(again, "q") == [b"2"]


def test_an_auto_delete_exchange_goes_with_its_last_binding(served):
    broker, connection = served
    connection.ok("declare queue q")
    for name in ("a", "b"):
        connection.ok("declare exchange %s type=fanout auto-delete=yes" % name)
    connection.ok("bind a b to=exchange")
    connection.ok("bind b q")
    assert sorted(listed(connection, "exchanges", "")) == ["a", "amq.direct", "amq.fanout", "amq.headers", "amq.match",
                                                         "amq.rabbitmq.trace", "amq.topic", "b"]
    connection.ok("delete queue q")
    broker.kill()
    broker.start()
    with native.Connection(broker.unix) as again:
        assert [name for name in listed(again, "exchanges", "") if not name.startswith("amq.")] == []
        assert again.ok("list bindings").json() == []


def test_an_internal_exchange_takes_from_exchanges_alone(connection):
    connection.ok("declare queue int.q")
    connection.ok("declare exchange int.in type=fanout internal=yes")
    connection.ok("declare exchange int.out type=fanout")
    connection.ok("bind int.in int.q")
    connection.ok("bind int.out int.in to=exchange")
    answer = refused(connection, "%", b"1", "x=int.in")
    assert_error(answer, "access_refused")
    pub(connection, "%", b"2", options="x=int.out")
    assert contents(connection, "int.q") == [b"2"]
    assert_error(refused(connection, "k", b"3", "x=amq.rabbitmq.trace mandatory=no"), "access_refused")


def test_a_hash_leads_the_same_key_to_the_same_queue_also_after_a_restart(served):
    broker, connection = served
    connection.ok("declare exchange x type=x-consistent-hash")
    for queue, weight in (("c", 2), ("a", 1), ("b", 1)):
        connection.ok("declare queue %s" % queue)
        connection.ok("bind x %s key=%d" % (queue, weight))
    assert_error(connection.call("bind x a key=heavy"), "syntax")

    def places(opened):
        for key in range(200):
            pub(opened, "customer.%d" % key, b"%d" % key, options="x=x")
        return {queue: contents(opened, queue) for queue in "abc"}

    first = places(connection)
    assert sum(map(len, first.values())) == 200 and all(first.values())
    assert 70 < len(first["c"]) < 130
    assert places(connection) == first
    broker.kill()
    broker.start()
    with native.Connection(broker.unix) as again:
        assert places(again) == first
        again.ok("delete queue a")
        for key in first["b"] + first["c"]:
            pub(again, "customer.%d" % int(key), key, options="x=x")
        assert {queue: contents(again, queue) for queue in "bc"} == {queue: first[queue] for queue in "bc"}


@pytest.mark.parametrize("kind", ["x-random", "x-local-random", "x-modulus-hash"])
def test_one_of_the_bindings_gets_each_message(connection, kind):
    connection.ok("declare exchange %s type=%s" % (kind, kind))
    for number in range(3):
        connection.ok("declare queue %s.%d" % (kind, number))
        connection.ok("bind %s %s.%d" % (kind, kind, number))
    for number in range(60):
        pub(connection, "k%d" % number, b"%d" % number, options="x=" + kind)
    found = [contents(connection, "%s.%d" % (kind, number)) for number in range(3)]
    assert sorted(int(body) for bodies in found for body in bodies) == list(range(60)) and all(found)


def test_what_is_bound_later_gets_the_last_messages(connection):
    connection.ok("declare exchange rec type=x-recent-history recent-history-length=2")
    for body in (b"1", b"2", b"3"):
        pub(connection, "k", body, options="x=rec mandatory=no")
    pub(connection, "k", b"4", options="x=rec mandatory=no h.x-recent-history-no-store=true")
    connection.ok("declare queue rec.q")
    connection.ok("bind rec rec.q")
    pub(connection, "k", b"5", options="x=rec")
    assert contents(connection, "rec.q") == [b"2", b"3", b"5"]


def test_a_delayed_exchange_routes_when_the_time_has_come(served):
    broker, connection = served
    connection.ok("declare exchange x type=direct delayed=yes")
    connection.ok("declare queue q")
    pub(connection, "k", b"later", options="x=x delay=600")
    assert_error(refused(connection, "k", b"now", "x=x"), "unroutable")
    broker.kill()
    broker.start()
    with native.Connection(broker.unix) as again:
        again.ok("bind x q key=k")
        assert soon(again, "q").body == b"later"


def test_another_declaration_is_told_what_differs(connection):
    connection.ok("declare exchange dif type=topic auto-delete=yes")
    connection.ok("declare exchange dif type=topic auto-delete=yes")
    answer = connection.call("declare exchange dif type=direct auto-delete=yes")
    assert_error(answer, "mismatch")
    assert "inequivalent arg 'type' for exchange 'dif' in vhost '/': received 'direct' but current is 'topic'" in str(
        answer)
    assert_error(connection.call("declare exchange dif type=topic"), "mismatch")
    assert_error(connection.call("declare exchange amq.mine type=topic"), "access_refused")
    assert_error(connection.call("delete exchange amq.rabbitmq.trace"), "access_refused")


def test_the_command_declares_and_lists_them(shared_broker):
    url = shared_broker.unix
    cola("declare", "queue", "cmd-q", url=url).succeeds()
    cola("declare", "exchange", "cmd-x", "--type", "x-consistent-hash", "--hash-header", "who", "--transient",
         "--auto-delete", "--internal", "--delayed", "--alternate", "amq.fanout", url=url).succeeds()
    cola("declare", "exchange", "cmd-h", "--type", "x-recent-history", "--recent-history-length", "3",
         url=url).succeeds()
    rows = cola("exchanges", "cmd-*", url=url).succeeds().lines()
    assert rows[1].split() == ["cmd-h", "x-recent-history", "-", "x-recent-history-length=3"]
    assert rows[2].split() == ["cmd-x", "x-consistent-hash", "amq.fanout",
                               "transient,auto-delete,internal,delayed,hash-header=who"]
    row = json.loads(cola("exchanges", "cmd-h", "--json", url=url).succeeds().out)[0]
    assert row["arguments"] == {"x-recent-history-length": 3} and row["durable"]
    result = cola("declare", "exchange", "cmd-h", "--type", "fanout", url=url).fails(REFUSED, "cmd-h")
    assert "received 'fanout' but current is 'x-recent-history'" in result.err
    cola("bind", "cmd-x", "cmd-q", "--key", "heavy", url=url).fails(USAGE, "weight")
    cola("bind", "cmd-x", "cmd-q", "--key", "2", url=url).succeeds()
    cola("publish", "--exchange", "cmd-x", "--routing-key", "k", "x", url=url).fails(
        NOT_PERMITTED, "internal")
    cola("unbind", "cmd-x", "cmd-q", "--key", "2", url=url).succeeds()
    assert json.loads(cola("exchanges", "cmd-x", "--json", url=url).succeeds().out) == []


@pytest.mark.parametrize("arguments, words", [
    (["--type", "fanout", "--hash-header", "a"], ["--hash-header", "x-consistent-hash"]),
    (["--type", "x-consistent-hash", "--hash-header", "a", "--hash-property", "message-id"], ["not both"]),
    (["--type", "x-consistent-hash", "--hash-property", "colour"], ["colour", "message-id"]),
    (["--type", "fanout", "--recent-history-length", "5"], ["--recent-history-length", "x-recent-history"]),
    (["--type", "x-recent-history", "--recent-history-length", "0"], ["--recent-history-length", "10000"]),
    (["--type", "x-delayed-message"], ["x-delayed-message"]),
])
def test_the_command_says_what_does_not_fit(arguments, words):
    result = cola("declare", "exchange", "e", *arguments, url="unix:///nowhere").fails(USAGE)
    assert all(word in result.err for word in words), result.err


def test_what_is_for_exchanges_is_for_nothing_else():
    for option in ("--internal", "--delayed"):
        cola("declare", "queue", "q", option, url="unix:///nowhere").fails(USAGE, option)
    cola("declare", "queue", "q", "--hash-header", "a", url="unix:///nowhere").fails(USAGE, "--hash-header")
