"""AMQP 0-9-1: how connections and channels begin, what is agreed on, and how they end."""
from __future__ import annotations

import socket
import struct
import time

import pika
import pytest
from pika import frame as frames
from pika import spec

import amqp
from amqp import Wire


# The beginning


@pytest.mark.parametrize("header", [b"AMQP\x02\x01\x01\x00", b"AMQP\x00\x01\x00\x00", b"GET / HTTP/1.1\r\n\r\n"])
def test_another_protocol_is_answered_with_ours(amqp_address, header):
    with Wire(amqp_address, login=False) as wire:
        wire.send_bytes(header)
        assert wire.socket.recv(100) == amqp.HEADER
        assert wire.at_end()


def test_what_the_server_says_of_itself(amqp_address):
    with Wire(amqp_address) as wire:
        assert (wire.start.version_major, wire.start.version_minor) == (0, 9)
        assert {b"PLAIN", b"AMQPLAIN"} <= set(wire.start.mechanisms.split())
        assert wire.start.locales == b"en_US"
        capabilities = wire.start.server_properties["capabilities"]
        assert {name for name, has in capabilities.items() if has} == {
            "publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
            "connection.blocked", "consumer_priorities", "authentication_failure_close", "per_consumer_qos",
            "direct_reply_to"}
        assert {"product", "version", "platform"} <= set(wire.start.server_properties)
        assert (wire.tuned.channel_max, wire.tuned.frame_max, wire.tuned.heartbeat) == (2047, 131072, 60)


def table(*fields):
    """A field table of long strings, without its length."""
    return b"".join(struct.pack("B", len(name)) + name + b"S" + struct.pack(">I", len(value)) + value
                    for name, value in fields)


def test_amqplain(amqp_address):
    with Wire(amqp_address, login=False) as wire:
        wire.log_in(mechanism="AMQPLAIN", response=table((b"LOGIN", b"guest"), (b"PASSWORD", b"guest")))
        wire.expect(spec.Connection.Tune, 0)


@pytest.mark.parametrize("mechanism, response", [
    ("PLAIN", b"\0guest\0wrong"), ("PLAIN", b"\0nobody\0guest"), ("PLAIN", b"\0guest\0"),
    ("AMQPLAIN", table((b"LOGIN", b"guest"), (b"PASSWORD", b"wrong")))])
def test_a_wrong_password(amqp_address, mechanism, response):
    with Wire(amqp_address, login=False) as wire:
        wire.log_in(mechanism=mechanism, response=response)
        close = wire.expect(spec.Connection.Close, 0)
        assert (close.reply_code, close.class_id, close.method_id) == (403, 0, 0)
        assert close.reply_text.startswith(
            "ACCESS_REFUSED - Login was refused using authentication mechanism %s" % mechanism)
        wire.send(spec.Connection.CloseOk(), 0)
        assert wire.at_end()


def test_a_wrong_password_of_a_client_that_knows_no_such_answer(amqp_address):
    with Wire(amqp_address, login=False) as wire:
        wire.log_in(password="wrong", properties={})
        assert wire.at_end()


def test_a_virtual_host_that_is_not_there(amqp_address):
    with Wire(amqp_address, login=False) as wire:
        wire.log_in()
        wire.tune()
        wire.send(spec.Connection.Open("nowhere"), 0)
        close = wire.expect(spec.Connection.Close, 0)
        assert (close.reply_code, close.class_id, close.method_id) == (530, 10, 40)
        assert close.reply_text.startswith("NOT_ALLOWED - vhost nowhere not found")


# What is agreed on


@pytest.mark.parametrize("tune", [{"frame_max": 4095}, {"frame_max": 131073}, {"frame_max": 0}, {"channel_max": 2048},
                                  {"channel_max": 0}])
def test_what_cannot_be_agreed_on(amqp_address, tune):
    with Wire(amqp_address, login=False) as wire:
        wire.log_in()
        wire.tune(**tune)
        wire.send(spec.Connection.Open("/"), 0)
        if amqp.elsewhere():  # RabbitMQ says nothing
            assert wire.at_end()
            return
        close = wire.expect(spec.Connection.Close, 0)
        assert (close.reply_code, close.class_id, close.method_id) == (530, 10, 31)
        assert "negotiated %s = " % list(tune)[0] in close.reply_text


@pytest.mark.skipif(amqp.elsewhere() is not None, reason="starts a server")
def test_localhost_is_every_address_of_it(new_broker):
    """Some clients take the first address that the name has, and try no other."""
    broker = new_broker(environment={"COLA_AMQP": "localhost:0"})
    broker.start()
    port = int(broker.amqp.rpartition(":")[2])
    assert broker.amqp == "amqp://localhost:%d" % port
    for family, _, _, _, where in socket.getaddrinfo("localhost", port, type=socket.SOCK_STREAM):
        with socket.socket(family, socket.SOCK_STREAM) as client:
            client.settimeout(10)
            client.connect(where)
            client.sendall(amqp.HEADER)
            assert client.recv(1) == b"\x01"


def test_channels_are_counted_whatever_their_numbers(amqp_address):
    with Wire(amqp_address, channel_max=3) as wire:
        for number in (65_535, 7, 1):
            wire.open(number)
        wire.call(spec.Channel.Close(200, "", 0, 0), spec.Channel.CloseOk, 7)
        wire.open(4)
        wire.send(spec.Channel.Open(), 2)
        close = wire.expect(spec.Connection.Close, 0)
        assert close.reply_code == 530
        assert close.reply_text == ("NOT_ALLOWED - number of channels opened (3) has reached the negotiated channel_max"
                                    " (3)")


@pytest.mark.parametrize("frame_max", [4096, 8192, 131072])
def test_bodies_are_split_as_agreed(amqp_address, frame_max):
    body = bytes(range(256)) * 1024
    with Wire(amqp_address, frame_max=frame_max) as wire:
        wire.open()
        queue = wire.call(spec.Queue.Declare(queue="", exclusive=True), spec.Queue.DeclareOk).queue
        wire.publish(body, key=queue, frame_max=frame_max)
        wire.call(spec.Basic.Get(queue=queue), spec.Basic.GetOk)
        _, received, sizes = wire.content()
        assert received == body
        assert max(sizes) == min(frame_max - 8, len(body))
        assert sizes[:-1] == [frame_max - 8] * (len(sizes) - 1)


def test_a_frame_that_is_larger_than_agreed(amqp_address):
    with Wire(amqp_address, frame_max=4096) as wire:
        wire.open()
        wire.send_bytes(amqp.raw_frame(3, 1, b"x" * 4097))
        close = wire.expect(spec.Connection.Close, 0)
        assert close.reply_code == 501
        assert close.reply_text.startswith("FRAME_ERROR - ")


def test_a_frame_of_exactly_the_agreed_payload(amqp_address):
    """Some clients take frame_max as the size of the payload; RabbitMQ allows for that."""
    with Wire(amqp_address, frame_max=4096) as wire:
        wire.open()
        queue = wire.call(spec.Queue.Declare(queue="", exclusive=True), spec.Queue.DeclareOk).queue
        wire.publish(b"x" * 5000, key=queue, frame_max=4096 + 8)
        wire.call(spec.Basic.Get(queue=queue), spec.Basic.GetOk)
        assert wire.content()[1] == b"x" * 5000


def test_many_body_frames_of_any_size(wire):
    queue = wire.call(spec.Queue.Declare(queue="", exclusive=True), spec.Queue.DeclareOk).queue
    wire.send(spec.Basic.Publish(exchange="", routing_key=queue))
    wire.send_bytes(frames.Header(1, 100, spec.BasicProperties()).marshal())
    for byte in range(100):
        wire.send_bytes(frames.Body(1, bytes([byte])).marshal())
    wire.call(spec.Basic.Get(queue=queue), spec.Basic.GetOk)
    assert wire.content()[1] == bytes(range(100))


# Heartbeats


def test_heartbeats_come_at_half_the_time(amqp_address):
    with Wire(amqp_address, heartbeat=1) as wire:
        begun = time.monotonic()
        assert isinstance(wire.raw_frame(3), frames.Heartbeat)
        assert time.monotonic() - begun < 2
        wire.send_bytes(frames.Heartbeat().marshal())
        assert isinstance(wire.raw_frame(3), frames.Heartbeat)


def test_a_client_that_is_silent_for_two_heartbeats_is_gone(amqp_address):
    with Wire(amqp_address, heartbeat=1) as wire:
        begun = time.monotonic()
        assert wire.at_end(10)
        assert 1.4 < time.monotonic() - begun < 6


def test_what_a_client_sends_after_it_was_silent_fails(amqp_address):
    """It worked for long without a look at its connection: its next publish must not seem to have been taken."""
    with Wire(amqp_address, heartbeat=1) as wire:
        wire.open()
        assert wire.at_end(10)
        with pytest.raises(ConnectionError):
            wire.publish(b"x", "amq.fanout")


def test_anything_counts_as_a_heartbeat(amqp_address):
    with Wire(amqp_address, heartbeat=1) as wire:
        wire.open()
        for _ in range(7):
            time.sleep(0.5)
            wire.call(spec.Basic.Qos(0, 1, False), spec.Basic.QosOk)


def test_no_heartbeat_where_none_was_wanted(amqp_address):
    with Wire(amqp_address, heartbeat=0) as wire:
        with pytest.raises((socket.timeout, TimeoutError)):
            wire.raw_frame(1.5)


# The end


def test_close(amqp_address):
    with Wire(amqp_address) as wire:
        wire.call(spec.Connection.Close(200, "bye", 0, 0), spec.Connection.CloseOk, 0)


def test_close_with_channels_and_consumers(wire):
    queue = wire.call(spec.Queue.Declare(queue="", exclusive=True), spec.Queue.DeclareOk).queue
    wire.call(spec.Basic.Consume(queue=queue), spec.Basic.ConsumeOk)
    wire.open(7)
    wire.call(spec.Connection.Close(200, "bye", 0, 0), spec.Connection.CloseOk, 0)


def test_what_was_asked_before_a_close_is_answered(wire):
    wire.send(spec.Confirm.Select())
    queue = amqp.unique("farewell")
    wire.send(spec.Queue.Declare(queue=queue, auto_delete=True))
    wire.send(spec.Channel.Close(200, "bye", 0, 0))
    wire.expect(spec.Confirm.SelectOk)
    wire.expect(spec.Queue.DeclareOk)
    wire.expect(spec.Channel.CloseOk)


def test_a_channel_number_can_be_used_again(wire):
    for _ in range(3):
        wire.call(spec.Channel.Close(200, "bye", 0, 0), spec.Channel.CloseOk)
        wire.open()
    queue = wire.call(spec.Queue.Declare(queue="", exclusive=True), spec.Queue.DeclareOk).queue
    # Delivery tags begin anew with each.
    wire.publish(b"x", key=queue)
    assert wire.call(spec.Basic.Get(queue=queue), spec.Basic.GetOk).delivery_tag == 1
    wire.content()


def test_a_channel_number_can_be_used_again_after_an_error(wire):
    wire.send(spec.Queue.Declare(queue="no such queue", passive=True))
    close = wire.expect(spec.Channel.Close)
    assert close.reply_code == 404
    # What comes before the close is confirmed is dropped.
    wire.send(spec.Queue.Declare(queue="dropped", passive=True))
    wire.publish(b"dropped", key="dropped")
    wire.send(spec.Channel.CloseOk())
    wire.open()


def test_both_sides_close_a_channel_at_once(wire):
    wire.send_bytes(amqp.marshal(spec.Queue.Declare(queue="no such queue", passive=True), 1)
                    + amqp.marshal(spec.Channel.Close(200, "bye", 0, 0), 1))
    wire.expect(spec.Channel.Close)
    wire.expect(spec.Channel.CloseOk)
    wire.send(spec.Channel.CloseOk())
    wire.open()


def test_an_error_of_a_channel_leaves_the_others(wire):
    wire.open(2)
    wire.send(spec.Queue.Declare(queue="no such queue", passive=True), 2)
    assert wire.expect(spec.Channel.Close, 2).reply_code == 404
    wire.call(spec.Basic.Qos(0, 1, False), spec.Basic.QosOk)


def test_as_many_channels_as_agreed_on(amqp_address):
    with Wire(amqp_address) as wire:
        for number in (1, 2047, 1000):
            wire.open(number)


def test_a_connection_that_just_ends_gives_back_what_it_held(amqp_address, channel):
    queue = amqp.unique("dropped")
    channel.queue_declare(queue)
    channel.basic_publish("", queue, b"x")
    with Wire(amqp_address) as wire:
        wire.open()
        wire.call(spec.Basic.Get(queue=queue), spec.Basic.GetOk)
        wire.content()
    method, _, body = amqp.get(channel, queue)
    assert body == b"x" and method.redelivered
    channel.queue_delete(queue)


def test_update_secret(amqp_address):
    connection = amqp.connect(amqp_address)
    connection.update_secret("a new one", "the old one is about to expire")
    connection.close()


def test_an_old_client_asks_for_access(wire):
    # access.request, class 30: RabbitMQ and old clients know it, pika does not. "/data", and all rights.
    wire.send_bytes(amqp.raw_frame(1, 1, struct.pack(">HH", 30, 10) + b"\x05/data\x1f"))
    data = wire.socket.recv(100)
    assert data[7:11] == struct.pack(">HH", 30, 11)


def test_client_properties_of_every_type(amqp_address):
    every = {"s": "text", "i": 1, "l": 1 << 40, "b": True, "t": {"x": [1, "2", None]}, "n": None,
             "capabilities": {"consumer_cancel_notify": True, "something": {"new": 1}}}
    with Wire(amqp_address, login=False) as wire:
        wire.log_in(properties=every)
        wire.expect(spec.Connection.Tune, 0)


def test_everything_at_once(amqp_address):
    """A client that waits for nothing: the whole handshake and more in one write."""
    with Wire(amqp_address, login=False) as wire:
        start_ok = spec.Connection.StartOk({}, "PLAIN", "\0guest\0guest", "en_US")
        wire.send_bytes(
            amqp.HEADER + amqp.marshal(start_ok, 0)
            + amqp.marshal(spec.Connection.TuneOk(10, 4096, 0), 0)
            + amqp.marshal(spec.Connection.Open("/"), 0) + amqp.marshal(spec.Channel.Open(), 1)
            + amqp.marshal(spec.Basic.Qos(0, 5, False), 1))
        wire.expect(spec.Connection.Start, 0)
        wire.expect(spec.Connection.Tune, 0)
        wire.expect(spec.Connection.OpenOk, 0)
        wire.expect(spec.Channel.OpenOk)
        wire.expect(spec.Basic.QosOk)


def test_byte_by_byte(amqp_address):
    with Wire(amqp_address) as wire:
        wire.open()
        queue = wire.call(spec.Queue.Declare(queue="", exclusive=True), spec.Queue.DeclareOk).queue
        for byte in amqp.published(b"slow", key=queue, headers={"a": 1}):
            wire.send_bytes(bytes([byte]))
        wire.call(spec.Basic.Get(queue=queue), spec.Basic.GetOk)
        properties, body, _ = wire.content()
        assert body == b"slow" and properties.headers == {"a": 1}


def test_pika_closes_in_every_order(amqp_address):
    connection = amqp.connect(amqp_address)
    first, second = connection.channel(), connection.channel()
    first.close()
    third = connection.channel()
    second.close()
    assert third.is_open
    connection.close()
    with pytest.raises(pika.exceptions.ConnectionWrongStateError):
        connection.close()
