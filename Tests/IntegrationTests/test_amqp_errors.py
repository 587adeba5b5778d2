"""AMQP 0-9-1: what each mistake is answered with, and whether it costs the channel or the connection."""
from __future__ import annotations

import struct

import pytest
from pika import frame as frames
from pika import spec

import amqp
from amqp import Wire

CHANNEL, CONNECTION = "channel", "connection"
QUEUE, EXCHANGE, BASIC, CONFIRM, TX = 50, 40, 60, 85, 90


NAMES = {403: "ACCESS_REFUSED", 404: "NOT_FOUND", 405: "RESOURCE_LOCKED", 406: "PRECONDITION_FAILED",
         503: "COMMAND_INVALID", 504: "CHANNEL_ERROR", 505: "UNEXPECTED_FRAME", 530: "NOT_ALLOWED",
         540: "NOT_IMPLEMENTED"}


def declare(queue, **options):
    return spec.Queue.Declare(queue=queue, **options)


#: What is sent on a fresh channel. Another connection has made `locked`, an exclusive queue, and `q`, a plain one that
#: holds a message and has a consumer; `new` is no queue yet. Then code, class and method, and how the text goes on
#: behind the name of the code, as far as RabbitMQ and Cola say the same.
MISTAKES = {
    "passive-queue": (CHANNEL, [declare("none", passive=True)], 404, (QUEUE, 10), "no queue 'none' in vhost '/'"),
    "passive-exchange": (
        CHANNEL, [spec.Exchange.Declare(exchange="none", passive=True)],
        404, (EXCHANGE, 10), "no exchange 'none' in vhost '/'"),
    "consume-none": (CHANNEL, [spec.Basic.Consume(queue="none")], 404, (BASIC, 20), "no queue 'none' in vhost '/'"),
    "get-none": (CHANNEL, [spec.Basic.Get(queue="none")], 404, (BASIC, 70), "no queue 'none' in vhost '/'"),
    "purge-none": (CHANNEL, [spec.Queue.Purge(queue="none")], 404, (QUEUE, 30), "no queue 'none' in vhost '/'"),
    "bind-no-queue": (
        CHANNEL, [spec.Queue.Bind(queue="none", exchange="amq.direct", routing_key="k")],
        404, (QUEUE, 20), "no queue 'none' in vhost '/'"),
    "bind-no-exchange": (
        CHANNEL, [spec.Queue.Bind(queue="{q}", exchange="none", routing_key="k")],
        404, (QUEUE, 20), "no exchange 'none' in vhost '/'"),
    "bind-exchange-to-none": (
        CHANNEL, [spec.Exchange.Bind(destination="none", source="amq.direct", routing_key="k")],
        404, (EXCHANGE, 30), "no exchange 'none' in vhost '/'"),
    "publish-none": (
        CHANNEL, [spec.Basic.Publish(exchange="none", routing_key="k"), "content"],
        404, (BASIC, 40), "no exchange 'none' in vhost '/'"),
    "last-queue-none": (CHANNEL, [spec.Basic.Get(queue="")], 404, (BASIC, 70), "no previously declared queue"),
    "declare-reserved-queue": (CHANNEL, [declare("amq.mine")], 403, (QUEUE, 10), ""),
    "declare-reserved-exchange": (
        CHANNEL, [spec.Exchange.Declare(exchange="amq.mine", type="direct")],
        403, (EXCHANGE, 10), ""),
    "declare-default-exchange": (
        CHANNEL, [spec.Exchange.Declare(exchange="", type="direct")],
        403, (EXCHANGE, 10), ""),
    "delete-default-exchange": (CHANNEL, [spec.Exchange.Delete(exchange="")], 403, (EXCHANGE, 20), ""),
    "delete-reserved-exchange": (CHANNEL, [spec.Exchange.Delete(exchange="amq.topic")], 403, (EXCHANGE, 20), ""),
    "bind-default-exchange": (
        CHANNEL, [spec.Queue.Bind(queue="{q}", exchange="", routing_key="k")],
        403, (QUEUE, 20), ""),
    "unbind-default-exchange": (
        CHANNEL, [spec.Queue.Unbind(queue="{q}", exchange="", routing_key="{q}")],
        403, (QUEUE, 50), ""),
    "bind-to-default-exchange": (
        CHANNEL, [spec.Exchange.Bind(destination="", source="amq.direct", routing_key="k")],
        403, (EXCHANGE, 30), ""),
    "consume-exclusive": (
        CHANNEL, [spec.Basic.Consume(queue="{q}", exclusive=True)],
        403, (BASIC, 20), "queue '{q}'"),
    "declare-locked": (
        CHANNEL, [declare("{locked}", exclusive=True)],
        405, (QUEUE, 10), "cannot obtain exclusive access to locked queue '{locked}' in vhost '/'"),
    "passive-locked": (CHANNEL, [declare("{locked}", passive=True)], 405, (QUEUE, 10), ""),
    "consume-locked": (CHANNEL, [spec.Basic.Consume(queue="{locked}")], 405, (BASIC, 20), ""),
    "get-locked": (CHANNEL, [spec.Basic.Get(queue="{locked}")], 405, (BASIC, 70), ""),
    "purge-locked": (CHANNEL, [spec.Queue.Purge(queue="{locked}")], 405, (QUEUE, 30), ""),
    "delete-locked": (CHANNEL, [spec.Queue.Delete(queue="{locked}")], 405, (QUEUE, 40), ""),
    "bind-locked": (
        CHANNEL, [spec.Queue.Bind(queue="{locked}", exchange="amq.direct", routing_key="k")],
        405, (QUEUE, 20), ""),
    "declare-durable": (
        CHANNEL, [declare("{q}", durable=True)],
        406, (QUEUE, 10), "inequivalent arg 'durable' for queue '{q}' in vhost '/': received "
                          "'true' but current is 'false'"),
    "declare-auto-delete": (
        CHANNEL, [declare("{q}", auto_delete=True)],
        406, (QUEUE, 10), "inequivalent arg 'auto_delete' for queue '{q}' in vhost '/': received "
                          "'true' but current is 'false'"),
    "declare-exclusive": (CHANNEL, [declare("{q}", exclusive=True)], 405, (QUEUE, 10), ""),
    "declare-arguments": (
        CHANNEL, [declare("{q}", arguments={"x-max-length": 5})],
        406, (QUEUE, 10), "inequivalent arg 'x-max-length' for queue '{q}' in vhost '/': received"),
    "declare-exchange-type": (
        CHANNEL, [spec.Exchange.Declare(exchange="amq.direct", type="fanout", durable=True)],
        406, (EXCHANGE, 10), "inequivalent arg 'type' for exchange 'amq.direct' in vhost '/': "
                             "received 'fanout' but current is 'direct'"),
    "delete-used": (
        CHANNEL, [spec.Queue.Delete(queue="{q}", if_unused=True)],
        406, (QUEUE, 40), "queue '{q}'"),
    "delete-not-empty": (
        CHANNEL, [spec.Queue.Delete(queue="{q}", if_empty=True)],
        406, (QUEUE, 40), "queue '{q}'"),
    "ack-unknown": (CHANNEL, [spec.Basic.Ack(delivery_tag=7)], 406, (BASIC, 80), "unknown delivery tag 7"),
    "ack-unknown-multiple": (
        CHANNEL, [spec.Basic.Ack(delivery_tag=7, multiple=True)],
        406, (BASIC, 80), "unknown delivery tag 7"),
    "ack-nothing": (CHANNEL, [spec.Basic.Ack(delivery_tag=0)], 406, (BASIC, 80), "unknown delivery tag 0"),
    "nack-unknown": (CHANNEL, [spec.Basic.Nack(delivery_tag=7)], 406, (BASIC, 120), "unknown delivery tag 7"),
    "reject-unknown": (CHANNEL, [spec.Basic.Reject(delivery_tag=7)], 406, (BASIC, 90), "unknown delivery tag 7"),
    "tx-commit": (CHANNEL, [spec.Tx.Commit()], 406, (TX, 20), "channel is not transactional"),
    "tx-rollback": (CHANNEL, [spec.Tx.Rollback()], 406, (TX, 30), "channel is not transactional"),
    "tx-then-confirm": (
        CHANNEL, [spec.Tx.Select(), spec.Confirm.Select()],
        406, (CONFIRM, 10), "cannot switch from tx to confirm mode"),
    "confirm-then-tx": (
        CHANNEL, [spec.Confirm.Select(), spec.Tx.Select()],
        406, (TX, 10), "cannot switch from confirm to tx mode"),
    "tx-ack-unknown": (
        CHANNEL, [spec.Tx.Select(), spec.Basic.Ack(delivery_tag=7), spec.Tx.Commit()],
        406, (BASIC, 80), "unknown delivery tag 7"),
    "tx-publish-none": (
        CHANNEL, [spec.Tx.Select(), spec.Basic.Publish(exchange="none", routing_key="k"), "content", spec.Tx.Commit()],
        404, (BASIC, 40), "no exchange 'none' in vhost '/'"),
    "expiration-text": (
        CHANNEL, [spec.Basic.Publish(exchange="", routing_key="{q}"), "expiration"],
        406, (BASIC, 40), "invalid expiration 'soon'"),
    "user-id": (
        CHANNEL, [spec.Basic.Publish(exchange="", routing_key="{q}"), "user-id"],
        406, (BASIC, 40), "user_id property set to 'somebody' but authenticated user was 'guest'"),
    "ttl-negative": (
        CHANNEL, [declare("{new}", arguments={"x-message-ttl": -1})],
        406, (QUEUE, 10), "invalid arg 'x-message-ttl' for queue '{new}' in vhost '/'"),
    "ttl-text": (
        CHANNEL, [declare("{new}", arguments={"x-message-ttl": "soon"})],
        406, (QUEUE, 10), "invalid arg 'x-message-ttl' for queue '{new}' in vhost '/'"),
    "expires-zero": (
        CHANNEL, [declare("{new}", arguments={"x-expires": 0})],
        406, (QUEUE, 10), "invalid arg 'x-expires' for queue '{new}' in vhost '/'"),
    "max-priority": (
        CHANNEL, [declare("{new}", arguments={"x-max-priority": 256})],
        406, (QUEUE, 10), "invalid arg 'x-max-priority' for queue '{new}' in vhost '/'"),
    "overflow": (
        CHANNEL, [declare("{new}", arguments={"x-overflow": "explode"})],
        406, (QUEUE, 10), "invalid arg 'x-overflow' for queue '{new}' in vhost '/'"),
    "dead-letter-key-alone": (
        CHANNEL, [declare("{new}", arguments={"x-dead-letter-routing-key": "k"})],
        406, (QUEUE, 10), "invalid arg 'x-dead-letter-routing-key' for queue '{new}'"),
    "queue-type": (
        CHANNEL, [declare("{new}", arguments={"x-queue-type": "paper"})],
        406, (QUEUE, 10), "invalid arg 'x-queue-type'"),
    "reply-consumer-acks": (
        CHANNEL, [spec.Basic.Consume(queue="amq.rabbitmq.reply-to")],
        406, (BASIC, 20), "reply consumer cannot acknowledge"),
    "reply-without-consumer": (
        CHANNEL, [spec.Basic.Publish(exchange="", routing_key="{q}"), "reply-to"],
        406, (BASIC, 40), "fast reply consumer does not exist"),
    "exchange-type": (
        CONNECTION, [spec.Exchange.Declare(exchange="new", type="strange")],
        503, (EXCHANGE, 10), "unknown exchange type 'strange'"),
    "prefetch-size": (CONNECTION, [spec.Basic.Qos(10, 0, False)], 540, (BASIC, 10), "prefetch_size!=0 (10)"),
    "immediate": (
        CONNECTION, [spec.Basic.Publish(exchange="", routing_key="{q}", immediate=True), "content"],
        540, (BASIC, 40), "immediate=true"),
    "recover-no-requeue": (CONNECTION, [spec.Basic.Recover(requeue=False)], 540, (BASIC, 110), "requeue=false"),
    "consumer-tag": (
        CONNECTION, [spec.Basic.Consume(queue="{q}", consumer_tag="t"),
                     spec.Basic.Consume(queue="{q}", consumer_tag="t")],
        530, (BASIC, 20), "attempt to reuse consumer tag 't'"),
    "channel-open-again": (CONNECTION, [spec.Channel.Open()], 504, (20, 10), "second 'channel.open' seen"),
    "method-in-content": (
        CONNECTION, [spec.Basic.Publish(exchange="", routing_key="{q}"), spec.Basic.Qos(0, 1, False)],
        505, (BASIC, 40), ""),
    "for-clients": (CONNECTION, [spec.Basic.QosOk()], 503, None, ""),
    "connection-method": (CONNECTION, [spec.Connection.Open("/")], 503, None, ""),
}


@pytest.fixture(scope="module")
def world(amqp_address):
    """The queues that the mistakes are made with; they belong to a connection of their own."""
    names = {"q": amqp.unique("q"), "locked": amqp.unique("locked"), "new": amqp.unique("new")}
    connection = amqp.connect(amqp_address)
    channel = connection.channel()
    channel.queue_declare(names["q"])
    channel.basic_publish("", names["q"], b"1")
    channel.basic_qos(prefetch_count=1)
    channel.basic_publish("", names["q"], b"2")
    channel.basic_consume(names["q"], lambda *_: None)
    channel.queue_declare(names["locked"], exclusive=True)
    yield names
    channel.queue_delete(names["q"])
    connection.close()


def fill(method, names):
    """A copy with the names of the world."""
    filled = type(method)()
    for name, value in vars(method).items():
        filled.__dict__[name] = value.format(**names) if isinstance(value, str) else value
    return filled


CONTENTS = {
    "content": spec.BasicProperties(), "expiration": spec.BasicProperties(expiration="soon"),
    "user-id": spec.BasicProperties(user_id="somebody"),
    "reply-to": spec.BasicProperties(reply_to="amq.rabbitmq.reply-to"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake(amqp_address, world, mistake):
    scope, sent, code, where, text = MISTAKES[mistake]
    with Wire(amqp_address) as wire:
        wire.open(1).open(2)
        for one in sent:
            if isinstance(one, str):
                wire.send_bytes(frames.Header(1, 1, CONTENTS[one]).marshal() + frames.Body(1, b"x").marshal())
            else:
                wire.send(fill(one, world))
        number = 1 if scope == CHANNEL else 0
        close = skip_to_close(wire)
        assert close.channel_number == number, close
        close = close.method
        assert close.reply_code == code, close
        if where:
            assert (close.class_id, close.method_id) == where, close
        assert close.reply_text.startswith("%s - %s" % (NAMES[code], text.format(**world))), close.reply_text
        if scope == CHANNEL:
            wire.send(spec.Channel.CloseOk())
            wire.call(spec.Basic.Qos(0, 1, False), spec.Basic.QosOk, 2)
            wire.open(1)
        else:
            wire.send(spec.Connection.CloseOk(), 0)
            assert wire.at_end()


def skip_to_close(wire):
    while True:
        found = wire.frame()
        if isinstance(found, frames.Method) and isinstance(
                found.method, (spec.Channel.Close, spec.Connection.Close)):
            return found


def method(class_id, method_id, arguments=b""):
    return amqp.raw_frame(1, 1, struct.pack(">HH", class_id, method_id) + arguments)


PUBLISH = amqp.marshal(spec.Basic.Publish(exchange="", routing_key="nobody"))


@pytest.mark.parametrize("data, codes", [
    (amqp.raw_frame(1, 1, b"\0\x3c\0\x0a\0\0\0\0\0\1\0", end=0), (501,)),  # another byte at the end of a frame
    (amqp.raw_frame(9, 1, b"xx"), (501, 505)),                              # a kind of frame that is none
    (amqp.raw_frame(8, 1, b""), (505,)),                                    # a heartbeat on a channel
    (amqp.raw_frame(1, 9, struct.pack(">HHHH", 60, 10, 0, 0) + b"\0\1\0"), (504,)),  # a channel that is not open
    (method(60, 11, b""), (503, 540)),                                      # an answer
    (method(60, 999), (503, 540, 541)),                                     # no such method
    (method(999, 10), (503, 540, 541)),                                     # no such class
    (method(50, 10, b"\0"), (501, 502)),                                    # arguments that end too early
    (method(50, 10, b"\0\0\xffab"), (501, 502)),                            # a string that ends too early
    (amqp.raw_frame(1, 1, b"\0"), (501, 502, 505)),                         # no method at all
    (frames.Header(1, 0, spec.BasicProperties()).marshal(), (505,)),        # a content that nobody announced
    (frames.Body(1, b"x").marshal(), (505,)),
    (frames.Header(0, 0, spec.BasicProperties()).marshal(), (505,)),        # content on channel 0
    (frames.Body(0, b"x").marshal(), (505,)),
    (amqp.marshal(spec.Basic.Qos(), 0), (504,)),                            # a channel's method there
    (amqp.marshal(spec.Connection.Open("/"), 0), (504,)),                   # what is over
    (amqp.marshal(spec.Connection.TuneOk(0, 0, 0), 0), (504,)),
    (PUBLISH + frames.Body(1, b"x").marshal(), (505,)),                     # a body without its header
    (PUBLISH + frames.Header(1, 1, spec.BasicProperties()).marshal() * 2, (505,)),
    (PUBLISH + frames.Header(1, 1, spec.BasicProperties()).marshal() + frames.Body(1, b"xx").marshal(), (501, 505)),
    (PUBLISH + amqp.raw_frame(2, 1, struct.pack(">HHQH", 50, 0, 0, 0)), (501, 505)),      # the header of another class
    (PUBLISH + amqp.raw_frame(2, 1, struct.pack(">HHQH", 60, 0, 0, 0x8000)), (501, 502)),  # a property that is missing
    (PUBLISH + amqp.raw_frame(2, 1, b"\0\x3c\0"), (501, 502)),
])
def test_frames_that_are_wrong(amqp_address, data, codes):
    with Wire(amqp_address) as wire:
        wire.open()
        wire.send_bytes(data)
        try:
            close = skip_to_close(wire)
        except (EOFError, OSError):
            # RabbitMQ has no words for some of these, and takes a body that is too long.
            assert amqp.elsewhere()
            return
        assert close.channel_number == 0
        if not amqp.elsewhere() or close.method.reply_code != 541:
            assert close.method.reply_code in codes, close
        wire.send(spec.Connection.CloseOk(), 0)
        assert wire.at_end()
