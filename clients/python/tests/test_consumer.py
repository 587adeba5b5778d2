"""Consuming: deliveries, acknowledging in ranges, ends of all kinds, and two threads on one connection."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import List

import pytest

import cola
from fake_server import FakeServer, Peer


def deliver(peer: Peer, first: int, last: int, consumer: int = 1) -> None:
    peer.send(b"".join(b"msg %d %d %d 2\n%02d\n" % (consumer, n, n - 1, n) for n in range(first, last + 1)))


def test_acks_travel_in_ranges(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.expect(b"consume q t=2 c=1 prefetch=40\n")
        peer.send(b"ok t=2\n")
        deliver(peer, 1, 25)
        acknowledged: List[int] = []
        lines = 0
        while len(acknowledged) < 25:
            verb, numbers = peer.line().split()
            assert verb == b"ack"
            first, _, last = numbers.partition(b"-")
            acknowledged += range(int(first), int(last or first) + 1)
            lines += 1
        assert acknowledged == list(range(1, 26))
        # Tens at the most come together (a quarter of the prefetch); a slow machine may make them fewer.
        assert 3 <= lines <= 25
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        consumer = client.consume("q", 40, timeout=0.3)
        bodies = []
        for delivery in consumer:
            bodies.append(delivery.text)
            delivery.ack()
        assert bodies == [f"{n:02}" for n in range(1, 26)]


def test_an_ack_stands_before_the_next_request(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.line()
        peer.send(b"ok t=2\n")
        deliver(peer, 1, 3)
        peer.expect(b"ack 1\nack 3\nping t=3\n")
        peer.send(b"ok t=3\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        consumer = client.consume("q", ack_every=100)
        deliveries = [next(consumer) for _ in range(3)]
        consumer.ack([deliveries[2], deliveries[0]])
        client.ping()


def test_nack_and_reject_leave_at_once(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.line()
        peer.send(b"ok t=2\n")
        deliver(peer, 1, 3)
        peer.expect(b"nack 1\nreject 2\nack 3\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        consumer = client.consume("q", ack_every=1)
        next(consumer).nack()
        next(consumer).reject()
        third = next(consumer)
        third.ack()
        with pytest.raises(ValueError, match=r"delivery 3 \(offset 2\) was settled already"):
            third.ack()


def test_credit_auto_and_topics(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.expect(b"consume q t=2 c=1 credit=1 ack=auto\n")
        peer.send(b"ok t=2\nmsg 1 1 0 1 r=0 ts=5 key=k h.a=b\nx\n")
        peer.expect(b"credit 1 5\n")
        peer.expect(b"consume e t=3 c=2 from=first group=g prefetch=100\n")
        peer.send(b"ok t=3\nmsg 2 2 41 1\ny\n")
        peer.expect(b"commit e g 42 t=4\n")
        peer.send(b"ok t=4\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        automatic = client.consume("q", credit=1, ack="auto")
        delivery = next(automatic)
        assert (delivery.redelivered, delivery.releases, delivery.timestamp) == (True, 0, 5)
        assert (delivery.key, delivery.headers) == (b"k", {"a": "b"})
        delivery.ack()  # nothing is sent
        automatic.grant(5)
        topic = client.consume("e", start="first", group="g")
        topic.commit(next(topic))
        with pytest.raises(ValueError, match="no group"):
            automatic.commit(delivery)


def test_the_iteration_ends_with_its_timeout_and_goes_on_when_asked(tmp_path: Path) -> None:
    more = threading.Event()

    def script(peer: Peer) -> None:
        peer.welcome()
        peer.line()
        peer.send(b"ok t=2\n")
        deliver(peer, 1, 1)
        assert more.wait(10)
        deliver(peer, 2, 2)
        assert peer.line() == b"ack 1-2\n"
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        consumer = client.consume("q", timeout=0.2)
        first = list(consumer)
        assert [delivery.body for delivery in first] == [b"01"]
        assert consumer.get(timeout=0) is None
        more.set()
        second = consumer.get(timeout=5)
        assert second is not None and second.body == b"02"
        consumer.ack([*first, second])


def test_a_look_without_waiting_sees_what_has_come(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.line()
        peer.send(b"ok t=2\n")
        deliver(peer, 1, 1)
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        consumer = client.consume("q")
        end = time.monotonic() + 5
        while (delivery := consumer.get(timeout=0)) is None:
            assert time.monotonic() < end
        assert delivery.body == b"01"


def test_a_deleted_queue_ends_its_consumer_only(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.line()
        peer.send(b"ok t=2\n")
        deliver(peer, 1, 1)
        peer.send(b"err c=1 damaged final offset 3 was put aside\n")
        peer.expect(b"ping t=3\n")
        peer.send(b"ok t=3\nerr c=1 cancelled final queue 'q' was deleted\n")
        peer.expect(b"ping t=4\n")
        peer.send(b"ok t=4\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        consumer = client.consume("q")
        assert next(consumer).body == b"01"
        with pytest.raises(cola.Damaged):
            next(consumer)
        client.ping()
        with pytest.raises(cola.Cancelled, match="queue 'q' was deleted"):
            next(consumer)
        assert list(consumer) == []
        client.ping()


def test_a_refused_ack_is_told(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.line()
        peer.send(b"ok t=2\n")
        deliver(peer, 1, 1)
        peer.expect(b"ack 1\n")
        peer.send(b"err unknown_delivery final this connection does not hold delivery 1\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        consumer = client.consume("q", ack_every=1)
        next(consumer).ack()
        with pytest.raises(cola.UnknownDelivery):
            next(consumer)


def test_closing_gives_back_what_was_not_looked_at(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.line()
        peer.send(b"ok t=2\n")
        deliver(peer, 1, 4)
        peer.expect(b"cancel 1 t=3\n")
        deliver(peer, 5, 6)
        peer.send(b"ok t=3\n")
        peer.expect(b"fail 2-6 t=4 end=cancelled then=give-back\n")
        peer.send(b"ok t=4\n")
        peer.expect(b"ack 1\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        with client.consume("q") as consumer:
            first = next(consumer)
        first.ack()
        assert consumer.get(timeout=1) is None


@pytest.mark.parametrize("is_known", [True, False])
def test_closing_a_topics_consumer_gives_room(tmp_path: Path, is_known: bool) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.line()
        peer.send(b"ok t=2\n")
        deliver(peer, 1, 3)
        peer.expect(b"cancel 1 t=3\n")
        peer.send(b"ok t=3\n")
        if not is_known:
            peer.expect(b"fail 2-3 t=4 end=cancelled then=give-back\n")
            peer.send(b"err t=4 mismatch final 'e' is a topic; only ack\n")
        peer.expect(b"ack 2-3\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        with client.consume("e", start="first" if is_known else None) as consumer:
            next(consumer)


def test_a_lost_connection_ends_the_iteration_with_an_error(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.line()
        peer.send(b"ok t=2\n")
        deliver(peer, 1, 2)

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        consumer = client.consume("q", timeout=5)
        got = []
        with pytest.raises(cola.ConnectionLost) as caught:
            for delivery in consumer:
                got.append(delivery.body)
        assert got == [b"01", b"02"]
        assert caught.value.unacknowledged == 2


def test_a_publisher_and_a_consumer_thread_share_a_connection(tmp_path: Path) -> None:
    count = 3_000

    def script(peer: Peer) -> None:
        """An echo: what is published is delivered."""
        peer.welcome()
        peer.line()
        peer.send(b"ok t=2\n")
        published = 0
        while True:
            words = peer.line().split()
            if words[0] == b"pub":
                body = peer.read(int(words[2]) + 1)
                published += 1
                peer.send(b"ok %b\nmsg 1 %d %d %b\n%b" % (words[3], published, published - 1, words[2], body))
            elif words[0] == b"quit":
                assert published == count
                peer.send(b"ok %b\n" % words[1])
                return
            else:
                assert words[0] == b"ack"

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        consumer = client.consume("q", timeout=5)
        received: List[bytes] = []

        def consume() -> None:
            for delivery in consumer:
                received.append(delivery.body)
                delivery.ack()
                if len(received) == count:
                    return

        thread = threading.Thread(target=consume, daemon=True)
        thread.start()
        with client.publisher(window=50) as publisher:
            for number in range(count):
                publisher.publish("q", str(number))
        thread.join(10)
        assert received == [str(number).encode() for number in range(count)]
        assert publisher.report().confirmed == count
