"""AMQP 0-9-1: publishers are told when they are held back, and consumers are not."""
from __future__ import annotations

import os
import threading
import time

import pytest
from pika import spec

import amqp
from amqp import Wire
from test_faults import small_disk  # noqa: F401  (a fixture)

pytestmark = pytest.mark.skipif(amqp.elsewhere() is not None, reason="takes the room on the disk away from a server")


@pytest.fixture
def crowded(small_disk, new_broker):  # noqa: F811
    """A server whose disk has too little room, and a file that is deleted to make some."""
    broker = new_broker("--reserve", "0", "--disk-free-min", "30M", folder=small_disk)
    broker.start()
    ballast = small_disk / "ballast"
    with open(ballast, "wb") as file:
        for _ in range(30):
            file.write(b"x" * 2**20)
    return broker, ballast


def test_blocked_and_unblocked(crowded):
    broker, ballast = crowded
    where = amqp.address(broker.amqp)
    with Wire(where, timeout=20) as publisher, Wire(where, timeout=20) as other:
        publisher.open()
        other.open()
        queue = publisher.call(spec.Queue.Declare(queue="q"), spec.Queue.DeclareOk).queue
        publisher.call(spec.Confirm.Select(), spec.Confirm.SelectOk)
        publisher.silence()  # it has published nothing yet
        sent, kinds = 0, set()
        while spec.Connection.Blocked not in kinds:
            sent += 1
            assert sent < 1000, "never held back"
            publisher.publish(b"%d" % sent, key=queue)
            kinds = {type(publisher.frame().method)}
        publisher.publish(b"held", key=queue)
        # Who only consumes is served, and hears nothing of it.
        other.call(spec.Basic.Consume(queue=queue, no_ack=True), spec.Basic.ConsumeOk)
        bodies = []
        while len(bodies) < sent - 1:
            other.expect(spec.Basic.Deliver)
            bodies.append(other.content()[1])
        assert bodies == [b"%d" % number for number in range(1, sent)]
        ballast.unlink()
        kinds = set()
        while spec.Connection.Unblocked not in kinds:
            kinds.add(type(publisher.frame().method))
        assert kinds <= {spec.Connection.Unblocked, spec.Basic.Ack}
        while bodies[-1:] != [b"held"]:
            other.expect(spec.Basic.Deliver)
            bodies.append(other.content()[1])


def test_who_has_published_nothing_yet_waits_as_well(crowded):
    """Many who connect, publish and leave would fill the disk all the same."""
    broker, ballast = crowded
    where = amqp.address(broker.amqp)
    with Wire(where, timeout=20) as consumer:
        consumer.open()
        queue = consumer.call(spec.Queue.Declare(queue="q"), spec.Queue.DeclareOk).queue
        consumer.call(spec.Basic.Consume(queue=queue, no_ack=True), spec.Basic.ConsumeOk)
        publishers = []
        assert amqp.wait_for(lambda: "publishers are held back" in broker.stderr(), 20)
        for number in range(5):
            publisher = Wire(where, timeout=20).open()
            publisher.publish(b"%d" % number, key=queue)
            publisher.expect(spec.Connection.Blocked, 0)
            publishers.append(publisher)
        publishers[0].send(spec.Channel.Close(200, "", 0, 0))
        publishers[1].socket.close()
        consumer.silence()
        ballast.unlink()
        bodies = set()
        # What was never confirmed to the one that left may come or not.
        while not bodies >= {b"0", b"2", b"3", b"4"}:
            consumer.expect(spec.Basic.Deliver)
            bodies.add(consumer.content()[1])
        publishers[0].expect(spec.Connection.Unblocked, 0)
        publishers[0].expect(spec.Channel.CloseOk)
        for publisher in publishers:
            publisher.socket.close()


def test_a_large_message_waits_for_room_alone(small_disk, new_broker):  # noqa: F811
    """It would be written twice, and acknowledgements wait behind it: there must be room before it is taken."""
    broker = new_broker("--reserve", "0", "--disk-free-min", "10M", folder=small_disk)
    broker.start()
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (24 << 20))
    where = amqp.address(broker.amqp)
    body = os.urandom(1 << 20) * 20
    with Wire(where, timeout=20) as large, Wire(where, timeout=20) as small:
        small.open()
        large.open()
        queue = small.call(spec.Queue.Declare(queue="q"), spec.Queue.DeclareOk).queue
        large.call(spec.Confirm.Select(), spec.Confirm.SelectOk)
        sender = threading.Thread(target=large.publish, args=(body,), kwargs={"key": queue}, daemon=True)
        sender.start()
        deadline = time.monotonic() + 20
        while "waits for room on the disk" not in broker.stderr():
            assert time.monotonic() < deadline, "it never waited"
            time.sleep(0.05)
        for number in range(20):
            small.publish(b"%d" % number, key=queue)
            small.call(spec.Basic.Get(queue=queue, no_ack=True), spec.Basic.GetOk)
            assert small.content()[1] == b"%d" % number
        ballast.unlink()
        large.expect(spec.Basic.Ack)
        sender.join(20)
        small.call(spec.Basic.Get(queue=queue, no_ack=True), spec.Basic.GetOk)
        assert small.content()[1] == body


def test_pika_is_told(crowded):
    broker, ballast = crowded
    connection = amqp.connect(amqp.address(broker.amqp))
    told = []
    connection.add_on_connection_blocked_callback(lambda *_: told.append("blocked"))
    connection.add_on_connection_unblocked_callback(lambda *_: told.append("unblocked"))
    channel = connection.channel()
    channel.queue_declare("q")
    channel.basic_publish("", "q", b"x")
    assert amqp.wait_for(lambda: connection.process_data_events(0.05) or told == ["blocked"], 20)
    ballast.unlink()
    assert amqp.wait_for(lambda: connection.process_data_events(0.05) or told == ["blocked", "unblocked"], 20)
    assert amqp.get(channel, "q")[2] == b"x"
    connection.close()
