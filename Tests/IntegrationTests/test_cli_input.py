"""Wrong input of every kind: what each command says, which exit code it ends with, and that nothing has changed.

One table. A row is a command as it is typed, the exit code, and words that the one line of the error must hold: the
thing that it is about, the limit, or what to do next.
"""
from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import time

import pytest

import native
from broker import binary, die_with_parent
from cli import NO_INPUT, NOT_PERMITTED, OK, REFUSED, TRY_AGAIN, USAGE, cola, environment, start
from test_faults import small_disk  # noqa: F401  (a fixture)

OUTPUT_FULL = 74

MODEL = """
declare queue in-q
declare topic in-t partitions=2
declare exchange in-x type=topic
pub in-q 1
a
""".strip()

TABLE = [
    # A name that is empty, as of a variable that is not set.
    ("declare queue ''", USAGE, ["queue", "empty", "255"]),
    ("declare topic ''", USAGE, ["topic", "empty"]),
    ("publish -q '' x", USAGE, ["--queue", "empty"]),
    ("publish --topic '' --declare x", USAGE, ["--topic", "empty"]),
    ("consume -q ''", USAGE, ["empty"]),
    ("get ''", USAGE, ["empty"]),
    ("peek ''", USAGE, ["empty"]),
    ("why ''", USAGE, ["empty"]),
    ("purge ''", USAGE, ["empty"]),
    ("tail ''", USAGE, ["empty"]),
    ("export ''", USAGE, ["empty"]),
    ("delete queue ''", USAGE, ["empty"]),
    ("describe queue ''", USAGE, ["empty"]),
    ("bind '' in-q", USAGE, ["empty"]),
    ("set policy '' --pattern x --max-length 1", USAGE, ["empty"]),
    # Names that are too long, reserved, or of nothing.
    ("declare queue " + "n" * 256, USAGE, ["255 bytes"]),
    ("declare queue amq.x", NOT_PERMITTED, ["amq.", "another name"]),
    ("publish -q in-none x", REFUSED, ["in-none", "cola declare queue in-none"]),
    ("consume -q in-none", REFUSED, ["in-none", "cola declare"]),
    ("get in-none", REFUSED, ["in-none", "cola declare"]),
    ("why in-none", REFUSED, ["in-none", "cola declare"]),
    ("queues --vhost in-none", REFUSED, ["in-none", "cola declare vhost in-none"]),
    ("delete policy in-none", REFUSED, ["in-none", "cola policies"]),
    ("describe group in-t in-none", REFUSED, ["in-none", "cola groups"]),
    ("publish --exchange in-x --routing-key in-k x", REFUSED, ["in-x", "in-k", "cola bind"]),
    # A queue where a topic is meant, and the other way round.
    ("get in-t", REFUSED, ["in-t", "topic"]),
    ("delete queue in-t", REFUSED, ["cola delete topic in-t"]),
    ("delete topic in-q", REFUSED, ["cola delete queue in-q"]),
    ("why in-t", REFUSED, ["in-t", "cola groups"]),
    ("declare queue in-q --max-length 3", REFUSED, ["in-q", "max-length", "cola set queue in-q"]),
    ("declare topic in-t --partitions 3", REFUSED, ["in-t", "partitions"]),
    ("declare topic in-t --partitions 2 --retention-ms 9", REFUSED, ["retention-ms", "cola set topic in-t"]),
    # Numbers: negative, none, too large for the option, too large for 64 bits.
    ("publish -q in-q --priority -1 x", USAGE, ["--priority", "--name=-1"]),
    ("publish -q in-q --priority=-1 x", USAGE, ["--priority", "255"]),
    ("publish -q in-q --priority 256 x", USAGE, ["--priority", "255"]),
    ("publish -q in-q --expiration 9223372036854775807 x", USAGE, ["--expiration", "3155760000000"]),
    ("publish -q in-q --delay 9223372036854775807 x", USAGE, ["--delay", "3155760000000"]),
    ("publish -q in-q --delay 99999999999999999999 x", USAGE, ["--delay", "99999999999999999999"]),
    ("publish -q in-q --window 0 x", USAGE, ["--window", "1000000"]),
    ("publish --topic in-t --partition 2 x", REFUSED, ["in-t", "0 to 1"]),
    ("publish -q in-q --message-id '' x", USAGE, ["--message-id", "255"]),
    ("publish -q in-q --reply-to '' x", USAGE, ["--reply-to", "255"]),
    ("publish -q in-q --header =x x", USAGE, ["NAME=VALUE"]),
    ("publish -q in-q --header a=%s x" % ("b" * 70_000), USAGE, ["--header", "65536", "body"]),
    ("bind in-x in-q --key " + "k" * 70_000, USAGE, ["65536"]),
    ("declare queue in-y --max-priority 256", USAGE, ["max-priority", "255"]),
    ("declare queue in-y --max-length x", USAGE, ["--max-length", "x"]),
    ("declare topic in-y --partitions 1001", USAGE, ["--partitions", "1000"]),
    ("declare exchange in-y --type direct --max-length 1", USAGE, ["--max-length", "an exchange"]),
    ("declare queue in-y --overflow sometimes", USAGE, ["sometimes", "drop-head"]),
    ("set queue in-q --clear max-lenght", USAGE, ["--clear", "max-lenght"]),
    ("set queue in-q --clear max-length --max-length 1", USAGE, ["--max-length", "cleared"]),
    ("set policy in-p --pattern ( --max-length 1", USAGE, ["in-p", "character 1"]),
    ("get in-q --count 0", USAGE, ["--count"]),
    ("consume -q in-q --prefetch 65536", USAGE, ["--prefetch", "65535"]),
    ("consume -q in-q --idle-timeout nan", USAGE, ["--idle-timeout"]),
    ("consume -q in-t --from yesterday", USAGE, ["yesterday", "first"]),
    ("peek in-t --partition 9", REFUSED, ["in-t", "0 to 1"]),
    ("tail in-t -n 100001", USAGE, ["--lines", "100000"]),
    ("why in-q 1.5", USAGE, ["1.5"]),
    ("offsets reset in-t in-g --to soon --yes", USAGE, ["soon", "first"]),
    ("queues --watch 0", USAGE, ["--watch", "0.1"]),
    ("health --timeout nan", USAGE, ["--timeout"]),
    ("top --interval 3601", USAGE, ["--interval", "3600"]),
    ("sql --rows 0 'SELECT 1'", USAGE, ["--rows"]),
    ("bench --size=-1", USAGE, ["--size"]),
    # Words that are none.
    ("describe in-q", USAGE, ["in-q", "queue, topic"]),
    ("frob", USAGE, ["frob", "cola --help"]),
    ("queues --jsno", USAGE, ["--json"]),
    # Files that are not there, are no files, or hold something else.
    ("publish -q in-q --file /nonexistent/f", NO_INPUT, ["'/nonexistent/f'", "No such file"]),
    ("publish -q in-q --file /", NO_INPUT, ["'/'", "directory", "name a file"]),
    ("publish -q in-q --file ''", NO_INPUT, ["''"]),
    ("import in-q --file /nonexistent/f", NO_INPUT, ["/nonexistent/f"]),
    ("check /nonexistent", NO_INPUT, ["/nonexistent", "--data-dir"]),
    ("sql --data-dir /nonexistent 'SELECT 1'", NO_INPUT, ["/nonexistent", "--data-dir"]),
    ("backup /nonexistent/b", REFUSED, ["/nonexistent/b", "above"]),
]


@pytest.fixture(scope="module")
def url(shared_broker):
    with native.Connection(shared_broker.unix) as connection:
        for line in MODEL.splitlines()[:3]:
            connection.ok(line)
        connection.ok("pub in-q 1", b"a")
    return shared_broker.unix


@pytest.mark.parametrize("typed, code, words", TABLE, ids=[row[0][:60] for row in TABLE])
def test_wrong_input(url, typed, code, words):
    before = cola("queues", "--json", url=url).succeeds().out
    cola(*shlex.split(typed), url=url).fails(code, *words)
    after = cola("queues", "--json", url=url).succeeds().out
    assert json.loads(before) == json.loads(after)


@pytest.mark.parametrize("arguments", [
    [b"declare", b"queue", b"in-\xff"], [b"publish", b"-q", b"in-q", b"\xc3"], [b"serve", b"--data-dir", b"\xff"],
    [b"publish", b"-q", b"in-q", b"--header", b"a=\xed\xa0\x80", b"x"],
], ids=repr)
def test_what_is_not_utf_8_is_refused_and_not_repaired(url, arguments):
    done = subprocess.run(
        [binary().encode(), *arguments], env=environment(url), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        timeout=30)
    assert done.returncode == USAGE and done.stdout == b""
    assert b"is not UTF-8" in done.stderr and b"argument" in done.stderr and done.stderr.count(b"\n") == 1


def test_bytes_on_standard_input_are_stored_as_they_are(url):
    body = bytes(range(256)) * 4
    cola("publish", "-q", "in-bytes", "--declare", url=url, input=body).succeeds()
    assert cola("get", "in-bytes", url=url).out == body + b"\n"


def test_a_body_of_a_hundred_thousand_bytes_may_be_an_argument(url):
    cola("publish", "-q", "in-long", "--declare", "b" * 100_000, url=url).succeeds()
    assert len(cola("get", "in-long", url=url).out) == 100_001


def test_declare_makes_what_was_named(url):
    cola("publish", "--topic", "in-declared", "--declare", "x", url=url).succeeds()
    cola("describe", "topic", "in-declared", url=url).succeeds()


def test_a_file_that_may_not_be_read_is_66(shared_broker, tmp_path):
    path = tmp_path / "secret"
    path.write_text("x")
    path.chmod(0)
    runs_as = [] if os.getuid() else ["setpriv", "--reuid=65534", "--clear-groups"]
    if runs_as and not shutil.which(runs_as[0]):
        pytest.skip("needs setpriv to be somebody else")
    # Where others may go; the test's own folder is closed to them.
    os.chmod(shared_broker.socket_folder, 0o755)
    copy = shutil.copy(binary(), shared_broker.socket_folder + "/cola")
    secret = shutil.copy(str(path), shared_broker.socket_folder + "/secret") if not os.getuid() else str(path)
    os.chmod(secret, 0)
    done = subprocess.run(
        [*runs_as, copy, "publish", "-q", "q", "--file", secret, "--url", shared_broker.tcp], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, timeout=30, env=environment(None))
    assert done.returncode == NO_INPUT and b"Permission denied" in done.stderr and secret.encode() in done.stderr


@pytest.mark.parametrize("command", [
    "--help", "--version", "help serve", "queues", "queues --json", "peek in-q", "export in-q", "get in-q --requeue",
    "describe queue in-q", "why in-q", "health", "publish -q in-q-full --declare x",
    "top --interval 0.1", "--generate-completion-script bash", "dead list",
])
def test_an_output_that_is_full_is_74(url, command):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [binary(), *command.split()], env=environment(url), stdout=full, stderr=subprocess.PIPE, timeout=30)
    assert done.returncode == OUTPUT_FULL and b"No space left" in done.stderr, done.stderr


@pytest.mark.parametrize("command", ["--help", "queues", "export in-q", "queues --watch 0.1"])
def test_a_reader_that_has_seen_enough_is_no_error(url, command):
    process = start(command.split(), url)
    process.stdout.close()
    assert process.wait(30) == OK
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.parametrize("command", [
    "consume -q d-q --follow", "consume -q d-q --count 9", "tail d-t", "queues --watch 0.2",
    "publish -q d-q --each-line",
])
def test_a_broker_that_dies_meanwhile_is_75(new_broker, command):
    broker = new_broker()
    broker.start()
    cola("declare", "queue", "d-q", url=broker.unix).succeeds()
    cola("declare", "topic", "d-t", url=broker.unix).succeeds()
    process = start(command.split(), broker.unix, stdin=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 30
        while not json.loads(cola("connections", "cola", "--json", url=broker.unix).out)[1:]:
            assert time.monotonic() < deadline
        broker.kill()
        with contextlib.suppress(BrokenPipeError):  # it is gone already
            process.stdin.write(b"x\n")
            process.stdin.close()
        assert process.wait(30) == TRY_AGAIN
        message = process.stderr.read().decode()
        assert broker.unix in message and "cola health" in message and message.count("\n") == 1, message
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()
        process.stderr.close()


def test_a_full_disk_is_said_while_publish_waits(small_disk, new_broker):  # noqa: F811
    broker = new_broker("--disk-free-min", "0", folder=small_disk)
    broker.start()
    url = broker.unix
    cola("declare", "queue", "full", url=url).succeeds()
    lines = subprocess.Popen(["yes", "x" * 100_000], stdout=subprocess.PIPE, preexec_fn=die_with_parent)
    publisher = start(["publish", "-q", "full", "--each-line"], url, stdin=lines.stdout)
    try:
        held = publisher.stderr.readline()
        assert b"holds publishers back" in held and b"disk" in held, held
        cola("purge", "full", url=url).succeeds()
        assert b"takes messages again" in publisher.stderr.readline()
        publisher.send_signal(signal.SIGINT)
        assert publisher.wait(20) == -signal.SIGINT
    finally:
        for process in (publisher, lines):
            process.kill()
            process.wait(10)
            process.stdout.close()
        publisher.stderr.close()


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8", "xx_YY.ISO-8859-1"])
def test_names_and_bodies_do_not_depend_on_the_locale(url, locale):
    more = {"LC_ALL": locale, "NO_COLOR": "1", "TERM": "dumb"}
    cola("publish", "-q", "in-キュー", "--declare", "é", url=url, env=more).succeeds()
    assert cola("get", "in-キュー", url=url, env=more).out == "é\n".encode()
    assert "in-キュー" in cola("queues", url=url, env=more).out.decode()


def test_wide_letters_and_accents_keep_columns_in_line(url):
    names = ["in-wide-a", "in-wide-キュー", "in-wide-e\u0301", "in-wide-👍", "in-wide-한글"]
    for name in names:
        cola("declare", "queue", name, url=url).succeeds()
    lines = cola("queues", "in-wide-*", url=url).succeeds().lines()
    # Two columns for each of these, none for the accent.
    columns = {len(line) + sum(letter in "キュー👍한글" for letter in line) - line.count("\u0301") for line in lines}
    assert len(columns) == 1 and len(lines) == 1 + len(names), lines


def test_interrupted_is_interrupted(url):
    for command in (["queues", "--watch"], ["tail", "in-t"]):
        process = subprocess.Popen(
            [binary(), *command], env=environment(url), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=die_with_parent)
        # Until then it is Python, which would take the signal for its own.
        deadline = time.monotonic() + 20
        while os.readlink("/proc/%d/exe" % process.pid) != os.path.realpath(binary()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == -signal.SIGINT
        process.stdout.close()
        process.stderr.close()
