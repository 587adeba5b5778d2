"""Messages that were published with AMQP go out with `cola export` and in with `cola import` as they were."""
from __future__ import annotations

import base64
import datetime
import decimal
import json
import struct

import pytest
from pika import BasicProperties, spec

import amqp
import native
from cli import BAD_DATA, cola

pytestmark = pytest.mark.skipif(amqp.elsewhere() is not None, reason="commands of Cola")

FULL = BasicProperties(
    content_type="text/plain", content_encoding="utf-8", delivery_mode=1, priority=7, correlation_id="c", reply_to="r",
    expiration="600000", message_id="m", timestamp=1_700_000_000, type="t", user_id="guest", app_id="a", cluster_id="k",
    headers={"text": "größe", "yes": True, "nothing": None, "int": 5, "long": 1 << 40, "negative": -3,
             "when": datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc), "bytes": b"\x00\xff",
             "price": decimal.Decimal("1.25"), "list": [1, "two", [None], {"three": b"\xfe"}],
             "table": {"a": {"b": [{"c": False}]}}, "empty": {}, "none": []})


@pytest.fixture
def queues(channel):
    names = [amqp.unique("exported"), amqp.unique("imported")]
    for name in names:
        channel.queue_declare(name, durable=True)
    yield names
    for name in names:
        channel.queue_delete(name)


def move(broker, queues):
    """- Returns: the lines that went from one to the other."""
    out = cola("export", queues[0], url=broker.unix).succeeds().out
    count = len(out.splitlines())
    assert cola("import", queues[1], url=broker.unix, input=out).succeeds().lines() == ["imported %d" % count]
    return [json.loads(line) for line in out.splitlines()]


def test_every_property_with_the_type_of_every_header(shared_broker, channel, queues):
    channel.basic_publish("", queues[0], b"body", FULL)
    (row,) = move(shared_broker, queues)
    shown = row["amqp"]
    assert (shown["content_type"], shown["delivery_mode"], shown["app_id"], shown["timestamp"]) == (
        "text/plain", 1, "a", 1_700_000_000)
    headers = shown["headers"]
    assert (headers["text"], headers["yes"], headers["nothing"]) == ("größe", True, None)
    assert headers["int"] == {"I": 5} and headers["long"] == {"l": 1 << 40}
    assert headers["price"] == {"D": [2, 125]} and headers["bytes"] == {"x": base64.b64encode(b"\0\xff").decode()}
    assert headers["list"] == [{"I": 1}, "two", [None], {"F": {"three": {"x": "/g=="}}}]
    assert headers["when"] == {"T": 1_767_225_600} and headers["table"]["F"]["a"]["F"]["b"] == [{"F": {"c": False}}]
    assert row["headers"]["int"] == "5", "what readers of other protocols see stands there as before"
    (_, first, _), (method, second, body) = [channel.basic_get(name, auto_ack=True) for name in queues]
    assert vars(second) == vars(first) and second.headers == FULL.headers
    assert (method.exchange, method.routing_key, body) == ("", queues[1], b"body")


def raw(*fields):
    table = b"".join(bytes([len(name)]) + name + value for name, value in fields)
    return struct.pack(">HI", 0x2000, len(table)) + table


@pytest.mark.parametrize("properties", [
    # Text that is not UTF-8, of a header and of a property; a name of such; the same name twice.
    raw((b"odd", b"S" + struct.pack(">I", 2) + b"\xff\xfe")), struct.pack(">H", 0x0008) + b"\x02\xff\xfe",
    raw((b"\xff", b"V")), raw((b"a", b"V"), (b"a", b"t\x01")),
    # What JSON has no number for.
    raw((b"nan", b"f\x7f\xc0\0\0"), (b"inf", b"d\xff\xf0\0\0\0\0\0\0")), raw((b"zero", b"d\x80\0\0\0\0\0\0\0")),
    raw((b"double", b"d" + struct.pack(">d", 0.1)), (b"float", b"f" + struct.pack(">f", 1e30))),
    # Each small type, at its end.
    raw((b"b", b"b\x80"), (b"B", b"B\xff"), (b"s", b"s\x80\0"), (b"u", b"u\xff\xff"), (b"i", b"i\xff\xff\xff\xff"),
        (b"T", b"T" + b"\xff" * 8), (b"D", b"D\xff\x80\0\0\0"), (b"l", b"l\x80" + b"\0" * 7)),
    # Flags that go on; nothing at all; an empty table.
    b"\x00\x01\x00\x00", b"\x00\x00", raw()])
def test_any_properties_byte_for_byte(shared_broker, wire, queues, properties):
    wire.send_bytes(amqp.marshal(spec.Basic.Publish(routing_key=queues[0])))
    wire.send_bytes(amqp.raw_frame(2, 1, struct.pack(">HHQ", 60, 0, 1) + properties) + amqp.raw_frame(3, 1, b"x"))
    wire.call(spec.Basic.Qos(), spec.Basic.QosOk)
    move(shared_broker, queues)
    for name in queues:
        wire.send(spec.Basic.Get(queue=name, no_ack=True))
        frames = b""
        while properties not in frames and len(frames) < 1_000:
            frames += wire.socket.recv(4_096)
        assert b"\0\x3c\0\0" + struct.pack(">Q", 1) + properties + b"\xce" in frames
        while not frames.endswith(b"\x03\0\x01\0\0\0\x01x\xce"):
            frames += wire.socket.recv(4_096)


def test_what_has_died_does_not_expire_again(shared_broker, channel, queues):
    dying = channel.queue_declare("", exclusive=True, arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": queues[0]}).method.queue
    channel.basic_publish("", dying, b"x", BasicProperties(expiration="1", app_id="a"))
    assert amqp.wait_for(lambda: amqp.count(channel, queues[0]) == 1)
    (row,) = move(shared_broker, queues)
    assert row["amqp"] == {"app_id": "a"}
    _, properties, _ = amqp.get(channel, queues[1])
    assert (properties.app_id, properties.expiration) == ("a", None)


def test_what_consume_prints_can_be_imported(shared_broker, channel, queues):
    channel.basic_publish("", queues[0], b"x", FULL)
    out = cola("consume", "-q", queues[0], "--json", url=shared_broker.unix).succeeds().out
    cola("import", queues[1], url=shared_broker.unix, input=out).succeeds()
    assert vars(amqp.get(channel, queues[1])[1]) == vars(FULL)


@pytest.mark.parametrize("value, words", [
    ("5", ["no object"]), ('{"contenttype":"x"}', ["contenttype"]), ('{"priority":256}', ["priority", "255"]),
    ('{"type":5}', ["'type'", "no text"]), ('{"headers":[]}', ["'headers'", "no object"]),
    ('{"headers":{"a":5}}', ["'a'", '{"I":5}']), ('{"headers":{"a":{"I":5000000000}}}', ["'a'", "2147483647"]),
    ('{"headers":{"a":{"Q":5}}}', ["'a'", "'Q'"]), ('{"headers":{"a":{"x":"a"}}}', ["'a'", "base64"]),
    ('{"headers":{"a":{"D":[1]}}}', ["'a'", "decimal"]), ('{"base64":"a"}', ["base64"]),
    ('{"type":"%s"}' % ("x" * 256), ["'type'", "255"])])
def test_properties_that_are_wrong_are_named(shared_broker, queues, value, words):
    line = '{"body":"x","amqp":%s}\n' % value
    cola("import", queues[1], url=shared_broker.unix, input=line).fails(BAD_DATA, "line 1", "'amqp'", *words)


@pytest.mark.parametrize("properties, words", [
    (b"x", "cut|end|middle"), (b"\x10\x00", "end"), (b"\x10\x00\x05", "delivery_mode"), (b"\x00\x03", "flags|end"),
    (b"\x10\x00\x01\x00", "behind")])
def test_the_server_takes_nothing_that_consumers_could_not_read(shared_broker, channel, queues, properties, words):
    with native.Connection(shared_broker.unix) as connection:
        escaped = "".join("%%%02X" % byte for byte in properties)
        answer = connection.call("pub %s 1 amqp=%s" % (queues[0], escaped), b"x")
        assert answer.code == "syntax" and any(word in answer.sentence for word in words.split("|")), answer
    assert amqp.count(channel, queues[0]) == 0


def test_nobody_sends_in_the_name_of_another(shared_broker, channel, queues):
    named = b"\x00\x10\x05guest"
    escaped = "".join("%%%02X" % byte for byte in named)
    with native.Connection(shared_broker.unix) as local:
        local.ok("user ana password=sesame")
        local.ok("permit ana configure=.* write=.* read=.*")
        local.ok("pub %s 1 amqp=%s" % (queues[0], escaped), b"x")
    with native.Connection(shared_broker.tcp, 30, "hello 1 user=ana password=sesame") as ana:
        answer = ana.call("pub %s 1 amqp=%s" % (queues[0], escaped), b"x")
        assert answer.code == "syntax" and "user_id" in answer.sentence, answer
    with native.Connection(shared_broker.unix) as local:
        local.ok("user ana tags=impersonator")
    with native.Connection(shared_broker.tcp, 30, "hello 1 user=ana password=sesame") as ana:
        ana.ok("pub %s 1 amqp=%s" % (queues[0], escaped), b"x")
    assert [amqp.get(channel, queues[0])[1].user_id for _ in range(2)] == ["guest"] * 2
