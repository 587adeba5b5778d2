"""What a full disk means for those who are connected."""
from __future__ import annotations

import shutil
import subprocess
import time

import pytest

import native
from test_faults import small_disk  # noqa: F401  (a fixture)
from test_server_connections import MIB, connect


def fill(publisher) -> None:
    """Publishes until the server holds publishers back."""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        publisher.send("pub full %d" % (MIB // 2), b"x" * (MIB // 2))
        while True:
            event = publisher.next_event(2)
            if isinstance(event, native.Notice) and event.verb == "blocked":
                return
            if event is None or isinstance(event, native.Answer):
                break
    raise AssertionError("64 MiB were never full")


def test_a_held_publisher_is_not_taken_for_dead(small_disk, new_broker):  # noqa: F811
    """It is not read from, so that its beats are not heard is no reason to end its connection."""
    broker = new_broker("--reserve", "0", "--disk-free-min", "0", folder=small_disk)
    broker.start()
    with native.Connection(broker.unix) as publisher:
        publisher.ok("declare queue full")
        publisher.ok("hello 1 heartbeat=1")
        fill(publisher)
        beats, deadline = 0, time.monotonic() + 60
        while beats < 5 and time.monotonic() < deadline:
            publisher.send("beat")
            event = publisher.next_event(0.4)
            if isinstance(event, native.Notice) and event.verb == "unblocked":
                fill(publisher)  # some room was found after all
            elif isinstance(event, native.Notice):
                assert event.verb == "beat", event
                beats += 1
        assert beats >= 5


def test_large_messages_wait_outside(small_disk, new_broker):  # noqa: F811
    """While nothing can be stored, what publishers send stays in their sockets, however many they are."""
    broker = new_broker("--reserve", "0", "--disk-free-min", "0", folder=small_disk)
    broker.start()
    peers = []
    with native.Connection(broker.unix) as publisher:
        publisher.ok("declare queue full")
        fill(publisher)
        before = broker.resident_bytes()
        for _ in range(60):
            peer = connect(broker)
            peers.append(peer)
            peer.settimeout(0.2)
            try:
                peer.sendall(b"pub full %d\n" % (8 * MIB) + b"y" * (8 * MIB) + b"\n")
            except TimeoutError:
                pass
        with native.Connection(broker.unix) as other:
            assert other.ok("stat").json()["blocked"]
        used = broker.resident_bytes() - before
        assert used < 256 * MIB, "%d MiB for 60 messages of 8 MiB" % (used // MIB)
    for peer in peers:
        peer.close()


def test_a_disk_that_hangs_does_not_keep_the_server(small_disk, new_broker):  # noqa: F811
    """SIGTERM ends the server also while every write waits; what was confirmed is there afterwards."""
    if not shutil.which("fsfreeze"):
        pytest.skip("needs fsfreeze")
    broker = new_broker("--reserve", "1M", "--disk-free-min", "0", folder=small_disk)
    broker.start()
    with native.Connection(broker.unix) as connection:
        connection.ok("declare queue frozen")
        connection.ok("pub frozen 1", b"a")
        subprocess.run(["fsfreeze", "--freeze", str(small_disk)], check=True)
        try:
            connection.send("pub frozen 1 t=1", b"b")
            assert connection.next_event(0.5) is None, "confirmed without a disk"
            try:
                end = broker.terminate(8)
            except AssertionError:
                # The kernel may not let go of a thread that waits for the disk; what is told matters then.
                end = None
        finally:
            subprocess.run(["fsfreeze", "--unfreeze", str(small_disk)], check=True)
    if end is None:
        end = broker.wait(10)
    assert end.code == 70, end
    assert "the disk did not take the last batch" in end.stderr
    broker.start()
    with native.Connection(broker.unix) as connection:
        assert connection.ok("get frozen").body == b"a"


def test_scarce_disk_space_holds_publishers_before_the_disk_is_full(small_disk, new_broker):  # noqa: F811
    """They are told why, consumers go on, and what they free lets the publishers go on."""
    broker = new_broker("--reserve", "0", "--disk-free-min", "30M", folder=small_disk)
    broker.start()
    body = b"x" * 500_000
    with native.Connection(broker.unix) as publisher, native.Connection(broker.unix, timeout=30) as consumer:
        publisher.ok("declare queue scarce")
        sent = confirmed = 0
        notice, deadline = None, time.monotonic() + 60
        while notice is None and time.monotonic() < deadline:
            publisher.send("pub scarce %d" % len(body), body)
            sent += 1
            event = publisher.next_event(5)
            while event is not None and notice is None:
                if isinstance(event, native.Notice):
                    notice = event
                else:
                    assert event.ok, event
                    confirmed += 1
                    break
                event = publisher.next_event(1)
        assert notice is not None and notice.verb == "blocked", notice
        assert "disk-free-min" in notice.text and str(small_disk) not in notice.text
        assert consumer.ok("stat").json()["blocked"] == notice.text
        consumer.ok("consume scarce c=1 prefetch=10")
        for _ in range(confirmed):
            consumer.send("ack %d" % consumer.collect(1)[0].number)
        consumer.ok("ping")
        deadline, over = time.monotonic() + 30, False
        while not over and time.monotonic() < deadline:
            event = publisher.next_event(1)
            over = isinstance(event, native.Notice) and event.verb == "unblocked"
        assert over, "publishers were not told that there is room again; %s" % broker.stderr()
        publisher.ok("ping")
