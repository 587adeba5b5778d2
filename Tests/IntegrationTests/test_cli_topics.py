"""tail of a topic, and the offsets of its groups."""
from __future__ import annotations

import json

import pytest

from cli import OK, REFUSED, USAGE, cola, start
import native


@pytest.fixture
def url(shared_broker):
    return shared_broker.unix


def fill(url, topic, count, partitions=1):
    cola("declare", "topic", topic, "--partitions", str(partitions), url=url).succeeds()
    for number in range(count):
        where = ["--partition", str(number % partitions)] if partitions > 1 else []
        cola("publish", "--topic", topic, *where, "r%d" % number, url=url).succeeds()


def test_tail_prints_the_last_records(url):
    fill(url, "tail-a", 5)
    assert cola("tail", "tail-a", "--no-follow", url=url).succeeds().lines() == ["r0", "r1", "r2", "r3", "r4"]
    assert cola("tail", "tail-a", "-n", "2", "--no-follow", url=url).succeeds().lines() == ["r3", "r4"]
    rows = cola("tail", "tail-a", "--lines", "1", "--no-follow", "--json", url=url).succeeds().lines()
    assert json.loads(rows[0])["offset"] == 4
    cola("tail", "tail-none", "--no-follow", url=url).fails(REFUSED, "tail-none")
    cola("tail", "tail-a", "-n", "-1", url=url).fails(USAGE)
    cola("declare", "topic", "tail-empty", url=url).succeeds()
    assert "no records" in cola("tail", "tail-empty", "--no-follow", url=url).succeeds().err


def test_tail_of_several_partitions_is_in_the_order_of_time(url):
    fill(url, "tail-b", 6, partitions=3)
    assert cola("tail", "tail-b", "-n", "4", "--no-follow", url=url).succeeds().lines() == ["r2", "r3", "r4", "r5"]


def test_tail_begins_further_back_where_compaction_has_left_gaps(url):
    cola("declare", "topic", "tail-c", url=url).succeeds()
    lines = "".join("%d\n" % number for number in range(3000))
    cola("publish", "--topic", "tail-c", "--each-line", url=url, input=lines).succeeds()
    assert cola("tail", "tail-c", "-n", "2500", "--no-follow", url=url).succeeds().lines() == lines.split()[500:]


def test_tail_follows_without_a_gap_and_without_repeating(url):
    fill(url, "tail-d", 3)
    process = start(["tail", "tail-d", "-n", "2"], url)
    try:
        assert [process.stdout.readline() for _ in range(2)] == [b"r1\n", b"r2\n"]
        for number in range(3, 6):
            cola("publish", "--topic", "tail-d", "r%d" % number, url=url).succeeds()
            assert process.stdout.readline() == b"r%d\n" % number
    finally:
        process.kill()
        process.communicate(timeout=10)


def test_peek_looks_into_one_partition_and_shows_a_record_without_a_value(url):
    cola("declare", "topic", "tail-p", "--partitions", "2", url=url).succeeds()
    cola("publish", "--topic", "tail-p", "--partition", "1", "--key", "k", "x", url=url).succeeds()
    cola("publish", "--topic", "tail-p", "--partition", "1", "--key", "k", "--null", url=url).succeeds()
    rows = cola("peek", "tail-p", "--partition", "1", "--count", "9", "--json", url=url).succeeds().lines()
    assert [(json.loads(r)["body"], json.loads(r)["partition"], json.loads(r)["key"]) for r in rows] == [
        ("x", 1, "k"), (None, 1, "k")]
    result = cola("peek", "tail-p", url=url).succeeds()
    assert result.out == b"" and "no message of 'tail-p'" in result.err
    cola("peek", "tail-p", "--partition", "2", url=url).fails(REFUSED, "2")
    cola("publish", "--topic", "tail-p", "--null", "x", url=url).fails(USAGE, "--null")


def test_a_topic_is_read_from_a_point_in_time(url):
    fill(url, "tail-t", 1)
    later = json.loads(cola("peek", "tail-t", "--json", url=url).succeeds().out)["timestamp"] + 1
    assert cola("consume", "--topic", "tail-t", "--from", "@%d" % later, url=url).succeeds().out == b""
    assert cola("consume", "--topic", "tail-t", "--from", "@1", url=url).succeeds().lines() == ["r0"]
    cola("consume", "--topic", "tail-t", "--from", "@soon", url=url).fails(USAGE, "@soon")


def test_offsets_are_shown_and_reset(url):
    fill(url, "off-a", 6, partitions=2)
    with native.Connection(url) as connection:
        connection.ok("commit off-a off-g 2 partition=0")
    lines = [line.split() for line in cola("offsets", "show", "off-a", "off-g", url=url).succeeds().lines()]
    assert lines == [["PARTITION", "COMMITTED", "FIRST", "NEXT", "LAG"], ["0", "2", "0", "3", "1"],
                     ["1", "-", "0", "3", "-"]]
    rows = json.loads(cola("offsets", "show", "off-a", "off-g", "--json", url=url).succeeds().out)
    assert rows == [{"partition": 0, "committed": 2, "next": 3, "lag": 1}]
    cola("offsets", "reset", "off-a", "off-g", "--to", "first", url=url).fails(USAGE, "--yes")
    reset = cola("offsets", "reset", "off-a", "off-g", "--to", "next", "--yes", url=url).succeeds()
    assert reset.lines() == ["partition 0 at 3", "partition 1 at 3"]
    cola("offsets", "reset", "off-a", "off-g", "--to", "1", "--partition", "1", "--yes", url=url).succeeds()
    rows = json.loads(cola("offsets", "show", "off-a", "off-g", "--json", url=url).succeeds().out)
    assert [(row["partition"], row["committed"]) for row in rows] == [(0, 3), (1, 1)]
    cola("offsets", "reset", "off-a", "off-g", "--to", "999", "--yes", url=url).succeeds()
    assert json.loads(cola("groups", "off-g", "--json", url=url).out)[0]["lag"] == 0


def test_offsets_are_reset_to_a_point_in_time(url):
    fill(url, "off-t", 4)
    rows = [json.loads(line) for line in cola("peek", "off-t", "--count", "9", "--json", url=url).succeeds().lines()]
    with native.Connection(url) as connection:
        connection.ok("commit off-t off-g 4")
    times = [row["timestamp"] for row in rows]
    for time in [1, times[2], times[3], times[3] + 1]:
        expected = next((row["offset"] for row in rows if row["timestamp"] >= time), 4)
        reset = cola("offsets", "reset", "off-t", "off-g", "--to", "@%d" % time, "--yes", url=url).succeeds()
        assert reset.lines() == ["partition 0 at %d" % expected]


def test_offsets_of_a_group_with_members_are_not_reset(url):
    fill(url, "off-b", 1)
    with native.Connection(url) as member:
        member.ok("consume off-b c=1 group=off-busy join=range")
        arguments = ["offsets", "reset", "off-b", "off-busy", "--to", "first", "--yes"]
        cola(*arguments, url=url).fails(REFUSED, "members (1)", "off-busy")


@pytest.mark.parametrize("arguments, code, words", [
    (["show", "off-none", "g"], REFUSED, ["off-none"]),
    (["show", "off-c", "nobody"], REFUSED, ["nobody"]),
    (["reset", "off-c", "nobody", "--to", "first", "--yes"], REFUSED, ["nobody"]),
    (["reset", "off-c", "g", "--to", "last year"], USAGE, ["last year"]),
    (["reset", "off-c", "g"], USAGE, ["--to"]),
    (["reset", "off-c", "g", "--to", "first", "--partition", "7", "--yes"], REFUSED, ["7"]),
])
def test_what_is_wrong_with_offsets_is_said(url, arguments, code, words):
    cola("declare", "topic", "off-c", url=url).succeeds()
    with native.Connection(url) as connection:
        connection.ok("commit off-c g 0")
    assert cola("offsets", *arguments, url=url).fails(code, *words).code != OK
