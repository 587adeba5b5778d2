"""Against a real server, named by COLA_TEST_URL: the promises of the protocol, and the shared refusals.

    COLA_TEST_URL=unix://./cola-data/cola.sock pytest tests/test_server.py

The server must be one for tests: queues are made and deleted in it. Over TCP the refusals before `hello` run too.
"""

from __future__ import annotations

import itertools
import os
import re
import sqlite3
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

import pytest

import cola
from cola import _requests as requests
from cola._address import Address
from cola._answers import Decoder, Err, Event, Notice, Ok
from cola._text import Text
from vectors import Vector, name_of, raw, vectors

URL = os.environ.get("COLA_TEST_URL")
pytestmark = pytest.mark.skipif(URL is None, reason="COLA_TEST_URL names no server to test against")

LIMIT = 10.0
_numbers = itertools.count(1)


@pytest.fixture
def client() -> Iterator[cola.Client]:
    with cola.connect(URL, client="test_server", timeout=LIMIT) as connected:
        yield connected


@pytest.fixture
def name() -> str:
    return f"test {os.getpid()}-{time.time_ns()}-{next(_numbers)}"


@pytest.fixture
def queue(client: cola.Client, name: str) -> Iterator[str]:
    client.declare_queue(name)
    yield name
    with cola.connect(URL, timeout=LIMIT) as other:
        try:
            other.delete_queue(name)
        except cola.NotFound:
            pass


@pytest.fixture
def topic(client: cola.Client, name: str) -> Iterator[str]:
    client.declare_topic(name)
    yield name
    client.delete_topic(name)


def take(consumer: cola.Consumer) -> cola.Delivery:
    delivery = consumer.get(timeout=LIMIT)
    assert delivery is not None, "nothing came"
    return delivery


def row_of(rows: List[Dict[str, object]], name: str) -> Dict[str, object]:
    (row,) = [row for row in rows if row["name"] == name]
    return row


def test_what_nobody_looked_at_was_not_tried(client: cola.Client, queue: str) -> None:
    for body in ("x", "y"):
        client.publish(queue, body)
    with client.consume(queue) as consumer:
        take(consumer).ack()
        time.sleep(0.1)
    found = client.get(queue)
    assert found is not None and found.body == b"y" and not found.releases


def test_hello_says_who_and_what(client: cola.Client) -> None:
    assert client.server.startswith("Cola/")
    assert {"batch", "bind", "get", "groups", "headers", "keys", "peek", "prefetch", "topics"} <= client.features


def test_bytes_come_back_as_they_went(client: cola.Client, queue: str) -> None:
    every_byte = bytes(range(256))
    headers: List[Tuple[Text, Text]] = [(b"b", b"2"), (b"a", b""), (b"name =", b"%"), (b"any", every_byte)]
    before = time.time() * 1000
    client.publish(queue, every_byte, key=every_byte, headers=headers)
    delivery = take(client.consume(queue))
    assert (delivery.body, delivery.key) == (every_byte, every_byte)
    assert delivery.header_pairs == headers
    assert not delivery.redelivered
    assert delivery.timestamp is not None and abs(delivery.timestamp - before) < 60_000
    delivery.ack()


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 1_000_000, None], ids=str)
def test_bodies_of_any_size(client: cola.Client, queue: str, size: Optional[int]) -> None:
    body = os.urandom(1024) * 17_000
    body = body[: client.body_max if size is None else size]
    client.publish(queue, body)
    assert take(client.consume(queue, 1)).body == body


def test_order_is_kept_and_every_confirm_comes(client: cola.Client, queue: str) -> None:
    count = 20_000
    received: List[bytes] = []

    def consume() -> None:
        for delivery in client.consume(queue, 500, timeout=LIMIT):
            received.append(delivery.body)
            delivery.ack()
            if len(received) == count:
                return

    thread = threading.Thread(target=consume, daemon=True)
    thread.start()
    with client.publisher() as publisher:
        for number in range(count):
            publisher.publish(queue, b"%d" % number)
    thread.join(LIMIT)
    assert received == [b"%d" % number for number in range(count)]
    assert publisher.report().confirmed == count
    client.ping()
    row = row_of(client.list_queues(), queue)
    assert (row["ready"], row["unacknowledged"]) == (0, 0)


def test_a_batch_is_one_request(client: cola.Client, queue: str) -> None:
    client.publish_many(queue, [b"%d" % number for number in range(10_000)])
    assert client.declare_queue(queue) == 10_000
    assert [message.body for message in client.peek(queue, 0, 3)] == [b"0", b"1", b"2"]
    assert client.purge(queue) == 10_000


def test_a_queue_with_priorities_is_looked_through_page_by_page(client: cola.Client, name: str) -> None:
    client.declare_queue(name, max_priority=9)
    try:
        client.publish_many(name, [b"low%d" % number for number in range(1500)])
        client.publish_many(name, [b"high%d" % number for number in range(1100)], priority=7)
        bodies = [message.body for message in client.browse(name)]
        assert bodies == [b"high%d" % n for n in range(1100)] + [b"low%d" % n for n in range(1500)]
        found = client.peek(name, 1099, 3, priority=7)
        assert [message.body for message in found] == [b"high1099", b"low0", b"low1"]
        assert client.why(name, 5, priority=7)["priority"] == 7
    finally:
        client.delete_queue(name)


def test_nack_returns_a_message_to_its_place(client: cola.Client, queue: str) -> None:
    client.publish_many(queue, ["a", "b", "c"])
    consumer = client.consume(queue, 2)
    first, second = take(consumer), take(consumer)
    first.nack()
    again = take(consumer)
    assert (again.body, again.offset, again.releases) == (b"a", first.offset, 1)
    second.reject()
    again.ack()
    assert take(consumer).body == b"c"


def test_what_a_lost_connection_held_goes_back(client: cola.Client, queue: str) -> None:
    client.publish_many(queue, ["a", "b", "c"])
    with cola.connect(URL, timeout=LIMIT) as other:
        consumer = other.consume(queue)
        deliveries = [take(consumer) for _ in range(3)]
        deliveries[1].ack()
        other.ping()
    found = [take_and_ack(client.consume(queue)) for _ in range(2)]
    assert [(delivery.body, delivery.redelivered) for delivery in found] == [(b"a", True), (b"c", True)]


def take_and_ack(consumer: cola.Consumer) -> cola.Delivery:
    with consumer:
        delivery = take(consumer)
        delivery.ack()
    return delivery


def test_prefetch_bounds_what_is_handed_out(client: cola.Client, queue: str) -> None:
    client.publish_many(queue, ["x"] * 10)
    consumer = client.consume(queue, 3)
    deliveries = [take(consumer) for _ in range(3)]
    assert consumer.get(timeout=0.3) is None
    deliveries[1].ack()
    take(consumer)
    assert consumer.get(timeout=0.3) is None


def test_credit_is_granted(client: cola.Client, queue: str) -> None:
    client.publish_many(queue, ["a", "b"])
    consumer = client.consume(queue, credit=0, ack="auto")
    assert consumer.get(timeout=0.3) is None
    consumer.grant(1)
    assert take(consumer).body == b"a"
    assert consumer.get(timeout=0.3) is None
    assert client.declare_queue(queue) == 1


def test_get(client: cola.Client, queue: str) -> None:
    assert client.get(queue) is None
    client.publish(queue, "a", headers={"n": "v"}, key="k")
    held = client.get(queue, ack="manual")
    assert held is not None and (held.body, held.key, held.headers) == (b"a", b"k", {"n": "v"})
    assert client.get(queue) is None
    held.nack()
    client.ping()
    again = client.get(queue)
    assert again is not None and again.releases == 1
    assert client.declare_queue(queue) == 0


def test_exchanges_route(client: cola.Client, queue: str, name: str) -> None:
    exchange = f"{name} exchange"
    client.declare_exchange(exchange, "direct")
    try:
        client.bind(exchange, queue, "red")
        client.publish("red", "1", exchange=exchange)
        with pytest.raises(cola.Unroutable):
            client.publish("blue", "2", exchange=exchange)
        client.publish("blue", "3", exchange=exchange, mandatory=False)
        client.unbind(exchange, queue, "red")
        with pytest.raises(cola.Unroutable):
            client.publish("red", "4", exchange=exchange)
        client.bind("amq.fanout", queue)
        client.publish("", "5", exchange="amq.fanout")
        assert [message.body for message in client.peek(queue, 0, 10)] == [b"1", b"5"]
    finally:
        client.delete_exchange(exchange)


def test_a_topic_is_read_by_groups(client: cola.Client, topic: str) -> None:
    client.publish_many(topic, ["a", "b", "c"])
    with client.consume(topic, group="g") as consumer:
        assert take(consumer).body == b"a"
        consumer.commit(take(consumer))
    with client.consume(topic, group="g") as consumer:
        assert take(consumer).body == b"c"
    with client.consume(topic, group="h") as consumer:
        assert take(consumer).body == b"a"
    with client.consume(topic, start="last") as consumer:
        assert take(consumer).body == b"c"
    with client.consume(topic) as consumer:
        assert consumer.get(timeout=0.2) is None
        client.publish(topic, "d")
        assert take(consumer).body == b"d"


def test_reading_a_topic_goes_on_past_the_prefetch(client: cola.Client, topic: str) -> None:
    client.publish_many(topic, [b"%d" % number for number in range(1000)])
    read: List[bytes] = []
    for delivery in client.consume(topic, 10, start="first", timeout=LIMIT):
        read.append(delivery.body)
        delivery.ack()
        if len(read) == 1000:
            break
    assert read == [b"%d" % number for number in range(1000)]


def test_a_record_of_a_topic_cannot_be_given_back(client: cola.Client, topic: str) -> None:
    client.publish(topic, "a")
    consumer = client.consume(topic, start="first")
    take(consumer).nack()
    with pytest.raises(cola.Mismatch):
        consumer.get(timeout=LIMIT)


def test_an_answer_does_not_wait_for_a_topics_acks(client: cola.Client, topic: str) -> None:
    """They change nothing on the disk, so there is nothing to wait for."""
    client.publish(topic, "a")
    take(client.consume(topic, start="first", ack_every=1)).ack()
    client.ping()


def test_a_deleted_queue_cancels_its_consumers(client: cola.Client, queue: str) -> None:
    consumer = client.consume(queue)
    with cola.connect(URL, timeout=LIMIT) as other:
        assert other.delete_queue(queue) == 0
    with pytest.raises(cola.Cancelled):
        consumer.get(timeout=LIMIT)
    client.ping()


def test_listings_and_figures(client: cola.Client, queue: str) -> None:
    client.publish(queue, "x")
    client.bind("amq.direct", queue, "k")
    consumer = client.consume(queue, 7)
    take(consumer)
    row = row_of(client.list_queues(), queue)
    assert (row["ready"], row["unacknowledged"], row["messages"], row["consumers"]) == (0, 1, 1, 1)
    assert {"amq.direct", "amq.fanout"} <= {exchange["name"] for exchange in client.list_exchanges()}
    (row,) = [row for row in client.list_bindings() if row["destination"] == queue]
    assert (row["source"], row["key"]) == ("amq.direct", "k")
    (row,) = [row for row in client.list_consumers() if row["queue"] == queue]
    assert (row["prefetch"], row["unacknowledged"]) == (7, 1)
    assert "test_server" in [connection["client"] for connection in client.list_connections()]
    assert isinstance(client.list_topics(), list)


def test_a_server_without_workers_says_so(client: cola.Client) -> None:
    if not client.is_admin:
        pytest.skip("workers are for administrators")
    (row,) = client.list_processes()
    assert row["name"] == "cola" and row["pid"] > 0 and row["resident"] > 0
    assert client.list_workers() == []
    with pytest.raises(cola.NotFound, match="workers:"):
        client.stop_worker("resize", 7)
    with pytest.raises(cola.NotFound, match="workers:"):
        client.nice_worker("resize", -5, 7)
    with pytest.raises(cola.NotFound, match="workers:"):
        client.worker_output("resize", 7, start="3-1200", count=5, stream="err", wait=timedelta(seconds=1))
    with pytest.raises(cola.NotFound, match="workers:"):
        client.describe("worker", "resize")
    stat = client.stat()
    assert {"version", "epoch", "uptime", "connections", "queues", "messages", "blocked"} <= stat.keys()


def test_heartbeats_keep_an_idle_connection() -> None:
    with cola.connect(URL, heartbeat=1, timeout=LIMIT) as idle:
        assert idle.heartbeat == 1
        time.sleep(3.5)
        assert idle.is_open
        idle.ping()


def test_priorities_delays_and_duplicates(client: cola.Client, name: str) -> None:
    client.declare_queue(name, max_priority=5, deduplication_window=timedelta(minutes=1))
    try:
        assert client.publish(name, "low", priority=1, message_id="a")
        assert client.publish(name, "high", priority=4)
        assert not client.publish(name, "again", message_id="a")
        client.publish(name, "late", priority=5, delay=timedelta(milliseconds=200))
        consumer = client.consume(name, timeout=LIMIT)
        high, low, late = take(consumer), take(consumer), take(consumer)
        assert [delivery.text for delivery in (high, low, late)] == ["high", "low", "late"]
        assert low.message_id == "a" and late.headers["cola-priority"] == "5"
        late.nack(delay=100)
        assert take(consumer).releases == 1
    finally:
        client.delete_queue(name)


def test_dead_letters_and_the_way_back(client: cola.Client, name: str, queue: str) -> None:
    client.declare_queue(f"{name}.work", dead_letter_exchange="", dead_letter_routing_key=queue)
    try:
        client.publish(f"{name}.work", "x")
        delivery = client.get(f"{name}.work", ack="manual")
        assert delivery is not None
        delivery.reject()
        client.ping()
        (dead,) = client.peek(queue)
        assert dead.headers["cola-death"].startswith("rejected 1 ")
        assert client.redrive(queue) == 1
        assert client.describe("queue", f"{name}.work")["ready"] == 1
        assert client.why(f"{name}.work")["because"] == "nobody consumes from the queue"
    finally:
        client.delete_queue(f"{name}.work")


def test_a_question_and_its_answer(client: cola.Client, queue: str) -> None:
    answers = client.declare_temporary_queue()
    client.publish(queue, "2+2", reply_to=answers, correlation_id="7")
    question = client.get(queue)
    assert question is not None and question.reply_to is not None
    client.publish(question.reply_to, "4", correlation_id=question.correlation_id)
    answer = client.get(answers)
    assert answer is not None and (answer.text, answer.correlation_id) == ("4", "7")
    with cola.connect(URL, timeout=LIMIT) as other, pytest.raises(cola.Locked):
        other.get(answers)


def test_members_of_a_group(client: cola.Client, name: str) -> None:
    client.declare_topic(name, 2)
    try:
        for partition in (0, 1):
            client.publish(name, str(partition), partition=partition)
        consumer = client.consume(name, group="g", join="range", timeout=LIMIT)
        deliveries = [take(consumer), take(consumer)]
        assert sorted((delivery.partition, delivery.text) for delivery in deliveries) == [(0, "0"), (1, "1")]
        assert consumer.assignment == {0: 0, 1: 0}
        consumer.commit(deliveries[0])
        (group,) = [row for row in client.list_groups() if row["topic"] == name]
        assert (group["members"], group["strategy"]) == (1, "range")
        consumer.seek("first", partition=1)
        assert take(consumer).partition == 1
        consumer.close()
        client.delete_group(name, "g")
    finally:
        client.delete_topic(name)


def test_limits_policies_and_virtual_hosts(client: cola.Client, name: str) -> None:
    client.declare_queue(name, max_length=1, overflow="reject-publish")
    try:
        client.publish(name, "x")
        with pytest.raises(cola.Full) as caught:
            client.publish(name, "y")
        assert caught.value.retryable
        client.alter(name, clear=["overflow"])
        client.publish(name, "z")
        client.set_policy(name, re.escape(name), to="queues", message_ttl=60_000)
        assert client.describe("queue", name)["effective"] == {"message-ttl": "60000", "max-length": "1"}
        client.clear_policy(name)
        with pytest.raises(cola.InUse):
            client.delete_queue(name, if_empty=True)
    finally:
        client.delete_queue(name)
    client.declare_vhost(name)
    with cola.connect(URL, vhost=name, timeout=LIMIT) as inside:
        assert inside.list_queues() == []
    with pytest.raises(cola.NotFound):
        cola.connect(URL, vhost=f"{name}.none", timeout=LIMIT)
    client.delete_vhost(name)


@pytest.mark.skipif(not (URL or "").startswith("unix:"), reason="a server backs itself up for its own user only")
def test_a_backup_is_a_copy_of_all_that_was_confirmed(client: cola.Client, queue: str, tmp_path: Path) -> None:
    client.publish(queue, "kept")
    size = client.backup(tmp_path / "copy")
    assert size == (tmp_path / "copy" / "cola.db").stat().st_size > 0
    with pytest.raises(cola.InUse, match="copy"):
        client.backup(str(tmp_path / "copy"))
    assert client.backup(tmp_path / "copy", replace=True) > 0
    assert client.backup(tmp_path / "copy.db", as_file=True) == (tmp_path / "copy.db").stat().st_size
    with sqlite3.connect(tmp_path / "copy.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("SELECT count(*) FROM chunk").fetchone() > (0,)
    with pytest.raises(cola.ColaError, match="begins with /"):
        client.backup("relative")


class RawConnection:
    """Bytes out, events in: what no client would send."""

    def __init__(self, greets: bool) -> None:
        address = Address(URL)
        self._socket = address.open(LIMIT)
        self._socket.settimeout(LIMIT)
        self._decoder = Decoder()
        self._events: List[Event] = []
        if greets and not address.is_unix:
            self.send(requests.hello(user=address.user or "guest", password=address.password or "guest"))
            assert isinstance(self.event(), Ok)

    def send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError:
            pass  # the server has refused and closed already; its answer is there to read

    def event(self) -> Event:
        while not self._events:
            data = self._receive()
            assert data, "the server closed without an answer"
            self._events += self._decoder.feed(data)
        return self._events.pop(0)

    def assert_end(self) -> None:
        assert not self._events and self._receive() == b""

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(65_536)
        except ConnectionResetError:
            # What it had not read when it closed makes an end of this kind.
            return b""

    def close(self) -> None:
        self._socket.close()


@pytest.mark.parametrize("vector", vectors("refusals"), ids=name_of)
@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
def test_refusals(vector: Vector, bytewise: bool) -> None:
    if vector["state"] == "new" and Address(URL).is_unix:
        pytest.skip("a Unix socket is open at once")
    connection = RawConnection(greets=vector["state"] == "open")
    try:
        for request in vector.get("setup", []):
            connection.send(raw(request))
            assert isinstance(connection.event(), Ok)
        data = raw(vector)
        if bytewise and len(data) < 200:
            for at in range(len(data)):
                connection.send(data[at : at + 1])
        else:
            connection.send(data)
        refusal = connection.event()
        assert isinstance(refusal, Err), f"no err line, but {getattr(refusal, 'kind', 'ok')}"
        assert (refusal.code, refusal.retry) == (vector["code"], vector.get("retry", False)), refusal.sentence
        # Of a line that is not of its form, the tag may be readable or not.
        if "t" in vector:
            assert refusal.tag == vector["t"]
        assert refusal.sentence, "no sentence"
        if vector["closes"]:
            bye = connection.event()
            assert isinstance(bye, Notice) and (bye.kind, bye.code) == ("bye", vector["code"])
            connection.assert_end()
        else:
            if vector["state"] == "new":
                return
            connection.send(b"ping t=99\n")
            pong = connection.event()
            assert isinstance(pong, Ok) and pong.tag == 99
    finally:
        connection.close()
