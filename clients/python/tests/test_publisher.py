"""Pipelined publishing: windows, confirms, refusals and what is unknown."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

import cola
from fake_server import FakeServer, Peer


def read_pubs(peer: Peer, first: int, last: int) -> None:
    for tag in range(first, last + 1):
        peer.expect(b"pub q 2 t=%d\n%02d\n" % (tag, tag % 100))


def test_merged_confirms(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        read_pubs(peer, 2, 51)
        peer.send(b"ok t=2-30\nok t=31\n")
        peer.send(b"ok t=32-51\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        with client.publisher() as publisher:
            numbers = [publisher.publish("q", f"{tag:02}") for tag in range(2, 52)]
        assert numbers == list(range(50))
        report = publisher.report()
        assert (report.sent, report.confirmed, report.refused, list(report.unknown)) == (50, 50, {}, [])


def test_a_merged_confirm_reaches_over_requests_of_several(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.expect(b"pub q 1 t=2\na\npub q 1 t=3\nb\npub q 1 t=4\nc\nping t=5\n")
        peer.send(b"ok t=2-5\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        first, second = client.publisher(), client.publisher()
        first.publish("q", "a")
        second.publish("q", "b")
        first.publish("q", "c")
        client.ping()
        assert (first.flush().confirmed, second.flush().confirmed) == (2, 1)


def test_refusals_are_told_one_by_one(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        read_pubs(peer, 2, 6)
        peer.send(b"ok t=2\nerr t=3 unroutable final nowhere\nok t=4-5\nerr t=6 blocked retry full\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        expected = "2 of 5 messages.*3 are confirmed.*number 1: unroutable"
        with pytest.raises(cola.PublishRefused, match=expected) as caught:
            with client.publisher() as publisher:
                for tag in range(2, 7):
                    publisher.publish("q", f"{tag:02}")
        report = caught.value.report
        assert {number: error.code for number, error in report.refused.items()} == {1: "unroutable", 4: "blocked"}
        assert [number for number in range(-1, 6) if report.is_confirmed(number)] == [0, 2, 3]
        assert not caught.value.retryable
        assert publisher.flush() == publisher.report()  # raised once, not again


def test_the_window_is_kept(tmp_path: Path) -> None:
    held = threading.Event()

    def script(peer: Peer) -> None:
        peer.welcome()
        read_pubs(peer, 2, 11)
        peer.socket.settimeout(0.3)
        try:
            raise AssertionError(f"more than the window: {peer.socket.recv(1)!r}")
        except socket.timeout:
            peer.socket.settimeout(10)
        held.set()
        peer.send(b"ok t=2-11\n")

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        publisher = client.publisher(window=10)
        for tag in range(2, 12):
            publisher.publish("q", f"{tag:02}")
        assert held.is_set()
        publisher.flush()


def test_a_lost_connection_leaves_the_tail_unknown(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        read_pubs(peer, 2, 21)
        peer.send(b"ok t=2-8\nerr t=9 unroutable final nowhere\nok t=10\n")

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        with pytest.raises(cola.ConnectionLost) as caught:
            with client.publisher() as publisher:
                for tag in range(2, 22):
                    publisher.publish("q", f"{tag:02}")
        report = publisher.report()
        assert (report.sent, report.confirmed, list(report.refused)) == (20, 8, [7])
        assert report.unknown == range(9, 20)
        assert caught.value.in_flight == ("11 published messages, numbers 9 to 19",)
        with pytest.raises(cola.ConnectionLost):
            publisher.publish("q", "more")


def test_no_confirm_in_time_is_told(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        read_pubs(peer, 2, 3)
        peer.send(b"ok t=2\nblocked the disk is full\n")
        peer.line()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        publisher = client.publisher(timeout=0.3)
        publisher.publish("q", "02")
        publisher.publish("q", "03")
        with pytest.raises(cola.NoAnswer, match="1 messages wait; publishers are held back: the disk is full"):
            publisher.flush()
        assert publisher.report().unknown == range(1, 2)
        client.timeout = 0.1


def test_the_blocks_own_failure_is_not_hidden(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        read_pubs(peer, 2, 2)
        peer.send(b"ok t=2\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        with pytest.raises(KeyError):
            with client.publisher() as publisher:
                publisher.publish("q", "02")
                raise KeyError("the program's own")
        assert publisher.report().confirmed == 1


def test_a_held_back_writer_reads_meanwhile(tmp_path: Path) -> None:
    """The server sends more than the sockets hold before it reads on; a client that only wrote would wait for ever."""
    body = b"x" * 1_000_000

    def script(peer: Peer) -> None:
        peer.welcome()
        peer.line()
        peer.send(b"ok t=2\n")
        for number in range(1, 9):
            peer.send(b"msg 1 %d %d 1000000\n%b\n" % (number, number, body))
        assert peer.line() == b"pub q 8000000 t=3\n"
        peer.read(8_000_001)
        peer.send(b"ok t=3\n")
        peer.expect(b"ack 1-8\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        consumer = client.consume("q")
        client.publish("q", body * 8)
        consumer.ack([next(consumer) for _ in range(8)])
