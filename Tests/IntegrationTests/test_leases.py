"""How a lease ends: counted with its reason for each queue, and what becomes of the message."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from broker import die_with_parent
from cli import cola
from native import Connection
from test_workers import start, until  # noqa: F401

WORKER_ENDS = ["exited", "killed", "out-of-memory", "timed-out", "not-started", "refused"]


@pytest.fixture
def url(shared_broker):
    return shared_broker.unix


def ends(url, name):
    """Those that there were any of."""
    found = json.loads(cola("describe", "queue", name, "--json", url=url).succeeds().out)["ends"]
    assert list(found) == ["acknowledged", "returned", "rejected", "cancelled", "connection-lost"] + WORKER_ENDS
    return {end: count for end, count in found.items() if count}


def publish(url, name, count):
    cola("publish", "-q", name, "--declare", *["body %d" % number for number in range(count)], url=url).succeeds()


def test_each_end_of_a_lease_is_counted_for_its_queue(url):
    publish(url, "ends-a", 7)
    with Connection(url) as connection:
        connection.ok("consume ends-a c=1 prefetch=7")
        first = connection.collect(7)[0].number
        connection.send("ack %d-%d" % (first, first + 1))
        connection.send("nack %d delay=60000" % (first + 2))
        connection.send("reject %d" % (first + 3))
        connection.ok("cancel 1")
        connection.ok("quit")
    assert ends(url, "ends-a") == {"acknowledged": 2, "returned": 1, "rejected": 1, "cancelled": 3}
    assert "connection-lost" in cola("describe", "queue", "ends-a", url=url).succeeds().out.decode()


def test_a_client_that_is_killed_is_told_from_one_that_leaves(url):
    publish(url, "ends-b", 3)
    program = "import sys, native; c = native.Connection(sys.argv[1]); c.ok('consume ends-b c=1'); c.collect(3); " \
        "print('has them', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, url], cwd=os.path.dirname(__file__), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, preexec_fn=die_with_parent)
    try:
        assert process.stdout.readline() == b"has them\n"
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        until(lambda: ends(url, "ends-b") == {"connection-lost": 3}, "the broker has seen it")
    finally:
        process.kill()
        process.communicate(timeout=10)


def test_what_becomes_of_a_worker_is_in_the_same_list(start):
    broker = start("""
        deciding:
          queue: work
          command: [sh, -c, 'read -r what; case $what in slow) sleep 60;; bad) kill -SEGV $$;; *) exit $what;; esac']
          time-limit: 300ms
          retry: { attempts: 1 }
    """)
    cola("publish", "-q", "work", "0", "0", "3", "75", "bad", "slow", url=broker.unix).succeeds()
    expected = {"acknowledged": 2, "exited": 2, "killed": 1, "timed-out": 1}
    until(lambda: ends(broker.unix, "work") == expected, "all is decided")
