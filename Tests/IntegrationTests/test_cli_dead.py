"""get, and dead letters: which queues have some, why each died, and the way back."""
from __future__ import annotations

import json
import os
import pty
import subprocess
import time

import pytest

from broker import binary, die_with_parent
from cli import REFUSED, USAGE, cola, environment, start
import native
from test_workers import start as start_workers, until  # noqa: F401


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
        connection.ok("consume %s c=1 prefetch=%d" % (name, count))
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


# Filters, rates, rehearsals, stories


def test_only_what_fits_goes_back_and_the_rest_keeps_its_place(url):
    dead = die(url, "dead-f", 12)
    cola("dead", "redrive", dead, "--text", "body 1", "--count", "2", "--yes", url=url).succeeds()
    bodies = [json.loads(line)["body"] for line in cola("peek", "dead-f", "--count", "9", "--json", url=url).lines()]
    assert bodies == ["body 1", "body 10"]
    left = json.loads(cola("dead", "show", dead, "--json", url=url).succeeds().out)
    assert [letter["body"] for letter in left] == ["body %d" % n for n in (0, 2, 3, 4, 5, 6, 7, 8, 9, 11)]
    for arguments, count in [
            (["--reason", "expired"], 0), (["--from", "elsewhere"], 0), (["--header", "a=2"], 0), (["--key", "k"], 0),
            (["--older-than", "1h"], 0), (["--end", "killed"], 0), (["--younger-than", "0"], 0),
            (["--reason", "rejected", "--from", "dead-f", "--header", "a=1", "--younger-than", "1h 30m"], 10)]:
        shown = json.loads(cola("dead", "show", dead, "--json", *arguments, url=url).succeeds().out)
        assert len(shown) == count, arguments
        moved = cola("dead", "redrive", dead, *arguments, "--yes", url=url).succeeds().lines()
        assert moved == [str(count)], arguments
    cola("dead", "show", dead, "--reason", "boredom", url=url).fails(USAGE, "--reason")
    cola("dead", "show", dead, "--older-than", "soon", url=url).fails(USAGE, "--older-than", "30s")
    cola("dead", "redrive", dead, "--rate", "0", url=url).fails(USAGE, "--rate")


def test_a_rehearsal_moves_nothing(url):
    dead = die(url, "dead-g")
    result = cola("dead", "redrive", dead, "--dry-run", "--text", "body 2", url=url).succeeds()
    assert len(result.lines()) == 2 and result.lines()[1].endswith("body 2")
    assert "1 of '%s' would be moved back where they died" % dead in result.err
    assert row(url, dead)["ready"] == 3
    cola("dead", "redrive", dead, "--dry-run", "--to", "dead-none", url=url).fails(REFUSED, "dead-none")
    cola("delete", "queue", "dead-g", url=url).succeeds()
    result = cola("dead", "redrive", dead, "--dry-run", url=url).succeeds()
    assert len(result.lines()) == 1 and "3 would stay" in result.err


def test_a_rate_spreads_them_over_time(url):
    dead = die(url, "dead-h", 15)
    began = time.monotonic()
    assert cola("dead", "redrive", dead, "--rate", "20", "--yes", url=url).succeeds().lines() == ["15"]
    assert time.monotonic() - began >= 14 / 20
    dead = die(url, "dead-i", 50)
    process = start(["dead", "redrive", dead, "--rate", "5", "--yes"], url)
    until(lambda: row(url, "dead-i")["ready"] > 0, "some are moved")
    process.kill()
    process.communicate(timeout=10)
    until(lambda: not is_redriving(url, dead), "it has stopped")
    assert row(url, "dead-i")["ready"] + row(url, dead)["ready"] == 50 and row(url, dead)["ready"] > 30


def is_redriving(url, name):
    before = row(url, name)["ready"]
    time.sleep(0.5)
    return row(url, name)["ready"] != before


def test_more_than_a_page_is_listed_shown_and_moved(url):
    dead = die(url, "dead-j", 2300)
    rows = json.loads(cola("dead", "list", "--json", url=url).succeeds().out)
    assert {"queue": dead, "messages": 2300, "dead": 2300, "from": ["dead-j"], "reasons": ["rejected"]} in rows
    rows = json.loads(cola("dead", "list", "--text", "body 22", "--json", url=url).succeeds().out)
    assert next(row for row in rows if row["queue"] == dead)["dead"] == 111
    assert len(json.loads(cola("dead", "show", dead, "--count", "9999", "--json", url=url).succeeds().out)) == 2300
    sevens = sum("7" in str(number) for number in range(2300))
    assert cola("dead", "redrive", dead, "--text", "7", "--yes", url=url).succeeds().lines() == [str(sevens)]
    assert cola("dead", "redrive", dead, "--yes", url=url).succeeds().lines() == [str(2300 - sevens)]


def test_the_whole_story_of_a_worker_is_shown(start_workers):
    broker = start_workers("""
        slow:
          queue: work
          command: [sh, -c, 'echo "begun" >&2; [ "$COLA_ATTEMPT" = 1 ] && exit 3; exec sleep 60']
          exit-codes: { 3: retry }
          time-limit: 200ms
          retry: { attempts: 2, delay: 10ms }
    """)
    url = broker.unix
    cola("publish", "-q", "work", "x", url=url).succeeds()
    until(lambda: cola("peek", "cola.parked.work", url=url).code == 0, "it is parked")
    # Of a queue without dead letters of its own, those that are parked.
    lines = cola("dead", "show", "work", url=url).succeeds().lines()
    assert lines[1].split()[:3] == ["0", "delivery_limit", "1"]
    assert " s slow pid " in lines[2] and lines[2].endswith(": exited, exit code 3")
    assert lines[3] == "        | begun" and lines[5] == "        | begun" and len(lines) == 6
    assert ": timed-out" in lines[4]
    letter = json.loads(cola("dead", "show", "work", "--json", url=url).succeeds().out)[0]
    assert [attempt["end"] for attempt in letter["attempts"]] == ["exited", "timed-out"]
    assert letter["attempts"][0]["output"] == ["begun"] and letter["attempts"][0]["process"] > 1
    assert letter["attempts"][1]["ended"] - letter["attempts"][1]["began"] >= 200
    assert letter["deaths"][0]["reason"] == "delivery_limit" and letter["deaths"][0]["queue"] == "work"
    assert cola("dead", "redrive", "work", "--end", "exited", "--yes", url=url).succeeds().lines() == ["0"]
    cola("workers", "stop", "slow", url=url).succeeds()
    assert cola("dead", "redrive", "work", "--end", "timed-out", "--yes", url=url).succeeds().lines() == ["1"]
