"""Every listing as a table and as JSON, `describe`, `why`, and looking again and again."""
from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import time

import pytest

from broker import binary, die_with_parent
from cli import NOT_PERMITTED, REFUSED, USAGE, cola, environment, start
import native

HEADINGS = {
    "queues": ["QUEUE", "READY", "UNACKED", "MESSAGES", "BYTES", "CONSUMERS"],
    "topics": ["TOPIC", "PARTITIONS", "MESSAGES", "BYTES", "READERS", "GROUPS"],
    "exchanges": ["EXCHANGE", "TYPE", "ALTERNATE", "SETTINGS"],
    "bindings": ["EXCHANGE", "KEY", "TO", "KIND", "HEADERS"],
    "groups": ["TOPIC", "GROUP", "MEMBERS", "STRATEGY", "GENERATION", "LAG"],
    "consumers": [
        "QUEUE", "CONNECTION", "CONSUMER", "UNACKED", "PREFETCH", "PRIORITY", "ACTIVE", "GROUP", "LAG"],
    "connections": [
        "CONNECTION", "CLIENT", "USER", "PEER", "VHOST", "PROTOCOL", "CONSUMERS", "UNACKED", "SINCE"],
    "vhosts": ["VHOST", "QUEUES", "TOPICS", "CONNECTIONS", "TAGS", "DESCRIPTION"],
    "policies": ["POLICY", "PATTERN", "OF", "PRIORITY", "SETTINGS"],
    "users": ["USER", "AUTHENTICATION", "ADMINISTRATOR", "TAGS", "FROM", "VHOSTS", "CONNECTIONS"],
    "permissions": ["VHOST", "USER", "CONFIGURE", "WRITE", "READ"],
}


@pytest.fixture(scope="module")
def url(shared_broker):
    """A broker with one of everything."""
    where = shared_broker.unix
    cola("declare", "queue", "lst-orders", "--max-length", "100", url=where).succeeds()
    cola("declare", "topic", "lst-clicks", "--partitions", "2", url=where).succeeds()
    cola("declare", "exchange", "lst-news", "--type", "headers", "--alternate", "amq.fanout", url=where).succeeds()
    cola("bind", "lst-news", "lst-orders", "--header", "eu=1", "--header", "x=", "--any", url=where).succeeds()
    cola("declare", "vhost", "lst-test", url=where).succeeds()
    cola("set", "policy", "lst-short", "--pattern", "^lst-o", "--to", "queues", "--expires", "3600000", url=where)
    cola("publish", "--topic", "lst-clicks", "--key", "k", "1", "2", url=where).succeeds()
    cola("publish", "-q", "lst-orders", "a", "b", "c", url=where).succeeds()
    with native.Connection(where) as holder:
        holder.send("consume lst-clicks c=1 group=lst-audit join=range")
        holder.send("consume lst-orders c=2 prefetch=2")
        deadline = time.monotonic() + 20
        while len(json.loads(cola("consumers", "lst-*", "--json", url=where).succeeds().out)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield where


@pytest.mark.parametrize("what", sorted(HEADINGS))
def test_a_listing_is_a_table_for_people_and_json_for_scripts(url, what):
    result = cola(what, url=url).succeeds()
    assert result.lines()[0].split() == HEADINGS[what] and len(result.lines()) > 1 and result.err == ""
    assert all(line == line.rstrip() for line in result.lines())
    rows = json.loads(cola(what, "--json", url=url).succeeds().out)
    assert len(rows) >= len(result.lines()) - 2 and all(isinstance(row, dict) for row in rows)


@pytest.mark.parametrize("what, pattern, cells", [
    ("queues", "lst-o*", ["lst-orders", "1", "2", "3"]),
    ("topics", "lst-*", ["lst-clicks", "2", "2"]),
    ("exchanges", "lst-*", ["lst-news", "headers", "amq.fanout", "-"]),
    ("bindings", "lst-news", ["lst-news", "''", "lst-orders", "queue", "any:", "eu=1", "x=-"]),
    ("groups", "lst-audit", ["lst-clicks", "lst-audit", "1", "range"]),
    ("consumers", "lst-orders", ["lst-orders"]),
    ("vhosts", "lst-*", ["lst-test", "0", "0", "0"]),
    ("policies", "lst-?????", ["lst-short", "^lst-o", "queues", "0", "expires=3600000"]),
    ("connections", "co?a", []),
])
def test_a_pattern_picks_rows_by_name(url, what, pattern, cells):
    lines = cola(what, pattern, url=url).succeeds().lines()
    assert len(lines) == 2 and lines[1].split()[:len(cells)] == cells
    assert len(json.loads(cola(what, pattern, "--json", url=url).succeeds().out)) == 1


@pytest.mark.parametrize("what", sorted(HEADINGS))
def test_nothing_found_is_said_on_stderr_beside_an_empty_table(url, what):
    result = cola(what, "lst-nothing", url=url).succeeds()
    assert len(result.lines()) == 1 and "lst-nothing" in result.err
    result = cola(what, "lst-nothing", "--json", url=url).succeeds()
    assert json.loads(result.out) == [] and "lst-nothing" in result.err


def test_listings_are_of_one_virtual_host(url):
    cola("declare", "queue", "lst-there", "--vhost", "lst-test", url=url).succeeds()
    names = [row["name"] for row in json.loads(cola("queues", "--json", url=url).out)]
    assert "lst-there" not in names and "lst-orders" in names
    there = cola("queues", "--json", url=url, env={"COLA_VHOST": "lst-test"}).succeeds()
    assert [row["name"] for row in json.loads(there.out)] == ["lst-there"]
    cola("queues", "--vhost", "lst-none", url=url).fails(REFUSED, "lst-none")
    cola("delete", "queue", "lst-there", "--vhost", "lst-test", url=url).succeeds()


@pytest.mark.parametrize("subject, words", [
    (["queue", "lst-orders"], ["name: lst-orders", "  max-length: 100", "  expires: 3600000", "policy: lst-short"]),
    (["topic", "lst-clicks"], ["name: lst-clicks", "  - partition: 0", "  - partition: 1", "bindings: none"]),
    (["exchange", "lst-news"], ["type: headers", "  - source: lst-news", "      eu: 1"]),
    (["vhost", "lst-test"], ["name: lst-test", "exchanges: 6"]),
    (["policy", "lst-short"], ["pattern: ^lst-o", "  - lst-orders"]),
    (["group", "lst-clicks", "lst-audit"], ["group: lst-audit", "strategy: range"]),
])
def test_describe_shows_everything(url, subject, words):
    lines = cola("describe", *subject, url=url).succeeds().lines()
    for word in words:
        assert word in lines, "%r is not in %s" % (word, lines)
    assert isinstance(json.loads(cola("describe", *subject, "--json", url=url).succeeds().out), dict)


def test_users_are_those_who_may_come_in(broker):
    (guest, *administrators) = json.loads(cola("users", "--json", url=broker.unix).succeeds().out)
    assert guest == {
        "name": "guest", "authentication": "password", "administrator": False, "loopback-only": True,
        "vhosts": ["/"], "connections": 0, "tags": [], "max-connections": None, "max-channels": None}
    uid = "uid:%d" % os.getuid()
    assert [row["name"] for row in administrators] == sorted({"uid:0", uid})
    assert all(row["administrator"] for row in administrators)
    own = next(row for row in administrators if row["name"] == uid)
    assert (own["authentication"], own["connections"]) == ("unix-socket", 1)
    cola("users", url=broker.tcp).fails(NOT_PERMITTED, "only an administrator", "guest")
    with native.Connection(broker.tcp):
        assert cola("users", "gu*", url=broker.unix).succeeds().lines()[1].split() == [
            "guest", "password", "no", "none", "loopback", "/", "1"]


def test_the_user_of_the_settings_may_list_users_and_no_password_is_shown(new_broker):
    server = new_broker("--default-user", "ana", "--default-pass", "sesame")
    server.start()
    with native.Connection(server.tcp, hello="hello 1 user=ana password=sesame"):
        as_ana = {"COLA_USER": "ana", "COLA_PASSWORD": "sesame"}
        result = cola("users", "--json", url=server.tcp, env=as_ana).succeeds()
        assert b"sesame" not in result.out
        row = next(row for row in json.loads(result.out) if row["name"] == "ana")
        assert (row["administrator"], row["loopback-only"], row["connections"]) == (True, False, 2)
        assert "guest" not in cola("users", url=server.tcp, env=as_ana).succeeds().out.decode()


def test_describe_of_what_is_not_there(url):
    for subject in [["queue"], ["topic"], ["exchange"], ["vhost"], ["policy"], ["group", "lst-clicks"]]:
        cola("describe", *subject, "lst-none", url=url).fails(REFUSED, "lst-none")
    cola("describe", "group", "lst-clicks", url=url).fails(USAGE, "group TOPIC GROUP")
    cola("describe", "queue", "lst-orders", "more", url=url).fails(USAGE, "more")


def test_why_says_it_in_one_sentence(url):
    cola("publish", "-q", "lst-lonely", "--declare", "x", url=url).succeeds()
    lines = cola("why", "lst-lonely", url=url).succeeds().lines()
    assert len(lines) == 1 and "1 ready" in lines[0] and "nobody consumes" in lines[0] and "cola consume" in lines[0]
    lines = cola("why", "lst-orders", url=url).succeeds().lines()
    assert "no consumer can take a message" in lines[0] and "prefetch of 2" in lines[1] and "holds 2" in lines[2]
    assert "unacknowledged" in cola("why", "lst-orders", "0", url=url).succeeds().lines()[0]
    assert json.loads(cola("why", "lst-orders", "--json", url=url).out)["unacknowledged"] == 2
    cola("why", "lst-none", url=url).fails(REFUSED, "lst-none")
    cola("why", "lst-clicks", url=url).fails(REFUSED, "topic")
    cola("why", "lst-orders", "soon", url=url).fails(USAGE, "soon")


def test_watch_prints_blocks_where_there_is_no_terminal(url):
    process = start(["queues", "lst-orders", "--watch", "0.2"], url)
    try:
        lines = [process.stdout.readline().decode() for _ in range(5)]
        assert lines[0].startswith("QUEUE") and lines[2] == "\n" and lines[3:] == lines[:2]
    finally:
        process.kill()
        process.communicate(timeout=10)


def test_watch_draws_in_place_on_a_terminal(url):
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [binary(), "queues", "lst-orders", "--watch", "0.2"], stdin=terminal, stdout=terminal, stderr=terminal,
        env=environment(url), preexec_fn=die_with_parent)
    try:
        seen = b""
        deadline = time.monotonic() + 20
        while seen.count(b"\x1b[H") < 3:
            assert time.monotonic() < deadline, seen
            if select.select([controller], [], [], 1)[0]:
                seen += os.read(controller, 4096)
        assert seen.count(b"\x1b[2J") == 1 and b"lst-orders" in seen
    finally:
        process.kill()
        process.wait(10)
        os.close(controller)
        os.close(terminal)


def test_a_reader_that_goes_away_is_no_error(url):
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", '"$0" connections --watch 0.1 | head -n 1', binary()], env=environment(url),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
    assert done.returncode == 0 and done.stderr == b"" and done.stdout.startswith(b"CONNECTION")
