"""top: a live screen that leaves the terminal as it was, however it ends; elsewhere one plain picture."""
from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from broker import binary, die_with_parent
from cli import USAGE, cola, environment

ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"


@pytest.fixture
def url(shared_broker):
    where = shared_broker.unix
    cola("publish", "-q", "top-orders", "--declare", "1", "2", url=where).succeeds()
    cola("declare", "topic", "top-clicks", url=where).succeeds()
    return where


class Screen:
    """`cola top` on a terminal of its own."""

    def __init__(self, url: str, *arguments: str):
        self.controller, self.terminal = pty.openpty()
        self.resize(24, 100)
        self.before = termios.tcgetattr(self.terminal)
        self.seen = b""
        self.process = subprocess.Popen(
            [binary(), "top", "--interval", "0.2", *arguments], stdin=self.terminal, stdout=self.terminal,
            stderr=subprocess.PIPE, env=environment(url), preexec_fn=die_with_parent, start_new_session=True)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, *words: bytes) -> bytes:
        """What is drawn until all of the words have been."""
        deadline = time.monotonic() + 30
        new = b""
        while not all(word in new for word in words):
            assert time.monotonic() < deadline, "%r did not come: %r" % (words, new)
            if select.select([self.controller], [], [], 0.5)[0]:
                new += os.read(self.controller, 65536)
        self.seen += new
        return new

    def ends(self) -> int:
        """The exit code, after the rest was read and the terminal was found as it had been."""
        self.read_until(LEAVE)
        code = self.process.wait(20)
        assert b"\x1b[?25h" in self.seen and self.seen.count(ENTER) == 1
        assert termios.tcgetattr(self.terminal) == self.before
        return code

    def __enter__(self) -> "Screen":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(10)
        self.process.stderr.close()
        os.close(self.controller)
        os.close(self.terminal)


def test_it_shows_queues_and_topics_live_until_q(url):
    with Screen(url) as screen:
        screen.read_until(ENTER, b"top-orders", b"top-clicks", b"READY", b"OLDEST", b"CONSUMERS", b"q quits")
        during = termios.tcgetattr(screen.terminal)
        assert not during[3] & termios.ICANON and not during[3] & termios.ECHO
        cola("publish", "-q", "top-orders", *["x"] * 12_3, url=url).succeeds()
        screen.read_until(b" 125 ")
        os.write(screen.controller, b"s")
        screen.read_until(b"(by in)")
        os.write(screen.controller, b"q")
        assert screen.ends() == 0


def test_it_follows_the_size_of_the_screen(url):
    for number in range(12):
        cola("declare", "queue", "top-q%d" % number, url=url).succeeds()
    with Screen(url) as screen:
        screen.read_until(b"top-q1")
        screen.resize(8, 40)
        drawn = screen.read_until(b"\x1b[2J", b"more\x1b[K")
        last = drawn[drawn.rindex(b"\x1b[2J"):].partition(b"more\x1b[K")[0]
        assert last.count(b"\r\n") == 7 and all(len(line) <= 60 for line in last.split(b"\r\n"))
        os.write(screen.controller, b"q")
        assert screen.ends() == 0


def test_long_and_wide_names_leave_the_numbers_on_the_screen(url):
    for name in ("top-" + "long" * 50, "top-" + "キュー" * 25):
        cola("declare", "queue", name, url=url).succeeds()
    with Screen(url) as screen:
        drawn = screen.read_until(b"CONSUMERS", "top-longlong".encode(), "top-キュー".encode(), b"\x1b[J").decode()
        rows = [line.partition("\x1b[K")[0] for line in drawn.split("\r\n") if line.startswith(("NAME", "top-"))]
        for row in rows:
            assert len(row) + sum(letter in "キュー" for letter in row) == 100, row
        assert sum("…" in row and " queue " in row for row in rows) == 2
        os.write(screen.controller, b"q")
        assert screen.ends() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_the_terminal_as_it_was(url, number):
    with Screen(url) as screen:
        screen.read_until(b"top-orders")
        os.kill(screen.process.pid, number)
        assert screen.ends() == 128 + number


def test_a_broker_that_goes_away_leaves_the_terminal_as_it_was(new_broker):
    broker = new_broker()
    broker.start()
    with Screen(broker.unix) as screen:
        screen.read_until(b"no queues or topics")
        broker.kill()
        assert screen.ends() == 75
        assert b"lost the connection" in screen.process.stderr.read()


def test_without_a_terminal_it_prints_one_picture(url):
    lines = cola("top", "--interval", "0.2", "--sort", "name", url=url).succeeds().lines()
    assert lines[0].startswith("cola top") and "acked" in lines[1]
    heading = next(line for line in lines if line.startswith("NAME"))
    assert heading.split()[:4] == ["NAME", "KIND", "READY", "UNACKED"]
    assert any(line.split()[:2] == ["top-clicks", "topic"] for line in lines)
    assert "\x1b" not in "".join(lines)


def test_wrong_usage(url):
    cola("top", "--interval", "0", url=url).fails(USAGE, "--interval")
    cola("top", "--sort", "colour", url=url).fails(USAGE, "colour", "unacked")
