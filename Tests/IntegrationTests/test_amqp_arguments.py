"""What clients of RabbitMQ declare, publish with and get back: arguments, properties, dead letters, streams."""
from __future__ import annotations

import json
import time

import pika
import pytest
from pika.exceptions import ChannelClosedByBroker

import native
from cli import cola

Properties = pika.BasicProperties


@pytest.fixture
def connection(shared_broker):
    host, _, port = shared_broker.amqp.rpartition("://")[2].rpartition(":")
    connection = pika.BlockingConnection(pika.ConnectionParameters(host, int(port)))
    yield connection
    if connection.is_open:
        connection.close()


@pytest.fixture
def channel(connection):
    return connection.channel()


def effective(broker, name, kind="queue"):
    return json.loads(cola("describe", kind, name, "--json", url=broker.unix).succeeds().out)["effective"]


def get(channel, queue, seconds=10.0):
    """The next message of the queue, unacknowledged; it may still be on its way there."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        method, properties, body = channel.basic_get(queue)
        if method:
            return method, properties, body
        time.sleep(0.02)
    raise TimeoutError("nothing in " + queue)


def refused(connection, call):
    channel = connection.channel()
    with pytest.raises(ChannelClosedByBroker) as closed:
        call(channel)
    return closed.value.reply_code, closed.value.reply_text


# Arguments


def test_a_queue_has_what_it_was_declared_with(shared_broker, channel):
    channel.queue_declare("aa-q", durable=True, arguments={
        "x-message-ttl": 60000, "x-max-length": 7, "x-overflow": "reject-publish", "x-queue-type": "quorum",
        "x-dead-letter-exchange": "", "x-dead-letter-strategy": "at-least-once", "x-consumer-timeout": 900000,
        "x-queue-leader-locator": "balanced", "x-nobody-knows": "it"})
    assert effective(shared_broker, "aa-q") == {
        "message-ttl": "60000", "max-length": "7", "overflow": "reject-publish", "queue-type": "quorum",
        "dead-letter-exchange": "", "dead-letter-strategy": "at-least-once", "consumer-timeout": "900000",
        "delivery-limit": "20"}
    # Once more, with what is not compared.
    channel.queue_declare("aa-q", durable=True, arguments={
        "x-message-ttl": 60000, "x-max-length": 7, "x-overflow": "reject-publish", "x-queue-type": "quorum",
        "x-dead-letter-exchange": "", "x-consumer-timeout": 5})
    channel.queue_declare("aa-q", passive=True)


def test_what_cannot_be_is_refused_in_rabbitmqs_words(connection):
    def declare(**arguments):
        names = {"x-" + name.replace("_", "-"): value for name, value in arguments.items()}
        return refused(connection, lambda channel: channel.queue_declare("aa-bad", durable=True, arguments=names))

    begin = "PRECONDITION_FAILED - invalid arg '%s' for queue 'aa-bad' in vhost '/': "
    assert declare(max_length=-1) == (406, begin % "x-max-length" + "{value_negative,-1}")
    assert declare(queue_type="foo") == (406, begin % "x-queue-type" + "\"unsupported queue type 'foo'\"")
    assert declare(expires="x") == (406, begin % "x-expires" + '"expected integer, got longstr"')


def test_a_redeclare_that_differs_names_the_command_that_changes_it(connection, shared_broker):
    connection.channel().queue_declare("aa-re", durable=True)
    code, text = refused(
        connection, lambda channel: channel.queue_declare("aa-re", durable=True, arguments={"x-message-ttl": 1000}))
    assert code == 406 and text.startswith(
        "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'aa-re' in vhost '/': received '1000' but "
        "current is none; `cola set queue aa-re --message-ttl 1000`")
    code, text = refused(connection, lambda channel: channel.queue_declare("aa-re", durable=True, auto_delete=True))
    assert code == 406 and "received 'true' but current is 'false'" in text


def test_a_consumer_that_holds_a_message_for_too_long_loses_its_channel(connection, channel):
    channel.queue_declare("aa-slow", durable=True)
    channel.basic_publish("", "aa-slow", b"one")
    channel.basic_consume("aa-slow", lambda *_: None, arguments={"x-consumer-timeout": 200})
    with pytest.raises(ChannelClosedByBroker) as closed:
        channel.start_consuming()
    assert closed.value.reply_code == 406
    assert "delivery acknowledgement on channel 1 timed out. Timeout value used: 200 ms" in closed.value.reply_text
    method, _, body = get(connection.channel(), "aa-slow")
    assert body == b"one" and method.redelivered


# Properties


def test_properties_come_back_as_they_were(channel):
    channel.queue_declare("aa-props")
    everything = Properties(
        content_type="text/plain", content_encoding="gzip", delivery_mode=1, priority=7, correlation_id="c",
        reply_to="r", expiration="60000", message_id="m", timestamp=1795360000, type="t", user_id="guest",
        app_id="a", cluster_id="x", headers={"s": "ä", "i": -5, "l": [1, {"deep": True}], "n": None, "b": b"\xff\x00"})
    for properties in [everything, Properties(), None, Properties(delivery_mode=2), Properties(headers={})]:
        channel.basic_publish("", "aa-props", b"body", properties)
        method, found, body = get(channel, "aa-props")
        assert body == b"body" and (method.exchange, method.routing_key) == ("", "aa-props")
        assert found == (properties or Properties())


def test_native_readers_see_headers_and_native_messages_have_properties(shared_broker, channel):
    channel.queue_declare("aa-mixed")
    channel.basic_publish(
        "", "aa-mixed", b"one",
        Properties(headers={"lang": "en", "n": 7}, message_id="m1", reply_to="back", correlation_id="c1"))
    with native.Connection(shared_broker.unix) as client:
        client.ok("consume aa-mixed c=1 ack=auto")
        message = client.delivery(timeout=10)
        assert (message.header("lang"), message.header("n")) == ("en", "7")
        assert [message.header("cola-" + name) for name in ["message-id", "reply-to", "correlation-id"]] == [
            "m1", "back", "c1"]
        client.ok("cancel 1")
        client.ok("pub aa-mixed 3 id=m2 reply=there corr=c2 h.lang=de", b"two")
    _, found, body = get(channel, "aa-mixed")
    assert body == b"two"
    assert found == Properties(
        delivery_mode=2, headers={"lang": "de"}, message_id="m2", reply_to="there", correlation_id="c2")


@pytest.mark.parametrize("properties, text", [
    (Properties(expiration="abc"), "invalid expiration 'abc': no_integer"),
    (Properties(user_id="other"), "user_id property set to 'other' but authenticated user was 'guest'"),
    (Properties(headers={"CC": "a"}), 'invalid message: {unacceptable_type_in_header,"CC",longstr}'),
])
def test_properties_that_cannot_be_end_the_channel(connection, properties, text):
    def publish(channel):
        channel.queue_declare("aa-wrong")
        channel.confirm_delivery()
        channel.basic_publish("", "aa-wrong", b"x", properties)

    assert refused(connection, publish) == (406, "PRECONDITION_FAILED - " + text)


def test_a_headers_exchange_compares_numbers_and_texts(channel):
    channel.queue_declare("aa-headers")
    channel.queue_bind("aa-headers", "amq.headers", arguments={"x-match": "all", "lang": "en", "n": 5})
    channel.basic_publish("amq.headers", "", b"no", Properties(headers={"lang": "en", "n": 6}))
    channel.basic_publish("amq.headers", "", b"yes", Properties(headers={"lang": "en", "n": 5, "more": True}))
    method, _, body = get(channel, "aa-headers")
    assert body == b"yes" and method.exchange == "amq.headers"


# Dead letters, redelivery and streams


def test_a_dead_letter_tells_its_story_the_latest_first(channel):
    channel.queue_declare("aa-d1", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "aa-d2"})
    channel.queue_declare("aa-d2", arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "aa-d1", "x-message-ttl": 50})
    channel.basic_publish("", "aa-d1", b"b", Properties(expiration="100000", headers={"k": "v"}, app_id="a"))
    for count in [1, 2]:
        method, found, _ = get(channel, "aa-d1")
        channel.basic_reject(method.delivery_tag, requeue=False)
    method, found, body = get(channel, "aa-d1")
    assert body == b"b" and not method.redelivered and (method.exchange, method.routing_key) == ("", "aa-d1")
    assert found.expiration is None and found.app_id == "a"
    deaths = found.headers.pop("x-death")
    assert found.headers == {
        "k": "v", "x-first-death-exchange": "", "x-first-death-queue": "aa-d1", "x-first-death-reason": "rejected",
        "x-last-death-exchange": "", "x-last-death-queue": "aa-d2", "x-last-death-reason": "expired"}
    assert all(death.pop("time") for death in deaths)
    assert deaths == [
        {"count": 2, "reason": "expired", "queue": "aa-d2", "exchange": "", "routing-keys": ["aa-d2"]},
        {"count": 2, "reason": "rejected", "queue": "aa-d1", "exchange": "", "routing-keys": ["aa-d1"],
         "original-expiration": "100000"},
    ]


def test_a_quorum_queue_counts_deliveries_and_gives_up(channel):
    channel.queue_declare("aa-dead")
    channel.queue_declare("aa-quorum", durable=True, arguments={
        "x-queue-type": "quorum", "x-delivery-limit": 2, "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "aa-dead"})
    channel.basic_publish("", "aa-quorum", b"q")
    for count in range(3):
        method, found, _ = get(channel, "aa-quorum")
        assert found.headers["x-delivery-count"] == count and method.redelivered == (count > 0)
        channel.basic_nack(method.delivery_tag, requeue=True)
    _, found, _ = get(channel, "aa-dead")
    assert [(death["reason"], death["queue"]) for death in found.headers["x-death"]] == [
        ("delivery_limit", "aa-quorum")]


def test_a_stream_is_read_from_where_a_consumer_says(connection, channel, shared_broker):
    channel.queue_declare("aa-stream", durable=True, arguments={"x-queue-type": "stream", "x-max-age": "7D"})
    channel.queue_declare("aa-stream", durable=True, arguments={"x-queue-type": "stream", "x-max-age": "7D"})
    assert effective(shared_broker, "aa-stream", "topic") == {"retention-ms": "604800000"}
    channel.confirm_delivery()
    for number in range(5):
        channel.basic_publish("", "aa-stream", b"%d" % number, Properties(delivery_mode=2))
    channel.basic_qos(prefetch_count=10)
    for offset, expected in [("first", b"01234"), (3, b"34"), ("1h", b"01234")]:
        bodies, offsets = b"", []
        for method, found, body in channel.consume(
                "aa-stream", arguments={"x-stream-offset": offset}, inactivity_timeout=10):
            assert method, "nothing more"
            bodies, offsets = bodies + body, offsets + [found.headers["x-stream-offset"]]
            channel.basic_ack(method.delivery_tag)
            if bodies == expected:
                break
        channel.cancel()
        assert offsets == [int(chr(byte)) for byte in expected]
    code, text = refused(connection, lambda channel: channel.queue_declare(
        "aa-stream2", durable=False, arguments={"x-queue-type": "stream"}))
    assert (code, text) == (
        406, "PRECONDITION_FAILED - invalid property 'non-durable' for queue 'aa-stream2' in vhost '/'")


def test_a_message_with_no_time_to_wait_is_for_a_consumer_that_waits(connection, channel):
    channel.queue_declare("aa-now", durable=True)
    heard = []
    channel.basic_consume("aa-now", lambda _channel, _method, _properties, body: heard.append(body), auto_ack=True)
    other = connection.channel()
    other.confirm_delivery()
    for number in range(3):
        other.basic_publish("", "aa-now", b"%d" % number, Properties(expiration="0", delivery_mode=2))
    for _ in range(100):
        connection.process_data_events(0.05)
        if len(heard) == 3:
            break
    assert heard == [b"0", b"1", b"2"]
    other.queue_declare("aa-nobody", durable=True)
    other.basic_publish("", "aa-nobody", b"late", Properties(expiration="0"))
    assert other.basic_get("aa-nobody")[0] is None
