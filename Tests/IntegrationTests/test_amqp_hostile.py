"""What no honest client of AMQP does. It may cost the sender its connection, and nobody else anything."""
from __future__ import annotations

import contextlib
import random
import resource
import socket
import struct
import threading
import time
from typing import List, Optional

import pytest
from pika import frame as frames
from pika import spec

import amqp
from amqp import Wire
from conftest import LONG, seed, setting, time_factor

GROWTH_MAX = 100 << 20
FULL = (BrokenPipeError, ConnectionResetError)
pytestmark = pytest.mark.skipif(amqp.elsewhere() is not None, reason="looks at the process of the server")


class Bystander:
    """Somebody honest, who publishes and consumes all the time and notes how long the slowest round took."""

    def __init__(self, where: amqp.Address):
        self.slowest = 0.0
        self.rounds = 0
        self.failure: Optional[BaseException] = None
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(where,), daemon=True)
        self.thread.start()

    def run(self, where: amqp.Address) -> None:
        try:
            with Wire(where, timeout=20) as wire:
                wire.open()
                queue = wire.call(spec.Queue.Declare(queue="", exclusive=True), spec.Queue.DeclareOk).queue
                wire.call(spec.Confirm.Select(), spec.Confirm.SelectOk)
                wire.call(spec.Basic.Consume(queue=queue, no_ack=True), spec.Basic.ConsumeOk)
                while not self.done.is_set():
                    begun = time.monotonic()
                    body = b"%d" % self.rounds
                    wire.publish(body, key=queue)
                    # The confirm and the delivery, which has three frames, in any order.
                    found = [wire.frame() for _ in range(4)]
                    assert [one.fragment for one in found if isinstance(one, frames.Body)] == [body], found
                    self.slowest = max(self.slowest, time.monotonic() - begun)
                    self.rounds += 1
                    time.sleep(0.01)
        except BaseException as error:
            self.failure = error

    def end(self) -> None:
        self.done.set()
        self.thread.join(30)
        assert not self.thread.is_alive(), "the bystander hangs"
        assert self.failure is None, "the bystander was disturbed: %r" % self.failure
        assert self.slowest < time_factor(), "the bystander waited %.1f s" % self.slowest


@pytest.fixture(autouse=True)
def serves_as_before(shared_broker, amqp_address):
    """During each attack somebody is served; after it the broker lives and has not grown without bound."""
    before = shared_broker.resident_bytes()
    bystander = Bystander(amqp_address)
    assert amqp.wait_for(lambda: bystander.rounds > 0 or bystander.failure is not None, 20)
    yield
    assert shared_broker.runs(), "the broker died: %s" % shared_broker.stderr()[-2000:]
    bystander.end()
    growth = shared_broker.resident_bytes() - before
    assert growth < GROWTH_MAX, "grew by %.0f MiB" % (growth / 2**20)


def push(stream: socket.socket, data: bytes) -> None:
    """Sends as long as the other end takes it."""
    try:
        stream.sendall(data)
    except FULL + (socket.timeout,):
        pass


def swallow(stream: socket.socket, timeout: float) -> bytes:
    """All that comes, up to the end of the stream or the timeout."""
    received = bytearray()
    stream.settimeout(timeout)
    try:
        while True:
            data = stream.recv(65_536)
            if not data:
                break
            received += data
    except (socket.timeout, ConnectionResetError):
        pass
    return bytes(received)


def session() -> List[bytes]:
    """The frames of an honest client, from the first to the last."""
    start_ok = spec.Connection.StartOk(
        {"product": "recorded", "capabilities": amqp.CAPABILITIES}, "PLAIN", "\0guest\0guest", "en_US")
    arguments = {"x-max-length": 100, "x-message-ttl": 60_000, "x-dead-letter-exchange": "amq.topic"}
    methods = [
        spec.Exchange.Declare(exchange="recorded", type="topic"),
        spec.Queue.Declare(queue="recorded", arguments=arguments),
        spec.Queue.Bind(queue="recorded", exchange="recorded", routing_key="a.#", arguments={"x": [1, {"y": None}]}),
        spec.Exchange.Bind(destination="recorded", source="amq.topic", routing_key="#"), spec.Confirm.Select(),
        spec.Basic.Qos(0, 10, False), spec.Basic.Consume(queue="recorded", consumer_tag="c")]
    data = [amqp.HEADER, amqp.marshal(start_ok, 0), amqp.marshal(spec.Connection.TuneOk(2047, 131_072, 60), 0),
            amqp.marshal(spec.Connection.Open("/"), 0), amqp.marshal(spec.Channel.Open())]
    data += [amqp.marshal(method) for method in methods]
    for n in range(3):
        data.append(amqp.published(b"body %d" % n, "recorded", "a.b", mandatory=True, delivery_mode=2, priority=n,
                                   headers={"n": n, "list": [1, "2", {"3": 3}], "CC": ["a.c"]}, expiration="60000"))
    later = [spec.Basic.Ack(1), spec.Basic.Nack(2, requeue=True), spec.Basic.Reject(3, requeue=False),
             spec.Basic.Get(queue="recorded"), spec.Basic.Recover(requeue=True), spec.Basic.Cancel(consumer_tag="c"),
             spec.Queue.Unbind(queue="recorded", exchange="recorded", routing_key="a.#"),
             spec.Queue.Purge(queue="recorded"), spec.Queue.Delete(queue="recorded"),
             spec.Exchange.Delete(exchange="recorded"), spec.Channel.Close(200, "", 0, 0)]
    data += [amqp.marshal(method) for method in later]
    transaction = [spec.Channel.Open(), spec.Tx.Select(), spec.Tx.Commit(), spec.Tx.Rollback()]
    data += [amqp.marshal(method, 2) for method in transaction]
    return data + [frames.Heartbeat().marshal(), amqp.marshal(spec.Connection.Close(200, "", 0, 0), 0)]


def test_the_recorded_session_is_a_good_one(amqp_address):
    """Or its mutations would all end at the first frame."""
    with Wire(amqp_address, login=False) as wire:
        wire.send_bytes(b"".join(session()))
        received = swallow(wire.socket, 1)
    assert received.endswith(amqp.marshal(spec.Connection.CloseOk(), 0)), received[-200:]


def mutated(choices: random.Random, parts: List[bytes]) -> bytes:
    """One to four changes: of bytes, of whole frames, of numbers that look like sizes."""
    parts = list(parts)
    for _ in range(choices.randint(1, 4)):
        kind = choices.randrange(6)
        # The handshake stays whole mostly, so that what comes behind it is reached.
        index = choices.randrange(len(parts) if choices.random() < 0.1 else len(parts) - 5) % len(parts)
        index = index if choices.random() < 0.1 else max(index, 5)
        part = bytearray(parts[index])
        place = choices.randrange(len(part)) if part else 0
        if kind == 0 and part:
            part[place] = choices.randrange(256)
        elif kind == 1 and part:
            part[place] ^= 1 << choices.randrange(8)
        elif kind == 2 and len(part) > 4:
            at = choices.randrange(len(part) - 3)
            part[at:at + 4] = choices.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\x80\0\0\0"))
        elif kind == 3:
            del part[place:place + choices.randint(1, 8)]
        elif kind == 4:
            part[place:place] = choices.getrandbits(64).to_bytes(8, "big")[:choices.randint(1, 8)]
        else:
            other = choices.randrange(len(parts))
            parts[other], part = bytes(part), bytearray(parts[other])
        parts[index] = bytes(part)
    return b"".join(parts)


def test_a_recorded_session_mutated(amqp_address):
    choices, parts = random.Random(seed()), session()
    for _ in range(setting("COLA_HOSTILE_ROUNDS", short=150, long=3_000)):
        with Wire(amqp_address, login=False) as wire:
            push(wire.socket, mutated(choices, parts))
            swallow(wire.socket, timeout=0.02)


def test_a_recorded_session_cut_off_anywhere(amqp_address):
    whole = b"".join(session())
    for end in range(0, len(whole), 1 if LONG else 17):
        with Wire(amqp_address, login=False) as wire:
            push(wire.socket, whole[:end])


def test_random_bytes(amqp_address):
    choices = random.Random(seed())
    for turn in range(setting("COLA_HOSTILE_ROUNDS", short=60, long=2_000)):
        with Wire(amqp_address, login=turn % 2 == 1) as wire:
            push(wire.socket, choices.getrandbits(8 * 4096).to_bytes(4096, "big"))


# Sizes


PUBLISH = amqp.marshal(spec.Basic.Publish(exchange="", routing_key="nobody"))


def header(size: int, flags: int = 0, properties: bytes = b"") -> bytes:
    return amqp.raw_frame(2, 1, struct.pack(">HHQH", 60, 0, size, flags) + properties)


def declare(table: bytes, size: Optional[int] = None) -> bytes:
    """A queue.declare with these bytes as its arguments, said to be of this size."""
    length = struct.pack(">I", len(table) if size is None else size)
    return amqp.raw_frame(1, 1, struct.pack(">HHHB", 50, 10, 0, 1) + b"x" + b"\0" + length + table)


def nested(depth: int) -> bytes:
    table = b""
    for _ in range(depth):
        table = b"\x01aF" + struct.pack(">I", len(table)) + table
    return table


def nested_lists(depth: int) -> bytes:
    value = b""
    for _ in range(depth):
        value = b"A" + struct.pack(">I", len(value)) + value
    return b"\x01a" + value


@pytest.mark.parametrize("data", [
    pytest.param(amqp.raw_frame(1, 1, b"x", size=0xFFFF_FFFF), id="frame of 4 GiB"),
    pytest.param(amqp.raw_frame(3, 1, b"x", size=0x7FFF_FFFF), id="body frame of 2 GiB"),
    pytest.param(amqp.raw_frame(1, 1, b"x", size=131_073), id="frame one too large"),
    pytest.param(PUBLISH + header(2**63), id="body of 2^63"),
    pytest.param(PUBLISH + header(2**64 - 1), id="body of 2^64 less one"),
    pytest.param(PUBLISH + header(2**40), id="body of a terabyte"),
    pytest.param(PUBLISH + header(0, 0xFFFE), id="all properties missing"),
    pytest.param(PUBLISH + header(0, 0xFFFF, b"\xff\xff" * 1000), id="flags without end"),
    pytest.param(PUBLISH + header(0, 0x2000, struct.pack(">I", 0xFFFF_FFFF)), id="headers of 4 GiB"),
    pytest.param(PUBLISH + header(0, 0x8000, b"\xff"), id="string without bytes"),
    pytest.param(declare(b"", size=0xFFFF_FFFF), id="arguments of 4 GiB"),
    pytest.param(declare(b"\x01aS" + struct.pack(">I", 0xFFFF_FFFF)), id="string of 4 GiB"),
    pytest.param(declare(b"\x01aA" + struct.pack(">I", 0x7FFF_FFFF)), id="list of 2 GiB"),
    pytest.param(declare(nested(10_000)), id="10,000 tables in each other"),
    pytest.param(declare(nested_lists(20_000)), id="20,000 lists in each other"),
    pytest.param(declare(b"\x01aA" + struct.pack(">I", 120_000) + b"V" * 120_000), id="120,000 times nothing"),
    pytest.param(declare(b"\0V" * 60_000), id="60,000 fields without a name"),
    pytest.param(declare(b"\x01a?"), id="type of field that is none"),
    pytest.param(declare(b"\x01ax" + struct.pack(">I", 0x8000_0000)), id="bytes of a negative size"),
    pytest.param(amqp.raw_frame(2, 1, b""), id="header of no bytes"),
    pytest.param(amqp.raw_frame(1, 0xFFFF, b"\0\x14\0\x0a\0"), id="channel 65,535"),
    pytest.param(amqp.raw_frame(255, 0, b""), id="kind 255"),
])
def test_extremes(amqp_address, data):
    with Wire(amqp_address) as wire:
        wire.open()
        push(wire.socket, data + b"x" * 200)
        # It ends in time; or it was no mistake after all, and the bytes behind it are one.
        swallow(wire.socket, timeout=1)


def test_a_message_that_is_larger_than_allowed(amqp_address):
    """128 MiB is the limit; it costs the channel, and the bytes are not kept."""
    with Wire(amqp_address) as wire:
        wire.open().open(2)
        wire.send_bytes(PUBLISH + header((128 << 20) + 1))
        for _ in range(64):
            push(wire.socket, frames.Body(1, b"x" * 131_000).marshal() * 8)
        close = wire.frame()
        assert isinstance(close.method, (spec.Channel.Close, spec.Connection.Close)), close
        assert close.method.reply_code in (311, 406, 501, 502), close


def test_every_channel(amqp_address):
    """As many as were agreed on, opened and closed over and over."""
    with Wire(amqp_address) as wire:
        for _ in range(3):
            wire.send_bytes(b"".join(amqp.marshal(spec.Channel.Open(), number) for number in range(1, 2048)))
            for number in range(1, 2048):
                wire.expect(spec.Channel.OpenOk, number)
            close = spec.Channel.Close(200, "", 0, 0)
            wire.send_bytes(b"".join(amqp.marshal(close, number) for number in range(1, 2048)))
            for number in range(1, 2048):
                wire.expect(spec.Channel.CloseOk, number)


# Those who are slow


def test_many_half_open_handshakes(amqp_address):
    """They said nothing, or the protocol, or who they are, and then no more."""
    beginnings = [b"", b"AMQ", amqp.HEADER, amqp.HEADER + session()[1], amqp.HEADER + session()[1] + session()[2]]
    streams = []
    try:
        for index in range(setting("COLA_HALF_OPEN", short=500, long=5_000)):
            streams.append(socket.create_connection(amqp_address, 10))
            streams[-1].sendall(beginnings[index % len(beginnings)])
        time.sleep(1)
    finally:
        for stream in streams:
            stream.close()


def test_no_login_in_time(amqp_address):
    """Byte by byte, never a whole frame: after 10 s it ends, however alive it looks."""
    begun = time.monotonic()
    with Wire(amqp_address, login=False) as silent, Wire(amqp_address, login=False) as slow:
        slow.send_bytes(amqp.HEADER)
        frame = session()[1]
        for byte in frame[:20]:
            slow.send_bytes(bytes([byte]))
            time.sleep(0.2)
        for wire in (silent, slow):
            assert wire.at_end(12)
    assert 8 < time.monotonic() - begun < 15


def test_a_consumer_that_never_reads(shared_broker, amqp_address):
    """What waits for it stays in the queue: the server keeps little ahead of what its socket takes."""
    body = b"x" * 2**20
    with Wire(amqp_address, timeout=30) as publisher:
        publisher.open()
        publisher.call(spec.Queue.Declare(queue="deaf"), spec.Queue.DeclareOk)
        publisher.call(spec.Confirm.Select(), spec.Confirm.SelectOk)
        for number in range(200 if LONG else 130):
            publisher.publish(body, key="deaf", delivery_mode=2)
        while publisher.expect(spec.Basic.Ack).delivery_tag <= number:
            pass
        before = shared_broker.resident_bytes()
        sleepers = [Wire(amqp_address).open() for _ in range(3)]
        for sleeper in sleepers:
            sleeper.send(spec.Basic.Consume(queue="deaf"))
        time.sleep(2)
        growth = shared_broker.resident_bytes() - before
        for sleeper in sleepers:
            sleeper.socket.close()
        assert growth < GROWTH_MAX, "grew by %.0f MiB" % (growth / 2**20)
        assert amqp.wait_for(lambda: publisher.call(
            spec.Queue.Declare(queue="deaf", passive=True), spec.Queue.DeclareOk).message_count == number + 1, 10, 0.1)
        publisher.call(spec.Queue.Delete(queue="deaf"), spec.Queue.DeleteOk)


@pytest.mark.parametrize("says", [b"", amqp.raw_frame(8, 0, b"")], ids=["nothing", "heartbeats"])
def test_a_consumer_that_has_vanished(amqp_address, says):
    """It takes nothing of what is sent to it: its messages go back, as if its heartbeats had ended."""
    queue = amqp.unique("vanished")
    with Wire(amqp_address, timeout=30) as publisher, Wire(amqp_address, heartbeat=1) as vanished:
        publisher.open()
        publisher.call(spec.Queue.Declare(queue=queue), spec.Queue.DeclareOk)
        for number in range(100):
            publisher.publish(b"x" * 400_000, key=queue)
        vanished.open()
        vanished.send(spec.Basic.Consume(queue=queue, no_ack=not says))

        def consumers() -> int:
            with contextlib.suppress(OSError):  # once it is over
                vanished.socket.sendall(says)
            return publisher.call(spec.Queue.Declare(queue=queue, passive=True), spec.Queue.DeclareOk).consumer_count

        assert amqp.wait_for(lambda: consumers() == 1, 10, 0.1)
        assert amqp.wait_for(lambda: consumers() == 0, 40, 0.2)
        publisher.call(spec.Queue.Delete(queue=queue), spec.Queue.DeleteOk)


def test_a_consumer_that_reads_slowly(amqp_address):
    """It takes a little now and then, which is a sign of life, though nothing else can be heard of it."""
    queue = amqp.unique("slow")
    with Wire(amqp_address, timeout=30) as publisher, Wire(amqp_address, heartbeat=1) as slow:
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        publisher.open()
        publisher.call(spec.Queue.Declare(queue=queue), spec.Queue.DeclareOk)
        for number in range(40):
            publisher.publish(b"x" * 400_000, key=queue)
        slow.open()
        slow.send(spec.Basic.Consume(queue=queue))
        deadline = time.monotonic() + 6
        while time.monotonic() < deadline:
            assert slow.socket.recv(300_000)
            time.sleep(0.2)
        found = publisher.call(spec.Queue.Declare(queue=queue, passive=True), spec.Queue.DeclareOk)
        assert found.consumer_count == 1
        publisher.call(spec.Queue.Delete(queue=queue), spec.Queue.DeleteOk)


@pytest.mark.parametrize("asked", [
    amqp.published(b"x" * 1000, key="nobody", mandatory=True), amqp.marshal(spec.Basic.Qos(0, 1, False)),
    amqp.marshal(spec.Queue.Declare(queue="amq.rabbitmq.reply-to", passive=True))])
def test_one_who_never_reads_the_answers(shared_broker, amqp_address, asked):
    """The server stops reading from it, rather than keep its answers."""
    before = shared_broker.resident_bytes()
    with Wire(amqp_address) as wire:
        wire.open()
        wire.socket.setblocking(False)
        requests = memoryview(asked * (2_000_000 // len(asked)))
        sent, deadline = 0, time.monotonic() + 3
        while time.monotonic() < deadline and sent < 200 * 2**20:
            try:
                sent += wire.socket.send(requests[sent % len(requests):])
            except BlockingIOError:
                time.sleep(0.01)
            except FULL:
                break
        growth = shared_broker.resident_bytes() - before
    assert growth < GROWTH_MAX, "grew by %.0f MiB" % (growth / 2**20)
    assert sent < 200 * 2**20, "the server took %d bytes of requests without having its answers read" % sent


def test_many_idle_connections(shared_broker, amqp_address):
    """25 KiB each at most: 10,000, which are as many as the server takes by default, are under 250 MiB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = setting("COLA_IDLE_CONNECTIONS", short=500, long=9_900)
    if hard != resource.RLIM_INFINITY and hard < count + 500:
        pytest.skip("needs %d open files, and %d are allowed (ulimit -n)" % (count + 500, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 500), hard))
    before = shared_broker.resident_bytes()
    wires = []
    try:
        for _ in range(count):
            wires.append(Wire(amqp_address, timeout=20).open())
        growth = shared_broker.resident_bytes() - before
        print("\n%d idle connections: %.1f KiB each" % (count, growth / count / 1024))
        assert growth < count * 25_600 + (10 << 20), "%.1f KiB each" % (growth / count / 1024)
    finally:
        for wire in wires:
            wire.socket.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
