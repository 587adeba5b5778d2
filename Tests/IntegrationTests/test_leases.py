"""How a lease ends: counted with its reason for each queue, and what becomes of the message."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from broker import die_with_parent
from cli import USAGE, cola
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
          command:
            - sh
            - -c
            - 'read -r a; case $a in slow) sleep 60;; bad) kill -SEGV $$;; nine) kill -KILL $$;; *) exit $a;; esac'
          time-limit: 300ms
          retry: { attempts: 1 }
    """)
    cola("publish", "-q", "work", "0", "0", "3", "75", "bad", "nine", "slow", url=broker.unix).succeeds()
    expected = {"acknowledged": 2, "exited": 2, "killed": 2, "timed-out": 1}
    until(lambda: ends(broker.unix, "work") == expected, "all is decided")


# Retries


def story(url, name):
    """END and the pause before it, of the attempts of the first message."""
    result = cola("peek", name, "--json", url=url).succeeds()
    headers = json.loads(result.lines()[0])["headers"]
    given = headers["cola-attempt"]
    words = [attempt.split(" ") for attempt in (given if isinstance(given, list) else [given])]
    pauses = [int(after[0]) - int(before[1]) for before, after in zip(words, words[1:])]
    return headers, [word[2] for word in words], pauses


def test_a_queue_says_when_and_how_often_a_message_is_tried_again(url):
    cola("declare", "queue", "retry-a", "--retry", "delays=50,150", url=url).succeeds()
    cola("publish", "-q", "retry-a", "x", url=url).succeeds()
    with Connection(url) as connection:
        connection.ok("consume retry-a c=1")
        for attempt in range(3):
            delivery = connection.collect(1)[0]
            assert (delivery.redelivered or 0) == attempt
            connection.send("nack %d" % delivery.number)
        until(lambda: cola("peek", "cola.parked.retry-a", url=url).code == 0, "it is parked")
    headers, ends_of_it, pauses = story(url, "cola.parked.retry-a")
    assert ends_of_it == ["returned"] * 3 and headers["cola-deliveries"] == "3"
    assert headers["cola-death"].startswith("delivery_limit 1 ")
    assert pauses[0] >= 50 and pauses[1] >= 150
    assert ends(url, "retry-a") == {"returned": 3}


def test_a_client_says_otherwise_for_one_message(url):
    cola("declare", "queue", "retry-b", "--retry", "delay=600000", url=url).succeeds()
    cola("publish", "-q", "retry-b", "x", url=url).succeeds()
    with Connection(url) as connection:
        connection.ok("consume retry-b c=1")
        connection.send("nack %d delay=0" % connection.collect(1)[0].number)
        connection.send("nack %d delay=20" % connection.collect(1)[0].number)
        connection.send("nack %d" % connection.collect(1)[0].number)
        connection.ok("ping")
        assert json.loads(connection.ok("stat").body)["scheduled"] >= 1
        connection.ok("delete queue retry-b")


def test_a_policy_says_so_for_many_queues_and_a_wrong_rule_is_explained(url):
    with Connection(url) as connection:
        connection.ok("policy retry-p pattern=^retry-c to=queues retry=delay=30,attempts=2")
        connection.ok("declare queue retry-c1")
        effective = json.loads(connection.ok("describe queue retry-c1").body)["effective"]
        assert effective == {"retry": "delay=30,attempts=2"}
        connection.ok("pub retry-c1 1", b"x")
        connection.ok("consume retry-c1 c=1")
        for _ in range(2):
            connection.send("nack %d" % connection.collect(1)[0].number)
        until(lambda: cola("peek", "cola.parked.retry-c1", url=url).code == 0, "it is parked")
        connection.ok("unpolicy retry-p")
    cola("declare", "queue", "retry-d", "--retry", "delay=1s", url=url).fails(USAGE, "retry", "delay=1s", "number")


def test_a_workers_own_rule_goes_first_and_else_the_queues_holds(start):
    broker = start("""
        own: { queue: own, command: ['false'], exit-codes: { others: retry }, retry: { delay: 10ms, attempts: 4 } }
        none: { queue: none, command: ['false'], exit-codes: { others: retry } }
    """)
    for name in ("own", "none"):
        cola("set", "queue", name, "--retry", "delay=20,attempts=2", url=broker.unix).succeeds()
        cola("publish", "-q", name, "x", url=broker.unix).succeeds()
    for name, count in (("own", 4), ("none", 2)):
        parked = "cola.parked." + name
        until(lambda: cola("peek", parked, url=broker.unix).code == 0, name + " is parked")
        assert story(broker.unix, parked)[1] == ["exited"] * count
        assert ends(broker.unix, name) == {"exited": count}
