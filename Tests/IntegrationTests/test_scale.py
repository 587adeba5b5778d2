"""A million of each: what memory, disk and a restart cost, and whether another queue notices.

The short form has a twentieth of it. Figures are printed; what is asserted holds for any count: memory is bounded,
a restart is quick, and what another queue's messages wait for does not grow with the work beside them.
"""
from __future__ import annotations

import random
import threading
import time
from typing import Iterator, List

import native
import pytest
from conftest import setting, time_factor

COUNT = setting("COLA_SCALE", short=50_000, long=1_000_000)
BATCH = 5_000
# More than at rest; pages of the program and its libraries are not what is looked at.
GROWTH_BYTES_MAX = 192 << 20
RESTART_SECONDS_MAX = 2.0
# What one message of another queue may wait while a million beside it are moved: a slice and a commit, many times over.
LATENCY_SECONDS_MAX = 0.5


def publish(connection: native.Connection, key: str, count: int, size: int = 16, options: str = "") -> None:
    """`count` messages of `size` bytes, numbered from 0, all confirmed."""
    sent = answered = 0
    batches = [min(BATCH, count - first) for first in range(0, count, BATCH)]
    while answered < len(batches):
        while sent < len(batches) and sent - answered < 4:
            first = sent * BATCH
            bodies = [b"%0*d" % (size, first + index) for index in range(batches[sent])]
            connection.send_bytes(native.publish_batch(key, bodies, options))
            sent += 1
        assert connection.answer().ok
        answered += 1


def wait_for(connection: native.Connection, queue: str, ready: int, seconds: float) -> float:
    """How long it took until the queue had as many messages."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds * time_factor():
        rows = connection.ok("list queues").json()
        found = next((row["messages"] for row in rows if row["name"] == queue), 0)
        if found == ready:
            return time.monotonic() - begun
        time.sleep(0.05)
    raise AssertionError("%s has %d messages instead of %d" % (queue, found, ready))


def disk_bytes(broker) -> int:
    return sum(path.stat().st_size for path in broker.data.rglob("*") if path.is_file() and path.name != "reserve")


def report(what: str, broker, seconds: float) -> None:
    print("\n%s: %.1f s, %.0f MiB resident, %.0f MiB on the disk"
          % (what, seconds, broker.resident_bytes() / 2**20, disk_bytes(broker) / 2**20))
    assert broker.resident_bytes() - broker.bytes_at_rest < GROWTH_BYTES_MAX, what


def restart(broker) -> None:
    broker.kill()
    seconds = broker.start(deadline=120)
    print("   ready %.3f s after a kill, %.0f MiB resident" % (seconds, broker.resident_bytes() / 2**20))
    assert seconds < RESTART_SECONDS_MAX * time_factor()


@pytest.fixture
def big(new_broker) -> Iterator:
    """A broker that lets one connection hold a million messages."""
    made = new_broker("--unacked-max", "2000000")
    made.start()
    made.bytes_at_rest = made.resident_bytes()
    yield made


def test_one_queue(big) -> None:
    with native.Connection(big.unix, timeout=120) as connection:
        connection.ok("declare queue q")
        begun = time.monotonic()
        publish(connection, "q", COUNT)
        report("%d messages in one queue" % COUNT, big, time.monotonic() - begun)
    restart(big)
    with native.Connection(big.unix, timeout=120) as connection:
        wait_for(connection, "q", COUNT, 10)


def test_one_message_in_each_of_many_queues(big) -> None:
    queues = max(500, COUNT // 100)
    with native.Connection(big.unix, timeout=120) as connection:
        begun = time.monotonic()
        for verb in ("declare queue q%d", "pub q%d 1"):
            for number in range(queues):
                connection.send(verb % number, b"x" if verb.startswith("pub") else None)
            for _ in range(queues):
                assert connection.answer().ok
        report("a message in each of %d queues" % queues, big, time.monotonic() - begun)
    restart(big)
    with native.Connection(big.unix, timeout=120) as connection:
        assert connection.ok("stat").json()["messages"] == queues
        assert connection.ok("get q%d" % (queues - 1)).body == b"x"


def test_single_message_commits(big) -> None:
    count = setting("COLA_SCALE_COMMITS", short=3_000, long=COUNT)
    with native.Connection(big.unix, timeout=120) as connection:
        connection.ok("declare queue q")
        begun = time.monotonic()
        for number in range(count):
            connection.ok("pub q 16", b"%016d" % number)
        report("%d commits of one message" % count, big, time.monotonic() - begun)
        # The writer merges small rows when nobody waits for it.
        time.sleep(3)
        report("the same 3 s later", big, 0)
    restart(big)
    with native.Connection(big.unix, timeout=120) as connection:
        connection.ok("consume q c=1 prefetch=1000")
        bodies = [message.body for message in connection.collect(min(count, 1000))]
        assert bodies == [b"%016d" % number for number in range(len(bodies))]


def test_messages_that_do_not_outlive_the_process(big) -> None:
    with native.Connection(big.unix, timeout=120) as connection:
        connection.ok("declare queue q durable=no")
        begun = time.monotonic()
        publish(connection, "q", COUNT, size=256)
        report("%d messages of 256 bytes in a queue that is not durable" % COUNT, big, time.monotonic() - begun)
        assert connection.ok("list queues").json()[0]["ready"] == COUNT
        connection.ok("consume q c=1 prefetch=65535")
        for first in range(0, COUNT, 10_000):
            found = connection.collect(min(10_000, COUNT - first))
            assert found[0].body == b"%0256d" % first and found[-1].body == b"%0256d" % (first + len(found) - 1)
            connection.send("ack %d-%d" % (found[0].number, found[-1].number))
        connection.ok("ping")
        wait_for(connection, "q", 0, 10)
    restart(big)
    with native.Connection(big.unix, timeout=120) as connection:
        assert connection.ok("list queues").json() == []


def test_unacknowledged_and_then_acknowledged_at_random(big) -> None:
    with native.Connection(big.unix, timeout=300) as connection:
        connection.ok("declare queue q")
        publish(connection, "q", COUNT)
        begun = time.monotonic()
        tags: List[int] = []
        consumer = 0
        while len(tags) < COUNT:
            consumer += 1
            wanted = min(65_535, COUNT - len(tags))
            connection.ok("consume q c=%d prefetch=%d" % (consumer, wanted))
            tags += [message.number for message in connection.collect(wanted)]
        report("%d messages handed out" % COUNT, big, time.monotonic() - begun)
        random.Random(1).shuffle(tags)
        begun = time.monotonic()
        for first in range(0, COUNT, 50_000):
            connection.send_bytes(b"".join(b"ack %d\n" % tag for tag in tags[first:first + 50_000]))
            connection.ok("ping")
        report("%d acknowledged in any order" % COUNT, big, time.monotonic() - begun)
        wait_for(connection, "q", 0, 10)
    restart(big)
    with native.Connection(big.unix, timeout=120) as connection:
        assert connection.ok("get q").options.get("empty") == "yes"


# What happens beside


class Bystander:
    """Sends one message after the other through a queue of its own, and notes how long each takes to come back."""

    def __init__(self, broker):
        self.connection = native.Connection(broker.unix, timeout=60)
        self.connection.ok("declare queue bystander")
        self.connection.ok("consume bystander c=1 prefetch=10 ack=auto")
        self.seconds: List[float] = []
        self.failure: List[BaseException] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                begun = time.monotonic()
                self.connection.ok("pub bystander 4", b"ping")
                self.connection.collect(1)
                self.seconds.append(time.monotonic() - begun)
                time.sleep(0.002)
        except BaseException as error:  # noqa: B902: whatever it is, the test has to know
            self.failure.append(error)

    def __enter__(self) -> "Bystander":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        self.connection.close()

    def report(self, what: str) -> None:
        assert not self.failure, self.failure
        taken, self.seconds = sorted(self.seconds), []
        assert taken, "nothing came through while %s" % what
        p50, p99, most = taken[len(taken) // 2], taken[len(taken) * 99 // 100], taken[-1]
        print("   bystander while %s: p50 %.2f, p99 %.2f, max %.2f ms of %d"
              % (what, p50 * 1e3, p99 * 1e3, most * 1e3, len(taken)))
        assert most < LATENCY_SECONDS_MAX * time_factor(), what


def test_a_purge_beside(big) -> None:
    with native.Connection(big.unix, timeout=120) as connection, Bystander(big) as bystander:
        connection.ok("declare queue q")
        publish(connection, "q", COUNT, size=100)
        bystander.report("%d are published" % COUNT)
        begun = time.monotonic()
        assert connection.ok("purge q").options["messages"] == str(COUNT)
        taken = time.monotonic() - begun
        time.sleep(2)
        print("\npurged %d in %.3f s" % (COUNT, taken))
        bystander.report("they are purged")


def test_an_expiry_into_a_dead_letter_queue_beside(big) -> None:
    seconds = 2 if COUNT < 500_000 else 15
    with native.Connection(big.unix, timeout=120) as connection, Bystander(big) as bystander:
        connection.ok("declare queue dead")
        connection.ok("declare queue q message-ttl=%d dead-letter-exchange= dead-letter-routing-key=dead"
                      % (seconds * 1000))
        publish(connection, "q", COUNT, size=100)
        bystander.report("%d are published" % COUNT)
        begun = time.monotonic()
        wait_for(connection, "dead", COUNT, 60 + seconds)
        print("\n%d expired and moved within %.1f s of the last publish" % (COUNT, time.monotonic() - begun))
        bystander.report("they expire")
        assert connection.ok("list queues").json()[2]["messages"] == 0
        report("all of them dead letters", big, 0)


def test_a_trimmed_topic_beside(big) -> None:
    with native.Connection(big.unix, timeout=120) as connection, Bystander(big) as bystander:
        connection.ok("declare topic t")
        publish(connection, "t", COUNT, size=100)
        bystander.report("%d are published" % COUNT)
        begun = time.monotonic()
        connection.ok("alter t retention-bytes=1000000")
        while time.monotonic() - begun < 60 * time_factor():
            row = connection.ok("list topics").json()[0]
            if row["bytes"] <= 3_000_000:
                break
            time.sleep(0.05)
        print("\ntrimmed to %d messages in %.1f s" % (row["messages"], time.monotonic() - begun))
        assert row["bytes"] <= 3_000_000 and row["messages"] > 0
        time.sleep(1)
        bystander.report("they are trimmed")
