"""What no honest client does. It may cost the sender its connection, and nobody else anything."""
from __future__ import annotations

import random
import socket
import threading
import time
from typing import List

import pytest

import native
from conftest import LONG, seed, setting

GROWTH_MAX = 100 << 20
FULL = (BrokenPipeError, ConnectionResetError)


@pytest.fixture(autouse=True)
def serves_as_before(shared_broker):
    """After each attack the broker lives, has not grown without bound, and serves a client on both listeners."""
    before = shared_broker.resident_bytes()
    yield
    assert shared_broker.runs(), "the broker died: %s" % shared_broker.stderr()[-2000:]
    for url in (shared_broker.unix, shared_broker.tcp):
        with native.Connection(url) as connection:
            connection.ok("declare queue normal")
            connection.ok("pub normal 2", b"hi")
            assert connection.ok("get normal").body == b"hi"
    growth = shared_broker.resident_bytes() - before
    assert growth < GROWTH_MAX, "grew by %.0f MiB" % (growth / 2**20)


def urls(broker) -> List[str]:
    return [broker.unix, broker.tcp]


def push(stream: socket.socket, data: bytes) -> None:
    """Sends as long as the other end takes it."""
    try:
        stream.sendall(data)
    except FULL:
        pass


def swallow(stream: socket.socket, timeout: float = 5.0) -> bytes:
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


def test_random_bytes(shared_broker):
    choices = random.Random(seed())
    for turn in range(setting("COLA_HOSTILE_ROUNDS", short=60, long=2_000)):
        stream = native.connect(urls(shared_broker)[turn % 2])
        push(stream, choices.getrandbits(8 * 4096).to_bytes(4096, "big"))
        stream.close()


WORDS = (b"hello pub pubs consume ack nack reject credit cancel get peek commit list stat declare delete bind unbind "
         b"purge ping beat queue topic exchange queues 0 1 5 -1 1-0 1-9223372036854775807 9223372036854775808 "
         b"99999999999999999999999 c=1 c=0 c=4294967296 t=1 t= t=-1 t=9223372036854775807 prefetch=0 credit=2147483648 "
         b"from=first from=-1 h.= h.a=b key=% key=%zz %00 %FF x=amq.fanout mandatory=no = == % %%% "
         b"\xff\xfe \xc3\x28").split(b" ")


def test_words_of_the_protocol_in_any_order(shared_broker):
    """Lines that are nearly right reach much deeper than noise does."""
    choices = random.Random(seed() + 1)
    for _ in range(setting("COLA_HOSTILE_ROUNDS", short=60, long=2_000)):
        stream = native.connect(shared_broker.unix)
        lines = [b" ".join(choices.choice(WORDS) for _ in range(choices.randint(1, 6))) for _ in range(100)]
        push(stream, b"\n".join(lines) + b"\n")
        swallow(stream, timeout=0.02)
        stream.close()


def test_valid_requests_cut_off_anywhere(shared_broker):
    whole = (native.frame("declare queue cut") + native.publish("cut", b"x" * 50, "h.a=b t=1")
             + native.publish_batch("cut", [b"one", b"two"], "t=2") + b"consume cut c=1\nack 1\nping\n")
    for end in range(len(whole)):
        stream = native.connect(shared_broker.unix)
        push(stream, whole[:end])
        stream.close()


@pytest.mark.parametrize("size", [16 * 2**20 + 1, 2**31, 2**31 - 1, 2**63 - 1])
@pytest.mark.parametrize("request_line", ["pub big %d", "pubs big 1\n%d"])
def test_sizes_beyond_the_limit(shared_broker, size, request_line):
    with native.Connection(shared_broker.unix) as connection:
        connection.ok("declare queue big")
        connection.send_bytes((request_line % size).encode() + b"\n" + b"x" * 1000)
        lines = connection.rest().split(b"\n")
        assert lines[0].startswith(b"err too_large final "), lines
        assert lines[1].startswith(b"bye too_large "), lines


@pytest.mark.parametrize("size", ["18446744073709551616", "-1", "1e9", "0x10", "", "+5", "05"])
def test_a_size_that_is_no_number_closes(shared_broker, size):
    with native.Connection(shared_broker.unix) as connection:
        connection.send_bytes(b"pub big %s\nxxxxx\n" % size.encode())
        rest = connection.rest()
        assert rest.startswith(b"err syntax final ") and b"\nbye syntax " in rest, rest


@pytest.mark.parametrize("listener", ["unix", "tcp"])
def test_a_line_without_an_end(shared_broker, listener):
    stream = native.connect(getattr(shared_broker, listener))
    received: List[bytes] = []
    reader = threading.Thread(target=lambda: received.append(swallow(stream)), daemon=True)
    reader.start()
    for _ in range(64):  # 64 MiB are offered
        push(stream, b"x" * 2**20)
    reader.join(20)
    stream.close()
    # A reset may overtake the last words; what does come must be them.
    assert not received[0] or b"line_too_long" in received[0], received


def test_many_half_open_connections(shared_broker):
    count = setting("COLA_HALF_OPEN", short=500, long=5_000)
    streams = []
    try:
        for index in range(count):
            streams.append(native.connect(urls(shared_broker)[index % 2]))
            streams[-1].sendall(b"hel")
        with native.Connection(shared_broker.tcp) as connection:
            connection.ok("ping")
    finally:
        for stream in streams:
            stream.close()


def test_no_hello_in_time(shared_broker):
    """Byte by byte, never a whole line: over TCP the connection ends after 10 s, however alive it looks."""
    stream = native.connect(shared_broker.tcp)
    begun = time.monotonic()
    received = b""
    stream.settimeout(0.5)
    try:
        while time.monotonic() - begun < 20:
            stream.send(b"h")
            try:
                data = stream.recv(4096)
            except socket.timeout:
                continue
            received += data
            if not data:
                break
        else:
            pytest.fail("it is still open after 20 s")
    except FULL:
        pass
    finally:
        stream.close()
    assert 8 < time.monotonic() - begun < 20
    assert not received or received.startswith(b"bye timeout "), received


def test_a_consumer_that_never_reads(shared_broker):
    """200 MiB wait for it. The server keeps at most about 1 MiB ahead of what its socket takes."""
    body = b"x" * 2**20
    with native.Connection(shared_broker.unix, timeout=30) as publisher:
        publisher.ok("declare queue deaf")
        for _ in range(200 if LONG else 130):
            publisher.ok("pub deaf %d" % len(body), body)
        before = shared_broker.resident_bytes()
        sleepers = [native.Connection(shared_broker.unix) for _ in range(3)]
        for index, sleeper in enumerate(sleepers):
            sleeper.send("consume deaf c=%d prefetch=65535" % (index + 1))
        time.sleep(2)
        growth = shared_broker.resident_bytes() - before
        publisher.ok("ping")
        for sleeper in sleepers:
            sleeper.close()
        assert growth < GROWTH_MAX, "grew by %.0f MiB" % (growth / 2**20)
        deadline = time.monotonic() + 10
        while publisher.ok("declare queue deaf").options["ready"] == "0" and time.monotonic() < deadline:
            time.sleep(0.05)
        publisher.ok("delete queue deaf")


def test_a_publisher_that_never_reads_its_answers(shared_broker):
    """The server stops reading from it, rather than keep its answers."""
    stream = native.connect(shared_broker.unix)
    stream.setblocking(False)
    request = b"list queues\n" * 10_000
    sent, deadline = 0, time.monotonic() + 3
    while time.monotonic() < deadline and sent < 200 * 2**20:
        try:
            sent += stream.send(request)
        except BlockingIOError:
            time.sleep(0.01)
        except FULL:
            break
    stream.close()
    assert sent < 200 * 2**20, "the server took %d bytes of requests without having its answers read" % sent


def test_more_unacknowledged_messages_than_allowed(shared_broker):
    """What a connection holds is bounded too: at 65,536 the server sends no more."""
    with native.Connection(shared_broker.unix, timeout=60) as connection:
        connection.ok("declare queue hoard")
        for _ in range(7):
            connection.ok("pubs hoard 10000", b"".join(b"0\n\n" for _ in range(10_000))[:-1])
        connection.ok("consume hoard c=1 prefetch=65535")
        connection.ok("consume hoard c=2 prefetch=65535")
        received = 0
        while connection.delivery(timeout=1) is not None:
            received += 1
        assert received == 65_536
        connection.ok("ack 1-65536 t=1")
        assert connection.delivery() is not None
        connection.ok("cancel 1")
        connection.ok("cancel 2")
    with native.Connection(shared_broker.unix) as connection:
        connection.ok("delete queue hoard")


def test_hostile_escapes_are_names_or_errors(shared_broker):
    with native.Connection(shared_broker.unix) as connection:
        for name in ("%", "%0", "%GG", "%FF%FE", "a%00b", "x" * 256, "%C3%28"):
            answer = connection.call("declare queue %s" % name)
            assert answer.ok or answer.code == "syntax", (name, answer)
        assert not connection.call("declare queue %GG").ok
        assert not connection.call("declare queue " + "x" * 256).ok
        assert not connection.call("declare queue %FF%FE").ok
