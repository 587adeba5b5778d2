"""publish: where messages come from, how they are cut, and what is said when it goes wrong."""
from __future__ import annotations

import itertools
import json
import os
import pty
import subprocess

import pytest

from broker import binary
from cli import NO_INPUT, OK, REFUSED, USAGE, cola, environment, start

numbers = itertools.count()


@pytest.fixture
def url(shared_broker):
    return shared_broker.unix


@pytest.fixture
def queue(url):
    name = "pub-%d" % next(numbers)
    cola("declare", "queue", name, url=url).succeeds()
    return name


def bodies(url, queue):
    """Every body in the queue, bytes and all."""
    import base64

    rows = [json.loads(line) for line in cola("peek", queue, "--count", "100000", "--json", url=url).succeeds().lines()]
    return [base64.b64decode(r["body_base64"]) if "body_base64" in r else r["body"].encode() for r in rows]


def test_arguments_are_messages(url, queue):
    result = cola("publish", "--queue", queue, "one", "", "th ree\nlines", url=url).succeeds()
    assert result.lines() == ["published 3"] and result.err == ""
    assert bodies(url, queue) == [b"one", b"", b"th ree\nlines"]


def test_an_argument_that_begins_with_a_dash_follows_two(url, queue):
    cola("publish", "--queue", queue, "--", "--each-line", "-x", url=url).succeeds()
    assert bodies(url, queue) == [b"--each-line", b"-x"]


def test_standard_input_is_one_message_byte_for_byte(url, queue):
    body = bytes(range(256)) * 5
    assert cola("publish", "-q", queue, url=url, input=body).succeeds().lines() == ["published 1"]
    assert bodies(url, queue) == [body]


def test_what_leads_nowhere_is_refused_or_dropped_as_is_asked(url):
    message = ["publish", "--exchange", "amq.topic", "--routing-key", "nobody", "x"]
    cola(*message, url=url).fails(REFUSED, "--no-mandatory")
    assert cola(*message, "--no-mandatory", url=url).succeeds().lines() == ["published 1"]


def test_each_line_is_a_message(url, queue):
    cola("publish", "-q", queue, "--each-line", url=url, input=b"a\n\n b \r\nlast").succeeds()
    assert bodies(url, queue) == [b"a", b"", b" b \r", b"last"]


def test_each_paragraph_is_a_message(url, queue):
    text = b"\n\n one\ntwo\n \t\r\n\nthree\n\n\n"
    assert cola("publish", "-q", queue, "--paragraphs", url=url, input=text).succeeds().lines() == ["published 2"]
    assert bodies(url, queue) == [b" one\ntwo", b"three"]


def test_files_are_messages_or_are_cut(url, queue, tmp_path):
    (tmp_path / "a").write_bytes(b"1\n2\n")
    (tmp_path / "b").write_bytes(b"3")
    (tmp_path / "empty").write_bytes(b"")
    files = ["--file", str(tmp_path / "a"), "--file", str(tmp_path / "b"), "--file", str(tmp_path / "empty")]
    cola("publish", "-q", queue, *files, url=url).succeeds()
    cola("publish", "-q", queue, *files, "--each-line", url=url).succeeds()
    cola("publish", "-q", queue, "--file", "-", url=url, input=b"stdin").succeeds()
    assert bodies(url, queue) == [b"1\n2\n", b"3", b"", b"1", b"2", b"3", b"stdin"]


def test_many_lines_arrive_once_and_in_order(url, queue):
    lines = ["%d %s" % (number, "x" * (number % 300)) for number in range(20_000)]
    text = "\n".join(lines) + "\n"
    result = cola("publish", "-q", queue, "--each-line", "--window", "64", url=url, input=text).succeeds()
    assert result.lines() == ["published 20000"]
    assert cola("consume", "-q", queue, url=url).succeeds().out.decode() == text


def test_lines_of_a_pipe_are_published_while_it_is_open(url, queue):
    process = start(["publish", "-q", queue, "--each-line"], url, stdin=subprocess.PIPE)
    try:
        process.stdin.write(b"now\n")
        process.stdin.flush()
        assert cola("consume", "-q", queue, "--count", "1", "--idle-timeout", "20", url=url).succeeds().out == b"now\n"
        out, _ = process.communicate(timeout=20)
        assert process.returncode == OK and out == b"published 1\n"
    finally:
        process.kill()
        process.wait(10)


def test_headers_travel_along(url, queue):
    headers = ["--header", "a=1", "--header", "b c=d=e", "--header", "empty="]
    cola("publish", "-q", queue, *headers, "x", url=url).succeeds()
    row = json.loads(cola("consume", "-q", queue, "--json", url=url).succeeds().out)
    assert row["headers"] == {"a": "1", "b c": "d=e", "empty": ""}


def test_declare_makes_the_queue(url):
    assert cola("publish", "-q", "pub-made", "--declare", "x", url=url).code == OK
    assert bodies(url, "pub-made") == [b"x"]


def test_a_message_that_leads_nowhere_is_refused(url):
    cola("publish", "-q", "pub-none", "x", url=url).fails(REFUSED, "pub-none", "cola declare queue pub-none")
    cola("publish", "--exchange", "pub-none", "x", url=url).fails(REFUSED, "pub-none")


def test_a_large_message_passes_and_a_too_large_one_is_refused_before_it_is_sent(url, queue):
    cola("publish", "-q", queue, url=url, input=b"x" * (16 << 20)).succeeds()
    cola("publish", "-q", queue, url=url, input=b"x" * ((16 << 20) + 1)).fails(REFUSED, "16777216", "body-max")
    cola("publish", "-q", queue, "--each-line", url=url, input=b"x" * ((16 << 20) + 1)).fails(REFUSED, "body-max")


@pytest.mark.parametrize("arguments, words", [
    (["x"], ["--queue"]),
    (["--queue", "q", "--exchange", "e", "x"], ["--queue"]),
    (["--queue", "q", "--routing-key", "k", "x"], ["--routing-key", "--exchange"]),
    (["--exchange", "e", "--declare", "x"], ["--declare"]),
    (["--queue", "q", "--each-line", "--paragraphs"], ["--each-line", "--paragraphs"]),
    (["--queue", "q", "--each-line", "x"], ["--each-line"]),
    (["--queue", "q", "--file", "/dev/null", "x"], ["--file"]),
    (["--queue", "q", "--window", "0", "x"], ["--window"]),
    (["--queue", "q", "--window", "many", "x"], ["--window", "many"]),
    (["--queue", "q", "--header", "novalue", "x"], ["novalue", "NAME=VALUE"]),
    (["--queue", "q", "--header", "=v", "x"], ["=v"]),
    (["--queue", "q", "--bogus", "x"], ["--bogus"]),
    (["--queue"], ["--queue"]),
])
def test_wrong_usage_says_what_is_wrong(url, arguments, words):
    cola("publish", *arguments, url=url).fails(USAGE, *words, "cola publish --help")


def test_a_file_that_cannot_be_read_is_named(url, queue, tmp_path):
    cola("publish", "-q", queue, "--file", str(tmp_path / "none"), url=url).fails(NO_INPUT, str(tmp_path / "none"))
    cola("publish", "-q", queue, "--file", str(tmp_path), url=url).fails(NO_INPUT, str(tmp_path))


def test_on_a_terminal_it_draws_a_bar_and_asks_for_input(url, queue, tmp_path):
    (tmp_path / "lines").write_bytes(b"x" * 99 + b"\n")
    fifo = tmp_path / "fifo"
    os.mkfifo(str(fifo))
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [binary(), "publish", "-q", queue, "--each-line", "--file", str(fifo)], stdin=terminal, stderr=terminal,
        stdout=subprocess.PIPE, env=environment(url))
    try:
        with open(str(fifo), "wb") as writer:
            writer.write(b"one\n")
            writer.flush()
            os.set_blocking(controller, True)
            drawn = os.read(controller, 4096)
        out, _ = process.communicate(timeout=20)
        assert b"published" in drawn and out == b"published 1\n"
        nothing = subprocess.run(
            [binary(), "publish", "-q", queue], stdin=terminal, stderr=subprocess.PIPE, env=environment(url),
            timeout=20,
            check=False)
        assert nothing.returncode == USAGE and b"nothing to publish" in nothing.stderr
    finally:
        process.kill()
        process.wait(10)
        os.close(controller)
        os.close(terminal)


def test_a_misspelt_file_is_said_before_anything_is_published(url, queue, tmp_path):
    (tmp_path / "a").write_text("1\n2\n")
    arguments = ["--file", str(tmp_path / "a"), "--file", str(tmp_path / "b"), "--each-line"]
    cola("publish", "-q", queue, *arguments, url=url).fails(NO_INPUT, str(tmp_path / "b"))
    assert cola("consume", "-q", queue, url=url).succeeds().out == b""


def test_input_that_goes_wrong_on_the_way_tells_what_is_published_already(url, queue):
    text = b"1\n2\n3\n" + b"x" * (17 << 20)
    result = cola("publish", "-q", queue, "--each-line", url=url, input=text)
    result.fails(REFUSED, "standard input", "body-max", "3 messages before it were published")
    assert "--each-line" not in result.err, "advice to do what was done"
    assert cola("consume", "-q", queue, url=url).succeeds().lines() == ["1", "2", "3"]
