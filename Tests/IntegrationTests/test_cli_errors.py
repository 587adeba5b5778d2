"""What is said, and with which exit code, when a broker cannot be reached, is none, or lets nobody in."""
from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest

from broker import binary, die_with_parent
from cli import NOT_PERMITTED, OK, UNAVAILABLE, USAGE, cola, environment

EVERY_COMMAND = [
    ["health"], ["publish", "--queue", "q", "x"], ["consume", "--queue", "q"], ["peek", "q"], ["get", "q"],
    ["tail", "t"], ["export", "q"], ["import", "q", "--file", "/dev/null"], ["queues"], ["topics"], ["exchanges"],
    ["bindings"], ["groups"], ["consumers"], ["connections"], ["vhosts"], ["policies"], ["declare", "queue", "q"],
    ["set", "queue", "q", "--max-length", "1"], ["delete", "queue", "q"], ["bind", "e", "q"], ["unbind", "e", "q"],
    ["purge", "q"], ["dead", "list"], ["dead", "show", "q"], ["dead", "redrive", "q", "--yes"],
    ["offsets", "show", "t", "g"], ["offsets", "reset", "t", "g", "--to", "first"], ["describe", "queue", "q"],
    ["why", "q"], ["top"], ["bench", "--count", "1", "--url", "unix:///nonexistent/cola.sock"],
]


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=" ".join)
def test_no_broker_is_69_and_says_which_socket_and_how_to_start_one(command, tmp_path):
    url = "unix:///nonexistent/cola.sock"
    cola(*command, url=url).fails(UNAVAILABLE, "unix:///nonexistent/cola.sock", "cola serve")
    if command[0] != "bench":
        cola(*command, cwd=str(tmp_path)).fails(UNAVAILABLE, "cola-data/cola.sock")


def test_a_socket_that_is_closed_to_the_user_is_77(new_broker):
    broker = new_broker("--socket-mode", "0600")
    broker.start()
    os.chmod(broker.socket_folder, 0o755)
    runs_as = [] if os.getuid() else ["setpriv", "--reuid=65534", "--clear-groups"]
    if not runs_as or not shutil.which(runs_as[0]):
        pytest.skip("needs root and setpriv to be somebody else")
    # The executable may lie where others cannot reach; the copy may not.
    copy = shutil.copy(binary(), broker.socket_folder + "/cola")
    done = subprocess.run(
        [*runs_as, copy, "health", "--url", broker.unix], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
    message = done.stderr.decode()
    assert done.returncode == NOT_PERMITTED and broker.unix in message and "socket-mode" in message, message
    assert "cola serve`" not in message, "starting another one does not help"


def test_a_host_that_is_not_known_is_69():
    cola("health", "--url", "tcp://nosuch.invalid").fails(UNAVAILABLE, "tcp://nosuch.invalid:7672", "no such host")


@pytest.mark.parametrize("word, meant", [
    ("pubish", "publish"), ("queue", "queues"), ("serv", "serve"), ("halth", "health"), ("describ", "describe"),
    ("frobnicate", None)])
def test_a_misspelt_command_is_named_with_what_was_meant(word, meant):
    result = cola(word).fails(USAGE, "'%s'" % word, "`cola --help`")
    assert ("did you mean `cola %s`?" % meant in result.err) if meant else ("did you mean" not in result.err)


def test_the_version_is_that_of_the_server_and_says_what_it_was_built_from(shared_broker):
    version = cola("--version").succeeds().lines()
    assert version == cola("serve", "--version").succeeds().lines()
    name, number = version[0].split()
    assert name == "cola"
    assert cola("health", url=shared_broker.unix).lines()[0].startswith("ok Cola/%s at" % number)
    facts = dict(line.split(None, 1) for line in version[1:])
    assert list(facts) == ["commit", "build", "storage", "settings"]
    assert re.fullmatch("[0-9a-f]{40}( with changes)?|unknown", facts["commit"])
    assert re.fullmatch(r"(release|debug), \w+ .+, Swift \d+\.\d+.*", facts["build"])
    assert re.fullmatch(r"SQLite 3\.\d+\.\d+, schema \d+", facts["storage"])
    assert re.fullmatch(r"libyaml 0\.\d+\.\d+", facts["settings"])


@pytest.mark.parametrize("streams", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_with_a_standard_stream_closed_nothing_is_written_elsewhere(new_broker, streams):
    """The first file that is opened gets the number of a closed stream: what is printed must not go into it."""
    broker = new_broker()
    url = broker.unix
    command = 'exec "$0" serve --data-dir "$1" --socket "$2" --native off %s' % streams
    process = subprocess.Popen(
        ["bash", "-c", command, binary(), str(broker.data), broker.socket], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
    try:
        deadline = time.monotonic() + 30
        while cola("health", url=url).code != OK:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
        cola("publish", "-q", "q", "--declare", "x", url=url).succeeds()
        for descriptor in range(3):
            target = os.readlink("/proc/%d/fd/%d" % (process.pid, descriptor))
            assert target.startswith(("/dev/", "pipe:")), "stream %d is %s" % (descriptor, target)
        process.terminate()
        assert process.wait(20) == OK
    finally:
        process.kill()
        process.wait(10)
    cola("check", str(broker.data)).succeeds()


def test_output_that_goes_nowhere_is_an_error(shared_broker):
    done = subprocess.run(
        ["bash", "-c", '"$0" queues >&-', binary()], env=environment(shared_broker.unix), stderr=subprocess.PIPE,
        timeout=30)
    assert done.returncode == 74 and b"cannot write the output: Bad file descriptor" in done.stderr


def test_a_port_nobody_listens_at_is_69():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = "tcp://127.0.0.1:%d" % taken.getsockname()[1]
        cola("health", url=url).fails(UNAVAILABLE, url, "refused")


@contextlib.contextmanager
def listener(answer: bytes, closing: bool = False):
    """A server that says one thing to the first who comes, and waits for the end or makes it."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(8)
        server.settimeout(20)

        def serve():
            with contextlib.suppress(OSError):
                client, _ = server.accept()
                with client:
                    client.settimeout(10)
                    client.recv(4096)
                    client.sendall(answer)
                    while not closing and client.recv(4096):
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield "tcp://127.0.0.1:%d" % server.getsockname()[1]
    thread.join(5)


def test_something_else_that_listens_there_is_told_apart():
    with listener(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        cola("health", url=url).fails(70, url, "native protocol")


@pytest.mark.parametrize(
    "answer", [b"\x15\x03\x01\x00\x02\x02\x46", b"AMQP\x00\x00\x09\x01", b""], ids=["tls", "amqp", "none"])
def test_a_server_that_closes_at_the_hello_is_69(answer):
    """What TLS and AMQP answer to text: a few bytes without a line feed, and the end."""
    with listener(answer, closing=True) as url:
        cola("health", url=url).fails(UNAVAILABLE, url, "closed the connection", "TLS", "--url")


def test_something_that_says_nothing_is_given_up():
    with listener(b"") as url:
        cola("health", "--timeout", "0.5", url=url).fails(UNAVAILABLE, url, "hello")


def test_a_wrong_password_is_77(shared_broker):
    cola("health", "--url", shared_broker.tcp, "--user", "guest", env={"COLA_PASSWORD": "no"}).fails(NOT_PERMITTED)
    cola("health", "--url", shared_broker.tcp, "--user", "nobody", "--password", "guest").fails(NOT_PERMITTED, "--user")
    assert cola("health", "--url", shared_broker.tcp, "--user", "guest", "--password", "guest").code == OK


def test_a_reserved_name_is_77(shared_broker):
    cola("declare", "queue", "amq.mine", url=shared_broker.unix).fails(NOT_PERMITTED, "amq.mine")
    cola("declare", "queue", "cola.mine", url=shared_broker.unix).fails(NOT_PERMITTED, "cola.mine")


@pytest.mark.parametrize("url", [
    "nonsense", "http://localhost", "tcp://", "tcp://host:0", "tcp://host:65536", "tcp://host:port", "unix:",
    "unix://", "tcp://user:secret@host:1", "unix:///" + "x" * 108, "tcp://[::1",
])
def test_a_url_that_is_none_is_64_and_shows_what_one_looks_like(url):
    result = cola("health", "--url", url).fails(USAGE, "tcp://host:7672")
    if "secret" not in url:
        assert url in result.err
    cola("health", url=url).fails(USAGE)


def test_a_password_is_never_repeated(shared_broker):
    result = cola("health", "--url", shared_broker.tcp, "--user", "u", "--password", "canary-7f3a")
    assert result.code == NOT_PERMITTED and "canary-7f3a" not in result.err + result.out.decode()
    result = cola("health", "--url", "tcp://u:canary-7f3a@127.0.0.1:1")
    assert result.code == USAGE and "canary-7f3a" not in result.err


@pytest.mark.parametrize("arguments, words", [
    (["bogus"], ["bogus"]),
    (["health", "extra"], ["extra"]),
    (["health", "--timeout", "0"], ["--timeout"]),
    (["declare", "queue"], ["name"]),
    (["declare", "table", "t"], ["table"]),
    (["declare", "exchange", "e"], ["--type"]),
    (["declare", "exchange", "e", "--type", "tropic"], ["tropic"]),
    (["declare", "queue", "q", "--type", "fanout"], ["--type"]),
    (["delete", "binding", "b"], ["binding"]),
    (["delete", "queue"], ["name"]),
    (["bind", "e"], ["name"]),
    (["purge"], ["queue"]),
    (["peek", "q", "--count", "0"], ["--count"]),
    (["peek", "q", "--from", "-1"], ["--from"]),
    (["peek"], ["name"]),
    (["queues", "--xml"], ["--xml"]),
    (["check", "a", "b"], ["b"]),
    (["bench", "--size", "-1"], ["--size"]),
    (["bench", "--window", "0"], ["--window"]),
    (["bench", "--producers", "0", "--consumers", "0"], ["--producers"]),
    (["bench", "--rate", "0"], ["--rate"]),
    (["bench", "--seconds", "0"], ["--seconds"]),
    (["bench", "--ack-batch", "0"], ["--ack-batch"]),
])
def test_wrong_usage_is_64_and_says_what_is_wrong(arguments, words):
    cola(*arguments, url="unix:///nonexistent").fails(USAGE, *words, "--help")
