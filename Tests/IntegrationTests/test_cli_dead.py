"""get, and dead letters: which queues have some, why each died, and the way back."""
from __future__ import annotations

import json
import os
import pty
import subprocess

import pytest

from broker import binary, die_with_parent
from cli import REFUSED, USAGE, cola, environment
import native


@pytest.fixture
def url(shared_broker):
    return shared_broker.unix


def die(url, name, count=3):
    """A queue whose messages were all rejected, and `NAME.dead`, which has them."""
    cola("declare", "queue", name + ".dead", url=url).succeeds()
    arguments = ["--dead-letter-exchange", "", "--dead-letter-routing-key", name + ".dead"]
    cola("declare", "queue", name, *arguments, url=url).succeeds()
    cola("publish", "-q", name, "--header", "a=1", *["body %d" % number for number in range(count)], url=url).succeeds()
    with native.Connection(url) as connection:
        connection.ok("consume %s c=1" % name)
        for delivery in connection.collect(count):
            connection.send("reject %d" % delivery.number)
        connection.ok("ping")
    return name + ".dead"


def row(url, name):
    return next(row for row in json.loads(cola("queues", "--json", url=url).out) if row["name"] == name)


def test_get_takes_what_is_there_and_does_not_wait(url):
    cola("publish", "-q", "get-a", "--declare", "--header", "a=1", "1", "2", "3", url=url).succeeds()
    assert cola("get", "get-a", url=url).succeeds().out == b"1\n"
    assert cola("get", "get-a", "--requeue", url=url).succeeds().out == b"2\n"
    rows = [json.loads(line) for line in cola("get", "get-a", "--count", "9", "--json", url=url).succeeds().lines()]
    assert [r["body"] for r in rows] == ["2", "3"] and rows[0]["redelivered"] and not rows[1]["redelivered"]
    result = cola("get", "get-a", url=url).succeeds()
    assert result.out == b"" and "no message waits in 'get-a'" in result.err
    cola("get", "get-none", url=url).fails(REFUSED, "get-none")
    cola("get", "get-a", "--count", "0", url=url).fails(USAGE, "--count")


def test_dead_list_finds_queues_with_dead_letters(url):
    dead = die(url, "dead-a")
    cola("publish", "-q", "dead-alive", "--declare", "x", url=url).succeeds()
    lines = [line.split() for line in cola("dead", "list", url=url).succeeds().lines()]
    assert lines[0] == ["QUEUE", "MESSAGES", "DEAD", "FROM", "REASONS"]
    assert [dead, "3", "3", "dead-a", "rejected"] in lines and not any("dead-alive" in line for line in lines)
    rows = json.loads(cola("dead", "list", "--json", url=url).succeeds().out)
    assert {"queue": dead, "messages": 3, "dead": 3, "from": ["dead-a"], "reasons": ["rejected"]} in rows


def test_dead_show_says_why_each_died(url):
    dead = die(url, "dead-b", 2)
    lines = cola("dead", "show", dead, url=url).succeeds().lines()
    assert len(lines) == 3 and lines[1].split()[:3] == ["0", "rejected", "1"] and lines[1].endswith("body 0")
    rows = json.loads(cola("dead", "show", dead, "--json", "--count", "1", url=url).succeeds().out)
    assert len(rows) == 1 and rows[0]["headers"]["a"] == "1" and rows[0]["headers"]["cola-death"].startswith("rejected")
    result = cola("dead", "show", "dead-b", url=url).succeeds()
    assert "no dead letters" in result.err and len(result.lines()) == 1
    cola("dead", "show", "dead-none", url=url).fails(REFUSED, "dead-none")


def test_redrive_puts_them_back_where_they_died(url):
    dead = die(url, "dead-c")
    cola("dead", "redrive", dead, url=url).fails(USAGE, "--yes", dead)
    assert row(url, dead)["ready"] == 3
    assert cola("dead", "redrive", dead, "--count", "1", "--yes", url=url).succeeds().lines() == ["1"]
    assert row(url, "dead-c")["ready"] == 1 and row(url, dead)["ready"] == 2
    assert cola("dead", "redrive", dead, "--yes", url=url).succeeds().lines() == ["2"]
    assert cola("consume", "-q", "dead-c", url=url).succeeds().lines() == ["body 0", "body 1", "body 2"]
    result = cola("dead", "redrive", dead, "--yes", url=url).succeeds()
    assert result.lines() == ["0"] and "nothing was moved" in result.err


def test_redrive_into_another_queue(url):
    dead = die(url, "dead-d", 1)
    cola("declare", "queue", "dead-d2", url=url).succeeds()
    cola("dead", "redrive", dead, "--to", "dead-none", "--yes", url=url).fails(REFUSED, "dead-none")
    assert cola("dead", "redrive", dead, "--to", "dead-d2", "--yes", url=url).succeeds().lines() == ["1"]
    assert cola("consume", "-q", "dead-d2", url=url).succeeds().lines() == ["body 0"]


@pytest.mark.parametrize("answer, moved", [(b"y\n", 1), (b"\n", 0)])
def test_redrive_asks_on_a_terminal(url, answer, moved):
    dead = die(url, "dead-e%d" % moved, 1)
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [binary(), "dead", "redrive", dead], stdin=terminal, stderr=terminal, stdout=subprocess.PIPE,
        env=environment(url), preexec_fn=die_with_parent)
    try:
        asked = b""
        while b"[y/N]" not in asked:
            asked += os.read(controller, 4096)
        assert dead.encode() in asked
        os.write(controller, answer)
        process.communicate(timeout=20)
        assert process.returncode == (0 if moved else REFUSED)
        assert row(url, dead)["ready"] == 1 - moved
    finally:
        process.kill()
        process.wait(10)
        os.close(controller)
        os.close(terminal)
