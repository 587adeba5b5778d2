"""What connections cost the server and each other: memory, time, and how they end."""
from __future__ import annotations

import os
import resource
import signal
import socket
import sqlite3
import time

import pytest

import native
from broker import halt
from conftest import LONG

MIB = 1 << 20


def connect(broker, timeout: float = 20.0) -> socket.socket:
    """A bare Unix connection; waits while the server's backlog is full."""
    opened = socket.socket(socket.AF_UNIX)
    opened.settimeout(timeout)
    deadline = time.monotonic() + timeout
    while True:
        try:
            opened.connect(broker.socket)
            return opened
        except BlockingIOError:
            assert time.monotonic() < deadline, "no room in the backlog for %g s" % timeout
            time.sleep(0.005)


def read_to_end(opened: socket.socket) -> bytes:
    data = bytearray()
    while True:
        part = opened.recv(1 << 20)
        if not part:
            return bytes(data)
        data += part


def wait_for(condition, seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def many_descriptors():
    """Leave to open 8,192 files, for this process and the servers that it starts."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] != resource.RLIM_INFINITY and before[1] < 8_192:
        pytest.skip("no more than %d open files are allowed here" % before[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (8_192, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


# How they end


@pytest.mark.parametrize("ending", ["quit", "end of the stream"])
def test_last_answers_wait_for_a_slow_reader(shared_broker, ending):
    """What was asked for is answered to the last byte, also if the client takes longer than a moment to read it."""
    with native.Connection(shared_broker.unix) as connection:
        connection.ok("declare queue slow")
        connection.ok("purge slow")
        connection.ok("pub slow %d" % (8 * MIB), b"x" * (8 * MIB))
    with connect(shared_broker) as reader:
        if ending == "quit":
            reader.sendall(b"peek slow\nquit\n")
        else:
            reader.sendall(b"peek slow\n")
            reader.shutdown(socket.SHUT_WR)
        time.sleep(2.5)
        received = read_to_end(reader)
    assert len(received) > 8 * MIB, "%d bytes came, then the end" % len(received)
    assert b"\nok count=1\n" in received[-40:]


def test_nothing_is_handed_to_one_who_has_quit(shared_broker):
    """Once `quit` is answered its consumers are gone, even while its socket is still open."""
    with connect(shared_broker) as leaver, native.Connection(shared_broker.unix) as connection:
        connection.ok("declare queue left")
        leaver.sendall(b"consume left c=1 ack=auto\nquit\n")
        assert read_to_end(leaver) == b"ok\nok\n"
        for _ in range(10):
            connection.ok("pub left 1", b"a")
        ready = [row["ready"] for row in connection.ok("list queues").json() if row["name"] == "left"]
    assert ready == [10]


def test_peers_that_die_together(new_broker, many_descriptors):
    """Writes that all fail in one turn: with a small stack, for each must not be a turn inside the one before."""
    count = 3_000
    broker = new_broker()
    stack = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (1 * MIB, stack[1]))
    try:
        broker.start()
    finally:
        resource.setrlimit(resource.RLIMIT_STACK, stack)
    with native.Connection(broker.unix, timeout=30) as publisher:
        publisher.ok("declare exchange all type=fanout")
        child = os.fork()
        if child == 0:
            peers = [connect(broker) for _ in range(count)]
            for index, peer in enumerate(peers):
                peer.sendall(b"declare queue d%d\nbind all d%d\nconsume d%d c=1\n" % (index, index, index))
            time.sleep(120)
            os._exit(0)
        try:
            assert wait_for(lambda: publisher.ok("stat").json()["consumers"] == count, 60)
            halt(broker.pid)
            publisher.send("pub x 1 x=all", b"a")
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        os.kill(broker.pid, signal.SIGCONT)
        assert publisher.answer(30).ok
        assert wait_for(lambda: publisher.ok("stat").json()["consumers"] == 0)
        statistics = publisher.ok("stat").json()
        assert (statistics["messages"], statistics["connections"]) == (count, 1)


# What they cost


def test_memory_of_idle_connections(new_broker, many_descriptors):
    """10,000 idle connections fit in 250 MB, so each has 22 KiB beyond the empty server: also after a burst, and with a
    byte of a request that does not go on."""
    count = 3_000
    broker = new_broker()
    broker.start()
    before = broker.resident_bytes()
    peers = [connect(broker) for _ in range(count)]
    for peer in peers:
        peer.sendall(b"hello 1\n")
    for peer in peers:
        assert peer.recv(1_000).startswith(b"ok version=1")
    assert broker.resident_bytes() - before < count * 22 * 1_024
    for peer in peers:
        peer.sendall(b"ping\n" * 1_000 + b"p")
    for peer in peers:
        received = 0
        while received < 3_000:
            received += len(peer.recv(4_096))
    used = broker.resident_bytes() - before
    assert used < count * 22 * 1_024, "%d bytes a connection" % (used // count)
    for peer in peers:
        peer.close()


def test_large_message_leaves_no_large_buffer(new_broker):
    """A connection that has published a large message and goes on with a byte of the next keeps a byte."""
    broker = new_broker()
    broker.start()
    peers = []
    with native.Connection(broker.unix) as connection:
        connection.ok("declare queue large")
    sizes = []
    for _ in range(24):
        peer = connect(broker)
        peer.sendall(b"pub large %d\n" % (8 * MIB) + b"x" * (8 * MIB) + b"\np")
        assert peer.recv(100) == b"ok\n"
        peers.append(peer)
        sizes.append(broker.resident_bytes())
    assert sizes[-1] - sizes[7] < 40 * MIB, "16 connections more took %d bytes" % (sizes[-1] - sizes[7])
    for peer in peers:
        peer.close()


def test_outside_reader_costs_no_cpu(new_broker):
    """Someone reads the database with another program, so the log cannot be moved: the server waits, and does not
    spin."""
    broker = new_broker()
    broker.start()
    with native.Connection(broker.unix) as connection:
        connection.ok("declare queue read")
        connection.ok("pub read 1", b"a")
        visitor = sqlite3.connect("file:%s?mode=ro" % broker.database(), uri=True, isolation_level=None)
        visitor.execute("BEGIN")
        assert visitor.execute("SELECT count(*) FROM chunk").fetchone() == (1,)
        for _ in range(8):
            connection.ok("pub read %d" % MIB, b"x" * MIB)
        time.sleep(1)
        before = broker.cpu_seconds()
        time.sleep(2)
        assert broker.cpu_seconds() - before < 0.2
        visitor.execute("COMMIT")
        visitor.close()
        assert connection.ok("pub read 1", b"a").ok


# What they do to each other


def test_acknowledgements_pass_a_full_inbox(new_broker):
    """Clients that send most of a large message and stop hold up neither small requests nor, for long, each other."""
    if not LONG:
        pytest.skip("waits for the server's patience, 10 s and more; COLA_LONG=1 runs it")
    broker = new_broker()
    broker.start()
    stuck = []
    with native.Connection(broker.unix, timeout=40) as connection:
        connection.ok("declare queue body")
        for _ in range(12):
            peer = connect(broker, 40)
            peer.settimeout(1)
            try:
                peer.sendall(b"pub body %d\n" % (16 * MIB) + b"x" * (15 * MIB))
            except socket.timeout:
                pass  # not read from any more
            stuck.append(peer)
        resident = broker.resident_bytes()
        assert resident < 512 * MIB, resident
        begun = time.monotonic()
        # In two pieces, so that a part of it waits in the inbox.
        connection.send_bytes(b"pub body 5\nhe")
        time.sleep(0.2)
        connection.send_bytes(b"llo\n")
        assert connection.answer().ok
        assert time.monotonic() - begun < 2
        connection.ok("pub body %d" % MIB, b"y" * MIB)
    assert stuck[0].recv(4_096).startswith(b"bye timeout ")
    for peer in stuck:
        peer.close()


def test_without_descriptors(new_broker):
    """No file descriptor is left: who is connected goes on, the processor rests, and afterwards there is room again."""
    broker = new_broker()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, before[1]))
    try:
        broker.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    with native.Connection(broker.unix) as connection:
        connection.ok("declare queue few")
        others = [connect(broker) for _ in range(150)]
        time.sleep(0.5)
        begun = broker.cpu_seconds()
        time.sleep(2)
        assert broker.cpu_seconds() - begun < 0.2
        for _ in range(100):
            connection.ok("pub few 5000", b"x" * 5_000)
        for other in others:
            other.close()
        with native.Connection(broker.unix) as newcomer:
            assert newcomer.ok("list queues").json()[0]["messages"] == 100


def test_flood_of_connections(new_broker, many_descriptors):
    """Who comes when the house is full is told so, and has left nothing behind when he is gone."""
    broker = new_broker("--connections-max", "10")
    broker.start()
    guests = [native.Connection(broker.tcp) for _ in range(10)]
    with native.connect(broker.tcp, 20) as another:
        assert b"all 10 connections are in use" in read_to_end(another)
    # Whoever may look who has them still gets in.
    guests += [connect(broker) for _ in range(3)]
    with connect(broker) as refused:
        assert read_to_end(refused).startswith(b"bye busy ")
    begun = broker.resident_bytes()
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        connect(broker).close()
    assert broker.resident_bytes() - begun < 64 * MIB
    guests.pop().close()

    def is_admitted() -> bool:
        with connect(broker) as newcomer:
            newcomer.sendall(b"ping\n")
            return newcomer.recv(100) == b"ok\n"

    assert wait_for(is_admitted)
    for guest in guests:
        guest.close()
