"""consume: when it stops, what it prints, and what it acknowledges."""
from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from cli import OK, REFUSED, USAGE, cola, start

numbers = itertools.count()


@pytest.fixture
def url(shared_broker):
    return shared_broker.unix


@pytest.fixture
def queue(url):
    name = "con-%d" % next(numbers)
    cola("declare", "queue", name, url=url).succeeds()
    return name


def fill(url, queue, count, size=0):
    text = "".join("%d%s\n" % (number, "x" * size) for number in range(count))
    cola("publish", "-q", queue, "--each-line", url=url, input=text).succeeds()
    return text.splitlines()


def ready(url, queue, deadline=10.0):
    """How many messages wait, once nobody holds one any more."""
    end = time.monotonic() + deadline
    while True:
        rows = json.loads(cola("queues", "--json", url=url).succeeds().out)
        row = next(row for row in rows if row["name"] == queue)
        if row["unacknowledged"] == 0 or time.monotonic() > end:
            assert row["unacknowledged"] == 0, row
            return row["ready"]
        time.sleep(0.05)


def test_it_stops_when_the_queue_is_drained(url, queue):
    lines = fill(url, queue, 1234)
    assert cola("consume", "--queue", queue, url=url).succeeds().lines() == lines
    assert ready(url, queue) == 0
    assert cola("consume", "--queue", queue, url=url).succeeds().out == b""


def test_a_small_prefetch_drains_too(url, queue):
    lines = fill(url, queue, 100)
    assert cola("consume", "-q", queue, "--prefetch", "1", url=url).succeeds().lines() == lines


def test_over_tcp_with_a_name_and_a_password(shared_broker, url, queue):
    lines = fill(url, queue, 10)
    options = ["--url", shared_broker.tcp, "--user", "guest"]
    result = cola("consume", "-q", queue, *options, env={"COLA_PASSWORD": "guest"})
    assert result.succeeds().lines() == lines


def test_count_takes_so_many_and_leaves_the_rest(url, queue):
    lines = fill(url, queue, 10)
    assert cola("consume", "-q", queue, "--count", "3", url=url).succeeds().lines() == lines[:3]
    assert ready(url, queue) == 7
    row = json.loads(cola("consume", "-q", queue, "-c", "1", "--json", url=url).succeeds().out)
    assert row["body"] == "3" and row["redelivered"] is False


def test_count_waits_until_there_are_so_many(url, queue):
    process = start(["consume", "-q", queue, "--count", "2"], url)
    try:
        fill(url, queue, 1)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        fill(url, queue, 1)
        out, _ = process.communicate(timeout=20)
        assert process.returncode == OK and out == b"0\n0\n"
    finally:
        process.kill()
        process.wait(10)


def test_idle_timeout_ends_the_waiting(url, queue):
    fill(url, queue, 2)
    begun = time.monotonic()
    result = cola("consume", "-q", queue, "--follow", "--idle-timeout", "0.5", url=url).succeeds()
    assert result.lines() == ["0", "1"] and time.monotonic() - begun >= 0.5
    assert cola("consume", "-q", queue, "--count", "5", "--idle-timeout", "0.2", url=url).succeeds().out == b""


def test_follow_prints_what_comes_and_acknowledges_it(url, queue):
    process = start(["consume", "-q", queue, "--follow"], url)
    try:
        for number in range(3):
            cola("publish", "-q", queue, "line %d" % number, url=url).succeeds()
            assert process.stdout.readline() == b"line %d\n" % number
        assert ready(url, queue) == 0
    finally:
        process.kill()
        process.wait(10)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_in_order(url, queue, number):
    process = start(["consume", "-q", queue, "--follow"], url)
    try:
        cola("publish", "-q", queue, "x", url=url).succeeds()
        assert process.stdout.readline() == b"x\n"
        process.send_signal(number)
        assert process.wait(20) == OK
        assert process.stderr.read() == b"" and ready(url, queue) == 0
    finally:
        process.kill()
        process.wait(10)


def test_bodies_are_printed_byte_for_byte(url, queue):
    body = bytes(range(256))
    cola("publish", "-q", queue, url=url, input=body).succeeds()
    assert cola("consume", "-q", queue, url=url).succeeds().out == body + b"\n"


def test_json_keeps_every_byte(url, queue):
    cola("publish", "-q", queue, url=url, input=b"\xff\x00\n").succeeds()
    cola("publish", "-q", queue, 'quote " back \\ tab \t line \n bell \a', "größe", "", url=url).succeeds()
    rows = [json.loads(line) for line in cola("consume", "-q", queue, "--json", url=url).succeeds().lines()]
    assert base64.b64decode(rows[0]["body_base64"]) == b"\xff\x00\n" and "body" not in rows[0]
    assert [row["body"] for row in rows[1:]] == ['quote " back \\ tab \t line \n bell \a', "größe", ""]
    assert [row["offset"] for row in rows] == sorted({row["offset"] for row in rows})


def test_without_acknowledgement_everything_goes_back(url, queue):
    lines = fill(url, queue, 300)
    assert cola("consume", "-q", queue, "--no-ack", url=url).succeeds().lines() == lines
    assert ready(url, queue) == 300
    rows = [json.loads(line) for line in cola("consume", "-q", queue, "--json", url=url).succeeds().lines()]
    assert [row["body"] for row in rows] == lines
    assert all(row["redelivered"] for row in rows)


def test_a_reader_that_goes_away_is_no_error_and_loses_nothing(url, queue):
    lines = fill(url, queue, 3000, size=100)
    process = start(["consume", "-q", queue], url)
    try:
        first = process.stdout.readline().decode().rstrip("\n")
        process.stdout.close()
        assert process.wait(20) == OK
        assert process.stderr.read() == b""
    finally:
        process.kill()
        process.wait(10)
    left = cola("consume", "-q", queue, url=url).succeeds().lines()
    assert first == lines[0]
    # What the pipe had taken is acknowledged, the rest is here, in order and without a hole.
    assert left == lines[len(lines) - len(left):] and len(left) > 0


def test_a_full_disk_is_an_error_and_loses_nothing(url, queue):
    lines = fill(url, queue, 50)
    with open("/dev/full", "wb") as full:
        process = start_to(full, ["consume", "-q", queue], url)
        assert process.returncode == 74, process.stderr
        assert process.stderr.startswith(b"cola: cannot write the output")
    assert ready(url, queue) == 50
    assert cola("consume", "-q", queue, url=url).succeeds().lines() == lines


def start_to(output, arguments, url):
    from broker import binary
    from cli import environment

    return subprocess.run(
        [binary(), *arguments], stdout=output, stderr=subprocess.PIPE, env=environment(url), timeout=30, check=False)


def test_kill_9_in_the_middle_loses_nothing(url, queue):
    lines = fill(url, queue, 20_000, size=50)
    process = start(["consume", "-q", queue], url)
    seen = []
    try:
        for _ in range(500):
            seen.append(process.stdout.readline().decode().rstrip("\n"))
        os.kill(process.pid, signal.SIGKILL)
        rest = process.stdout.read().decode().splitlines()
    finally:
        process.kill()
        process.wait(10)
    printed = set(seen + rest)
    ready(url, queue)
    left = set(cola("consume", "-q", queue, url=url).succeeds().lines())
    assert len(left) > 0
    missing = [line for line in lines if line not in printed and line not in left]
    assert missing == []


def test_a_topic_is_read_from_where_it_is_said(url):
    cola("declare", "topic", "con-topic", url=url).succeeds()
    fill(url, "con-topic", 5)
    first = cola("consume", "-q", "con-topic", "--from", "first", url=url).succeeds()
    assert first.lines() == ["0", "1", "2", "3", "4"]
    assert cola("consume", "-q", "con-topic", "--from", "first", url=url).succeeds().out == first.out
    assert cola("consume", "-q", "con-topic", "--from", "3", url=url).succeeds().lines() == ["3", "4"]
    assert cola("consume", "-q", "con-topic", "--from", "last", url=url).succeeds().lines() == ["4"]
    assert cola("consume", "-q", "con-topic", "--from", "next", url=url).succeeds().out == b""


def test_a_queue_that_is_deleted_ends_it(url, queue):
    process = start(["consume", "-q", queue, "--follow"], url)
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            rows = json.loads(cola("queues", "--json", url=url).out)
            if any(row["name"] == queue and row["consumers"] == 1 for row in rows):
                break
        cola("delete", "queue", queue, url=url).succeeds()
        assert process.wait(20) == REFUSED
        assert queue.encode() in process.stderr.read()
    finally:
        process.kill()
        process.wait(10)


def test_a_broker_that_dies_is_an_error_to_try_again(new_broker):
    broker = new_broker()
    broker.start()
    cola("declare", "queue", "q", url=broker.unix).succeeds()
    process = start(["consume", "-q", "q", "--follow"], broker.unix)
    try:
        cola("publish", "-q", "q", "x", url=broker.unix).succeeds()
        assert process.stdout.readline() == b"x\n"
        broker.kill()
        assert process.wait(20) == 75
        assert process.stderr.read().startswith(b"cola: lost the connection to unix://")
    finally:
        process.kill()
        process.wait(10)


@contextlib.contextmanager
def scripted(tmp_path, probes):
    """A server that answers the n-th `get` with the n-th text, and everything else with ok; gives its URL and what it
    was told."""
    path, told, left = str(tmp_path / "s"), [], list(probes)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(1)
        server.settimeout(20)

        def serve():
            with contextlib.suppress(OSError):
                client, _ = server.accept()
                with client, client.makefile("rb") as lines:
                    client.settimeout(20)
                    for line in lines:
                        told.append(line.decode().strip())
                        verb = told[-1].split(" ")[0]
                        answer = b"ok cola=1 server=Test\n" if verb == "hello" else b"ok\n"
                        if verb == "get":
                            answer = left.pop(0) if left else b"ok empty=yes\n"
                        tag = re.search(r" t=(\d+)", told[-1])
                        if tag:
                            client.sendall(re.sub(rb"^ok", b"ok t=" + tag[1].encode(), answer, flags=re.MULTILINE))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield "unix://" + path, told
    thread.join(5)


def delivery(number):
    return b"msg 1 %d %d 1\n%d\n" % (number, number, number)


def probed(number):
    return b"ok delivery=%d offset=%d size=1\n%d\n" % (number, number, number)


@pytest.mark.parametrize("answer, printed", [
    (delivery(1) + delivery(2) + probed(3), "123"),
    (delivery(1) + probed(2) + delivery(3), "123"),
    (probed(1) + delivery(2) + delivery(3), "123"),
    (probed(1), "1"),
    (delivery(1) + delivery(2) + b"ok empty=yes\n", "12"),
    (b"ok empty=yes\n", ""),
], ids=["before", "around", "after", "alone", "before-nothing", "nothing"])
def test_what_crosses_the_question_whether_the_queue_is_drained_keeps_its_place(tmp_path, answer, printed):
    """A server that pauses for 20 ms is asked; what it sends around the answer was lost, or out of order, or fatal."""
    with scripted(tmp_path, [answer]) as (url, told):
        result = cola("consume", "-q", "q", url=url).succeeds()
    assert "".join(result.lines()) == printed and result.err == ""
    acknowledged = set()
    for line in told:
        if line.startswith("ack "):
            first, _, last = line.split(" ")[1].partition("-")
            acknowledged |= set(range(int(first), int(last or first) + 1))
    assert acknowledged == {int(number) for number in printed}


def test_there_must_be_such_a_queue(url):
    cola("consume", "-q", "con-none", url=url).fails(REFUSED, "con-none")


@pytest.mark.parametrize("arguments, words", [
    ([], ["--queue"]),
    (["-q", "q", "--count", "0"], ["--count"]),
    (["-q", "q", "--count", "-1"], ["--count"]),
    (["-q", "q", "--idle-timeout", "-1"], ["--idle-timeout"]),
    (["-q", "q", "--prefetch", "0"], ["--prefetch"]),
    (["-q", "q", "--prefetch", "65536"], ["--prefetch"]),
    (["-q", "q", "--from", "middle"], ["--from", "middle"]),
    (["-q", "q", "--no-ack", "--count", "70000"], ["--no-ack"]),
    (["-q", "q", "extra"], ["extra"]),
])
def test_wrong_usage_says_what_is_wrong(url, arguments, words):
    cola("consume", *arguments, url=url).fails(USAGE, *words, "cola consume --help")
