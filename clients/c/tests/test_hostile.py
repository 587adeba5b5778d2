"""Servers that are none, that break off, that are slow, or that lie: an error, never a crash, never a wait for ever."""
from __future__ import annotations

import os
import random
import socket
import threading
import time
from typing import Callable, List

import pytest

from conftest import LIMIT

SEED = int(os.environ.get("COLA_SEED") or 1)
ROUNDS = 400 if os.environ.get("COLA_LONG") == "1" else 40
HELLO = b"ok t=1 version=1 server=Cola/0 user=me admin=yes heartbeat=0 line=65536 body=1000 features=get\n"


class Fake:
    """Accepts connections one after the other, and does with each what the next script says."""

    def __init__(self, path: str):
        self.url = "unix:" + path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(8)
        self._listener.settimeout(LIMIT)
        self._scripts: List[Callable[[socket.socket], None]] = []
        self._threads: List[threading.Thread] = []

    def next(self, script: Callable[[socket.socket], None]) -> None:
        thread = threading.Thread(target=self._play, args=(script,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _play(self, script: Callable[[socket.socket], None]) -> None:
        connected, _ = self._listener.accept()
        connected.settimeout(LIMIT)
        with connected:
            try:
                script(connected)
            except OSError:
                pass  # the client has gone, as it should

    def close(self) -> None:
        for thread in self._threads:
            thread.join(LIMIT)
            assert not thread.is_alive()
        self._listener.close()


@pytest.fixture
def fake(tmp_path):
    made = Fake(str(tmp_path / "s"))
    yield made
    made.close()


def line(connected: socket.socket) -> bytes:
    read = b""
    while not read.endswith(b"\n"):
        data = connected.recv(1)
        if not data:
            raise OSError("the client has gone")
        read += data
    return read


def well(connected: socket.socket, data: bytes) -> None:
    """Welcomes the client, and answers its next line."""
    line(connected)
    connected.sendall(HELLO)
    line(connected)
    connected.sendall(data)


def first_says(data: bytes) -> Callable[[socket.socket], None]:
    def script(connected: socket.socket) -> None:
        line(connected)
        connected.sendall(data)

    return script


@pytest.mark.parametrize("data, code", [
    (b"", "connection_lost"),
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", "protocol"),
    (b"AMQP\0\0\x09\x01", "connection_lost"),
    (b"ok t=1", "connection_lost"),
    (b"ok t=1\n", "protocol"),
    (b"ok t=2 line=1 body=1 heartbeat=0\n", "protocol"),
    (b"ok t=1 line=0 body=1 heartbeat=0\n", "protocol"),
    (b"ok t=1 line=65536 heartbeat=0\n", "protocol"),
    (b"ok t=1 line=65536 body=1 heartbeat=99999\n", "protocol"),
    (b"ok\n", "protocol"),
    (b"bye busy 10 connections are open\n", "busy"),
    (b"bye shutting_down soon\n", "shutting_down"),
    (b"err t=1 unauthenticated final wrong\nbye unauthenticated wrong\n", "unauthenticated"),
    (b"err t=1 something_new retry later\n", "something_new"),
    (b"err t=1 " + b"x" * 5000 + b" final " + "é".encode() * 5000 + b"\n", "x" * 31),
    (b"msg 1 1 0 0\n\n", "protocol"),
    (b"msg 0 0 0 0\n\n", "protocol"),
    (b"assigned c=1 generation=1 partitions=\n", "protocol"),
    (b"x" * 3_000_000, "protocol"),
])
def test_a_greeting_that_is_none(fake, driver, data, code):
    fake.next(first_says(data))
    assert driver().refused("connect " + fake.url) == code


@pytest.mark.parametrize("request_line, answer, code", [
    ("ping", b"ok t=3\n", "protocol"),
    ("ping", b"ok t=1\n", "protocol"),
    ("ping", b"ok\n", "protocol"),
    ("ping", b"ok t=2-9223372036854775807\n", "protocol"),
    ("ping", b"ok t=2-3\n", "protocol"),
    ("ping", b"err t=9 full retry no\n", "protocol"),
    ("ping", b"err t=2 full retry no\n", "full"),
    ("ping", b"err unknown_command final what?\n", "unknown_command"),
    ("ping", b"beat\nbeat\n\r\nok t=2 new=1\nbeat\n", ""),
    ("ping", b"bye timeout too late\n", "connection_lost"),
    ("publish q x", b"ok t=2 duplicate=yes\n", ""),
    ("publish q x", b"ok t=2 duplicate\n", "protocol"),
    ("stat", b"ok t=2 size=1000000000\n[]", "connection_lost"),
    ("stat", b"ok t=2 size=1073741825\n[]\n", "protocol"),
    ("stat", b"ok t=2 size=2\n[]x", "protocol"),
    ("stat", b"ok t=2\n", ""),
    ("get q", b"ok t=2\n", ""),
    ("get q", b"ok t=2 delivery=x offset=1 size=0\n\n", "protocol"),
    ("get q", b"ok t=2 offset=99999999999999999999 size=0\n\n", "protocol"),
    ("get q", b"ok t=2 size=0\n\n", ""),
    ("peek q count=9", b"msg 0 0 1 1\na\nmsg 0 0 2 1\nb\nerr t=2 storage retry no\n", "storage"),
    ("peek q count=9", b"msg 0 0 1 1\na\nmsg 7 0 2 1\nb\nok t=2 count=2\n", "protocol"),
    ("consume q", b"msg 1 1 0 0 h.a=%\n\n", "protocol"),
    ("consume q", b"msg 2 1 0 0\n\nok t=2\n", "protocol"),
    ("consume q", b"msg 1 1 0 1\nx\nassigned c=1 generation=1 partitions=0:0\nerr t=2 not_found final no\n",
     "not_found"),
    ("consume q", b"assigned c=1 generation=1 partitions=0:0\nassigned c=1 generation=2 partitions=0:\nok t=2\n",
     "protocol"),
    ("declare -", b"ok t=2\n", "protocol"),
    ("declare -", b"ok t=2 name=" + b"x" * 300 + b"\n", "protocol"),
    ("purge q", b"ok t=2 messages=all\n", ""),
])
def test_an_answer_that_is_odd(fake, driver, request_line, answer, code):
    fake.next(lambda connected: well(connected, answer))
    one = driver()
    one.ok("connect " + fake.url)
    said = one.ask(request_line)
    assert said.startswith("err %s " % code if code else "ok"), said
    if code in ("protocol", "connection_lost"):
        assert one.ok("open") == "no"
        assert one.refused("ping") == code


def test_errors_of_a_consumer_are_told_once_unless_it_has_ended(fake, driver):
    def script(connected: socket.socket) -> None:
        line(connected)
        connected.sendall(HELLO)
        line(connected)
        connected.sendall(b"ok t=2\nerr c=1 damaged final put aside\nmsg 1 0 0 1\nx\n")
        line(connected)
        connected.sendall(b"err c=1 cancelled final gone\nerr c=1 damaged final late\nerr c=9 damaged final whose?\n")
        connected.sendall(b"ok t=3\n")
        line(connected)

    fake.next(script)
    one = driver()
    one.ok("connect " + fake.url)
    one.ok("consume q auto=yes")
    assert one.ok("receive 0 20000").endswith("body=x")
    assert one.ask("receive 0 20000") == "err damaged final put aside"
    assert one.ok("receive 0 0") == "nothing"
    one.ok("ping")
    assert one.ask("receive 0 0") == "err cancelled final gone"
    assert one.ask("receive 0 -1") == "err cancelled final gone"
    # It has ended at the server, so nothing is sent to end it.
    assert one.ok("cancel 0") == ""
    assert one.ask("close") == "err connection_lost"


def test_messages_for_a_call_that_was_given_up_are_dropped(fake, driver):
    done = threading.Event()

    def script(connected: socket.socket) -> None:
        line(connected)
        connected.sendall(HELLO)
        assert line(connected).startswith(b"peek q t=2")
        assert done.wait(LIMIT)
        connected.sendall(b"msg 0 0 1 1\na\nok t=2 count=1\n")
        line(connected)
        connected.sendall(b"ok t=3\n")
        assert line(connected) == b"quit t=4\n"
        connected.sendall(b"ok t=4\n")

    fake.next(script)
    one = driver()
    one.ok("connect %s timeout=200" % fake.url)
    assert one.refused("peek q") == "no_answer"
    done.set()
    one.ok("timeout 30000")
    assert one.ok("ping") == "" and one.ok("close") == "ok"


def test_a_server_that_sends_one_byte_at_a_time(fake, driver):
    answer = b"msg 1 1 0 5 key=a%20b h.x=%41\nhe\nlo\nok t=2\n"

    def script(connected: socket.socket) -> None:
        line(connected)
        for data, wait in ((HELLO, 0.0), (answer, 0.005)):
            for byte in data:
                connected.sendall(bytes([byte]))
                time.sleep(wait)
            line(connected)

    fake.next(script)
    one = driver()
    one.ok("connect " + fake.url)
    one.ok("consume q")
    said = one.ok("receive 0 20000")
    # The body has an LF, so the driver needs two lines to print it.
    assert said.endswith("key=a b h.x=A body=he") and one.line() == "lo"
    assert one.ask("close") == "err connection_lost"


def test_a_server_that_never_reads_is_given_up(fake, driver):
    done = threading.Event()

    def script(connected: socket.socket) -> None:
        line(connected)
        connected.sendall(HELLO.replace(b"body=1000", b"body=99999999"))
        done.wait(LIMIT)

    fake.next(script)
    one = driver()
    one.ok("connect %s timeout=300" % fake.url)
    assert one.refused("sized q size=9000000") == "no_answer"
    assert one.refused("ackrange 1 2") == "no_answer"
    done.set()
    assert one.ask("close") == "err connection_lost"


@pytest.mark.parametrize("begins_well", [False, True])
def test_random_bytes_are_an_error(fake, driver, begins_well):
    choice = random.Random(SEED)
    words = [b"ok", b"ok t=2", b"msg 1 1 0 3\nabc\n", b"err t=2 ", b" ", b"\n", b"t=", b"size=5\n", b"bye ", b"=",
             b"assigned c=1 ", b"generation=1 ", b"partitions=0:0", b"h.a=b ", b"%", b"\0", b"msg 0 0 0 0\n\n",
             b"9999999999", b"beat\n"]
    one = driver()
    for _ in range(ROUNDS):
        if choice.random() < 0.5:
            data = choice.randbytes(choice.randrange(1, 300))
        else:
            data = b"".join(choice.choice(words) for _ in range(choice.randrange(1, 30)))
        if not begins_well:
            fake.next(first_says(data))
            assert one.ask("connect " + fake.url).startswith("err "), data
            continue
        fake.next(lambda connected, data=data: well(connected, data))
        one.ok("connect " + fake.url)
        asked = choice.choice(["consume q", "stat", "get q", "peek q", "publish q x", "ping"])
        said = one.ask(asked)
        # That the bytes happen to be a good answer is possible; that it is neither is not.
        assert said.startswith(("ok", "err ")), data
        while one.ok("open") == "yes" and one.ask("process 200").startswith("ok"):
            pass
        one.ask("close")
