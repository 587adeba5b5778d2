"""health, declare, delete, bind, unbind, purge, queues, peek."""
from __future__ import annotations

import json
import subprocess

import pytest

from cli import OK, REFUSED, UNAVAILABLE, USAGE, cola, start


@pytest.fixture
def url(shared_broker):
    return shared_broker.unix


def row(url, name):
    rows = json.loads(cola("queues", "--json", url=url).succeeds().out)
    return next((row for row in rows if row["name"] == name), None)


def test_health_waits_for_a_broker_that_is_starting(new_broker):
    broker = new_broker()
    waiting = start(["health", "--wait", "60"], url=broker.unix)
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(0.5)
    broker.start()
    output, errors = waiting.communicate(timeout=60)
    assert waiting.returncode == OK and output.startswith(b"ok Cola/") and errors == b""
    broker.kill()
    cola("health", "--wait", "0.3", url=broker.unix).fails(UNAVAILABLE, "cannot reach")
    cola("health", "--wait=-1", url=broker.unix).fails(USAGE, "--wait is 0 to 86400")


def test_health_says_what_serves(shared_broker, url):
    result = cola("health", url=url).succeeds()
    assert result.lines()[0].startswith("ok Cola/") and result.err == ""
    assert cola("health", "--url", shared_broker.unix).code == OK
    assert cola("health", "--url", shared_broker.tcp, "--timeout", "20").code == OK


def test_the_default_is_the_socket_in_cola_data(new_broker, tmp_path):
    broker = new_broker()
    broker.start()
    (tmp_path / "cola-data").mkdir()
    (tmp_path / "cola-data" / "cola.sock").symlink_to(broker.socket)
    assert cola("health", cwd=str(tmp_path)).code == OK


def test_declare_is_repeatable_and_prints_nothing(url):
    for _ in range(2):
        result = cola("declare", "queue", "def-a", url=url).succeeds()
        assert result.out == b"" and result.err == ""
    cola("declare", "topic", "def-topic", url=url).succeeds()
    cola("declare", "exchange", "def-x", "--type", "fanout", url=url).succeeds()
    cola("declare", "topic", "def-a", url=url).fails(REFUSED, "def-a")
    cola("declare", "exchange", "def-x", "--type", "direct", url=url).fails(REFUSED, "def-x")


def test_names_with_spaces_and_odd_bytes_work(url):
    for name in ["def two words", "def-größe", "def=a=b", "def%41", "def-100%"]:
        cola("declare", "queue", name, url=url).succeeds()
        cola("publish", "--queue", name, "x", url=url).succeeds()
        assert row(url, name)["ready"] == 1
        assert cola("consume", "--queue", name, url=url).succeeds().out == b"x\n"
        cola("delete", "queue", name, url=url).succeeds()


def test_delete_tells_how_many_messages_went_with_it(url):
    cola("publish", "--queue", "def-del", "--declare", "a", "b", url=url).succeeds()
    assert cola("delete", "queue", "def-del", url=url).succeeds().lines() == ["2"]
    cola("delete", "queue", "def-del", url=url).fails(REFUSED, "def-del")
    cola("declare", "exchange", "def-delx", "--type", "direct", url=url).succeeds()
    assert cola("delete", "exchange", "def-delx", url=url).succeeds().out == b""


def test_bind_and_unbind_lead_messages(url):
    cola("declare", "queue", "def-b1", url=url).succeeds()
    cola("declare", "queue", "def-b2", url=url).succeeds()
    cola("declare", "exchange", "def-fan", "--type", "fanout", url=url).succeeds()
    cola("bind", "def-fan", "def-b1", url=url).succeeds()
    cola("bind", "def-fan", "def-b2", url=url).succeeds()
    cola("publish", "--exchange", "def-fan", "both", url=url).succeeds()
    cola("unbind", "def-fan", "def-b2", url=url).succeeds()
    cola("publish", "--exchange", "def-fan", "one", url=url).succeeds()
    assert cola("consume", "-q", "def-b1", url=url).succeeds().lines() == ["both", "one"]
    assert cola("consume", "-q", "def-b2", url=url).succeeds().lines() == ["both"]
    cola("bind", "amq.direct", "def-b1", "--key", "k 1", url=url).succeeds()
    cola("publish", "--exchange", "amq.direct", "--routing-key", "k 1", "keyed", url=url).succeeds()
    cola("publish", "--exchange", "amq.direct", "--routing-key", "k", "lost", url=url).fails(REFUSED, "k")
    assert cola("consume", "-q", "def-b1", url=url).succeeds().lines() == ["keyed"]
    cola("bind", "def-nothing", "def-b1", url=url).fails(REFUSED, "def-nothing")


def test_purge_removes_what_is_not_handed_out(url):
    cola("publish", "--queue", "def-purge", "--declare", "a", "b", "c", url=url).succeeds()
    assert cola("purge", "def-purge", url=url).succeeds().lines() == ["3"]
    assert cola("purge", "def-purge", url=url).succeeds().lines() == ["0"]
    cola("purge", "def-none", url=url).fails(REFUSED, "def-none")


def test_queues_is_a_table_for_people_and_json_for_scripts(url):
    cola("publish", "--queue", "def-q1", "--declare", "12345", "6", url=url).succeeds()
    lines = cola("queues", url=url).succeeds().lines()
    assert lines[0].split() == ["QUEUE", "READY", "UNACKED", "MESSAGES", "BYTES", "CONSUMERS"]
    assert any(line.split()[:2] == ["def-q1", "2"] for line in lines[1:])
    assert all(line == line.rstrip() for line in lines)
    found = row(url, "def-q1")
    assert found["ready"] == 2 and found["messages"] == 2 and found["consumers"] == 0 and found["unacknowledged"] == 0
    names = [entry["name"] for entry in json.loads(cola("queues", "--json", url=url).out)]
    assert names == sorted(names, key=str.encode)


def test_peek_looks_and_changes_nothing(url):
    cola("publish", "-q", "def-peek", "--declare", "--header", "n=1", "a", "b", "c", url=url).succeeds()
    assert cola("peek", "def-peek", url=url).succeeds().out == b"a\n"
    assert cola("peek", "def-peek", "--count", "10", url=url).succeeds().out == b"a\nb\nc\n"
    rows = [json.loads(line) for line in cola("peek", "def-peek", "--count", "2", "--json", url=url).lines()]
    assert [r["body"] for r in rows] == ["a", "b"]
    assert rows[0]["headers"] == {"n": "1"} and rows[0]["redelivered"] is False and rows[0]["timestamp"] > 1.7e12
    second = str(rows[1]["offset"])
    assert cola("peek", "def-peek", "--from", second, "--count", "9", url=url).succeeds().out == b"b\nc\n"
    assert cola("peek", "def-peek", "--from", "9223372036854775807", url=url).succeeds().out == b""
    assert row(url, "def-peek")["ready"] == 3
    assert not json.loads(cola("peek", "def-peek", "--json", url=url).out)["redelivered"]
    cola("peek", "def-none", url=url).fails(REFUSED, "def-none")


def test_peek_goes_on_beyond_what_the_broker_sends_at_a_time(url):
    lines = "".join("%d\n" % number for number in range(2500))
    cola("publish", "-q", "def-peekmany", "--declare", "--each-line", url=url, input=lines).succeeds()
    assert cola("peek", "def-peekmany", "--count", "2400", url=url).succeeds().lines() == [
        str(number) for number in range(2400)]


def test_peek_and_why_see_every_priority(url):
    cola("declare", "queue", "def-prio", "--max-priority", "9", url=url).succeeds()
    for priority, count in (("0", 1200), ("9", 1300), ("4", 2)):
        lines = "".join("%s-%d\n" % (priority, number) for number in range(count))
        cola("publish", "-q", "def-prio", "--each-line", "--priority", priority, url=url, input=lines).succeeds()
    everything = ["9-%d" % n for n in range(1300)] + ["4-0", "4-1"] + ["0-%d" % n for n in range(1200)]
    for count in (1, 1000, 1299, 1300, 1303, 5000):
        assert cola("peek", "def-prio", "--count", str(count), url=url).succeeds().lines() == everything[:count]
    place = ("--from", "1299", "--priority", "9", "--count", "4")
    assert cola("peek", "def-prio", *place, url=url).succeeds().lines() == ["9-1299", "4-0", "4-1", "0-0"]
    assert cola("peek", "def-prio", "--from", "1199", "--count", "4", url=url).succeeds().lines() == ["0-1199"]
    shown = json.loads(cola("peek", "def-prio", *place, "--json", url=url).succeeds().lines()[1])
    assert (shown["priority"], shown["offset"]) == (4, 0)
    cola("peek", "def-prio", "--priority", "256", url=url).fails(USAGE, "--priority")
    why = cola("why", "def-prio", "1299", "--priority", "9", url=url).succeeds().out.decode()
    assert why.startswith("message 1299 of priority 9 of 'def-prio' is ready: ")
    why = cola("why", "def-prio", "1299", url=url).succeeds().out.decode()
    assert why.startswith("message 1299 of 'def-prio' is unknown: ") and "1200" in why
    assert json.loads(cola("why", "def-prio", "1", "--priority", "4", "--json", url=url).out)["priority"] == 4
    cola("why", "def-prio", "--priority", "4", url=url).fails(USAGE, "why def-prio OFFSET --priority")
    cola("declare", "topic", "def-log", url=url).succeeds()
    cola("peek", "def-log", "--priority", "1", url=url).fails(REFUSED, "def-log", "priorities")
    cola("why", "def-log", url=url).fails(REFUSED, "def-log", "topic", "groups", "consumers")


def test_an_exclusive_queue_is_not_for_a_command(url):
    cola("declare", "queue", "def-excl", "--exclusive", url=url).fails(
        USAGE, "exclusive", "connection", "--auto-delete")
    assert "--exclusive" not in cola("declare", "--help").succeeds().out.decode()
