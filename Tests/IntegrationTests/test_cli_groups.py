"""consume --group: members share partitions, take over from one another, and commit what they have written out."""
from __future__ import annotations

import itertools
import json
import re
import signal
import threading
import time

import pytest

from cli import REFUSED, USAGE, cola, start

PARTITIONS = 4
numbers = itertools.count()


@pytest.fixture
def url(shared_broker):
    return shared_broker.unix


@pytest.fixture
def topic(url):
    name = "grp-%d" % next(numbers)
    cola("declare", "topic", name, "--partitions", str(PARTITIONS), url=url).succeeds()
    return name


class Member:
    """A running `cola consume --group`, and what it has said so far."""

    def __init__(self, url, topic, *more):
        self.lines, self.notes = [], []
        self.process = start(["consume", "--topic", topic, "--group", "g", *more], url)
        self.threads = [
            threading.Thread(target=self.listen, args=pair, daemon=True)
            for pair in ((self.process.stdout, self.lines), (self.process.stderr, self.notes))]
        for thread in self.threads:
            thread.start()

    @staticmethod
    def listen(stream, lines):
        for line in stream:
            lines.append(line.decode().rstrip("\n"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end(signal.SIGKILL)

    def end(self, number):
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(20)
        for thread in self.threads:
            thread.join(20)
        return code

    def partitions(self):
        """What it reads now, as it says."""
        found = [re.search(r"reads partitions? ([0-9,]+) of|reads no partition", note) for note in self.notes]
        last = found[-1] if found else None
        return None if last is None else {int(number) for number in (last[1] or "").split(",") if number}


def wait_until(condition, deadline=30.0):
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)


def publish(url, topic, bodies):
    """One after the other into the partitions."""
    lines = "".join('{"body":"%s","partition":%d}\n' % (body, n % PARTITIONS) for n, body in enumerate(bodies))
    cola("import", topic, url=url, input=lines).succeeds()


def committed(url, topic):
    described = json.loads(cola("describe", "group", topic, "g", "--json", url=url).succeeds().out)
    return {row["partition"]: row["committed"] for row in described["offsets"]}


def test_one_of_two_members_dies_and_the_other_takes_over(url, topic):
    first_half = ["a%d" % number for number in range(400)]
    second_half = ["b%d" % number for number in range(400)]
    everything = set(range(PARTITIONS))
    with Member(url, topic, "--follow") as one, Member(url, topic, "--follow") as other:
        wait_until(lambda: one.partitions() and other.partitions()
                   and one.partitions() | other.partitions() == everything
                   and not one.partitions() & other.partitions())
        publish(url, topic, first_half)
        wait_until(lambda: set(one.lines) | set(other.lines) == set(first_half))
        assert one.lines and other.lines, "both had a part"
        one.end(signal.SIGKILL)
        wait_until(lambda: other.partitions() == everything)
        publish(url, topic, second_half)
        wait_until(lambda: set(one.lines) | set(other.lines) == set(first_half + second_half))
        wait_until(lambda: committed(url, topic) == {number: 200 for number in everything})
        assert other.end(signal.SIGTERM) == 0
    # The group has seen everything, and goes on from there.
    assert cola("consume", "--topic", topic, "--group", "g", url=url).succeeds().out == b""


def test_only_what_was_written_out_is_committed(url, topic):
    publish(url, topic, ["%d" % number for number in range(40)])
    taken = cola("consume", "--topic", topic, "--group", "g", "--count", "7", url=url).succeeds().lines()
    assert len(taken) == 7 and sum(committed(url, topic).values()) == 7
    rest = cola("consume", "--topic", topic, "--group", "g", "--json", url=url).succeeds()
    bodies = [json.loads(line)["body"] for line in rest.lines()]
    assert sorted(taken + bodies, key=int) == ["%d" % number for number in range(40)]
    assert "member of group 'g', generation" in rest.err and "reads partitions 0,1,2,3 of '%s'" % topic in rest.err


def test_no_ack_commits_nothing(url, topic):
    publish(url, topic, "abcd")
    for _ in range(2):
        assert sorted(cola("consume", "--topic", topic, "--group", "g", "--no-ack", url=url).succeeds().lines()) == [
            "a", "b", "c", "d"]
    cola("describe", "group", topic, "g", url=url).fails(REFUSED, "no group 'g' has committed")


def test_from_is_for_a_group_that_has_committed_nothing(url, topic):
    publish(url, topic, "abcdefgh")
    assert cola("consume", "--topic", topic, "--group", "g", "--from", "next", url=url).succeeds().out == b""
    lines = cola("consume", "--topic", topic, "--group", "g", "--from", "1", url=url).succeeds().lines()
    assert sorted(lines) == ["e", "f", "g", "h"]
    publish(url, topic, "ijkl")
    lines = cola("consume", "--topic", topic, "--group", "g", "--from", "first", url=url).succeeds().lines()
    assert sorted(lines) == ["i", "j", "k", "l"]


def test_a_member_too_many_is_told_so(url):
    cola("declare", "topic", "grp-one", url=url).succeeds()
    with Member(url, "grp-one", "--follow") as one:
        wait_until(lambda: one.partitions() == {0})
        result = cola("consume", "--topic", "grp-one", "--group", "g", url=url).succeeds()
        assert result.out == b"" and "more members" in result.err
        result = cola("consume", "--topic", "grp-one", "--group", "g", "--strategy", "sticky", url=url)
        result.fails(REFUSED, "range")


def test_wrong_use_is_named(url, topic):
    cola("declare", "queue", "grp-queue", url=url).succeeds()
    cola("consume", "--queue", "grp-queue", "--group", "g", url=url).fails(REFUSED, "grp-queue")
    cola("consume", "--topic", "grp-none", "--group", "g", url=url).fails(REFUSED, "grp-none")
    cola("consume", "--topic", topic, "--group", "", url=url).fails(USAGE, "--group")
    cola("consume", "--topic", topic, "--strategy", "sticky", url=url).fails(USAGE, "--group")
    cola("consume", "--topic", topic, "--group", "g", "--strategy", "best", url=url).fails(USAGE, "best")
