"""`cola run`: programs for the messages of a broker that is another process, here, until ^C."""
from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import subprocess
import time
from typing import Iterator, List

import pytest

from broker import Broker, binary, die_with_parent
from cli import USAGE, cola, environment
import native
from test_workers import attempts, is_idle, marked, peek, ready, until

NO_INPUT = 66
BAD_CONFIGURATION = 78
UNAVAILABLE = 69


class Running:
    """A `cola run` in the background, ended in any case."""

    def __init__(self, url: str, arguments: List[str], **environ: str):
        self.process = subprocess.Popen(
            [binary(), "run", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment(url, environ), preexec_fn=die_with_parent)

    def stop(self, number: int = signal.SIGINT) -> str:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=40)
        assert self.process.returncode == 0, err
        return err.decode()

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=20)


@pytest.fixture(params=["unix", "tcp"])
def url(request, broker) -> str:
    return broker.unix if request.param == "unix" else broker.tcp


def lines(text: str) -> List[str]:
    return text.rstrip("\n").split("\n")


def publish(broker: Broker, queue: str, *bodies: bytes) -> None:
    with native.Connection(broker.unix) as connection:
        connection.ok("declare queue " + queue)
        for body in bodies:
            connection.ok("pub %s %d" % (queue, len(body)), body)


def test_each_message_is_a_process_and_results_are_messages(broker, url):
    publish(broker, "texts", b"a b c", b"d e", b"\x00\xff f")
    publish(broker, "counts")
    cola(
        "run", "-q", "texts", "--until-empty", "-p", "2", "--result-queue", "counts", "--", "wc", "-c",
        url=url, timeout=60).succeeds()
    assert sorted(message["body"].strip() for message in peek(broker, "counts")) == ["3", "4", "5"]
    assert is_idle(broker, "texts")


def test_queues_of_a_worker_are_made_before_any_of_its_processes(broker, url):
    with Running(url, ["-q", "new", "-p", "0-2", "--result-queue", "made", "--", "cat"]) as running:
        until(lambda: cola("describe", "queue", "made", url=broker.unix).code == 0, "its queues are there")
        cola("publish", "-q", "new", "x", url=broker.unix).succeeds()
        until(lambda: ready(broker, "made") == 1, "the result is there")
        running.stop()


def test_a_stream_worker_is_fed_from_elsewhere(broker, url):
    program = """if 1:
        import sys, json
        for line in sys.stdin:
            print(json.dumps({"done": json.loads(line)["delivery"]}), flush=True)
    """
    publish(broker, "events", *[b"%d" % number for number in range(500)])
    cola(
        "run", "-q", "events", "--mode", "stream", "--set", "prefetch=50", "--until-empty", "--",
        "python3", "-c", program, url=url, timeout=60).succeeds()
    assert is_idle(broker, "events")


def test_what_fails_remembers_how(broker, url):
    publish(broker, "work", b"x")
    cola(
        "run", "-q", "work", "--until-empty", "--set", "retry={attempts: 2, delay: 10ms}", "--", "sh", "-c",
        "echo cannot do that >&2; exit 75", url=url, timeout=60).succeeds()
    until(lambda: ready(broker, "cola.parked.work") == 1, "parked")
    (message,) = peek(broker, "cola.parked.work")
    story = attempts(message)
    assert len(story) == 2 and all("exited sh" in one and "cannot%20do%20that" in one for one in story)


def test_what_programs_write_is_printed(broker, url):
    publish(broker, "work", b"x", b"y")
    publish(broker, "results")
    program = "cat; echo; printf 'a\\tb \\033[31mred\\377' >&2"
    alone = cola("run", "-q", "work", "--until-empty", "--", "sh", "-c", program, url=url, timeout=60).succeeds()
    assert sorted(lines(alone.err)) == ["a\tb \ufffd[31mred\ufffd"] * 2 + ["x", "y"], "both streams, and no escapes"
    assert alone.out == b""

    publish(broker, "work", b"x", b"y")
    several = cola(
        "run", "-q", "work", "--until-empty", "-p", "2", "--result-queue", "results", "--", "sh", "-c",
        "cat; echo said >&2", url=url, timeout=60).succeeds()
    said = lines(several.err)
    assert len(said) == 2, "a result is no line: %s" % said
    assert all(re.fullmatch(r"sh/\d+ \| said", line) for line in said), said
    assert sorted(message["body"] for message in peek(broker, "results")) == ["x", "y"]


def test_what_a_stream_worker_writes_is_printed_but_its_answers(broker, url):
    publish(broker, "events", *[b"%d" % number for number in range(20)])
    program = """if 1:
        import sys, json
        for line in sys.stdin:
            message = json.loads(line)
            print("got", message["body"], file=sys.stderr)
            print(json.dumps({"done": message["delivery"]}), flush=True)
        sys.stderr.write("x" * 5000)
    """
    result = cola(
        "run", "-q", "events", "--mode", "stream", "--until-empty", "--", "python3", "-c", program,
        url=url, timeout=60).succeeds()
    said = lines(result.err)
    assert said[:20] == ["got %d" % number for number in range(20)]
    assert said[20:] == ["x" * 4096 + "…"], "what is too long is cut"


def test_a_terminal_that_stands_still_halts_the_programs_and_loses_nothing(broker, tmp_path):
    publish(broker, "work", b"x")
    with Running(broker.unix, ["-q", "work", "--", "sh", "-c",
                               "seq 1 400000 >&2; touch %s/written" % tmp_path]) as running:
        until(lambda: ready(broker, "work") == 0, "it runs")
        time.sleep(2)
        assert not (tmp_path / "written").exists(), "nobody has read it"
        assert running.process.poll() is None
        assert running.process.stderr is not None
        for number in range(1, 400001):
            line = running.process.stderr.readline()
            assert line == b"%d\n" % number, line
        until((tmp_path / "written").exists, "it goes on")
        until(lambda: is_idle(broker, "work"), "it is done")
        assert running.stop() == ""


def test_it_follows_the_backlog_from_zero(broker):
    publish(broker, "jobs")
    marker = "COLA_TEST_MARKER=%s" % time.monotonic_ns()
    name, value = marker.split("=")
    with Running(broker.unix, ["-q", "jobs", "-p", "0-3", "--mode", "stream", "--set", "prefetch=1", "--",
                               "sh", "-c", "while read line; do sleep 600; done"], **{name: value}) as running:
        time.sleep(1)
        publish(broker, "jobs", *[b"x"] * 20)
        until(lambda: len([pid for pid in marked(marker) if is_shell(pid)]) >= 1, "one was started")
        running.stop(signal.SIGTERM)
    assert processes(marker) == []
    assert ready(broker, "jobs") == 20, "what was in hand is back"


def processes(marker: str) -> List[int]:
    return [pid for pid in marked(marker) if pid != os.getpid()]


def is_shell(pid: int) -> bool:
    try:
        return pathlib.Path("/proc/%d/comm" % pid).read_text().strip() == "sh"
    except OSError:
        return False


def test_a_stop_lets_what_is_in_hand_be_finished(broker, tmp_path):
    publish(broker, "slow", b"one", b"two")
    begun = tmp_path / "begun"
    with Running(broker.unix, ["-q", "slow", "--", "sh", "-c", "touch %s; sleep 1" % begun]) as running:
        until(begun.exists, "it has begun")
        running.stop()
    assert ready(broker, "slow") == 1, "the one in hand is done, the other waits"


def test_kill_leaves_nothing(broker, tmp_path):
    publish(broker, "slow", b"one")
    marker = "COLA_TEST_MARKER=%s" % time.monotonic_ns()
    name, value = marker.split("=")
    with Running(broker.unix, ["-q", "slow", "--", "sh", "-c", "trap '' TERM; sleep 600 & sleep 600"],
                 **{name: value}) as running:
        until(lambda: len(processes(marker)) >= 4, "all of them are there")
        running.process.kill()
        running.process.wait(10)
        until(lambda: not processes(marker), "nothing is left", 10)
    until(lambda: ready(broker, "slow") == 1, "the message is back")


def test_a_lost_broker_ends_the_processes_and_is_found_again(new_broker, tmp_path):
    broker = new_broker()
    broker.start()
    publish(broker, "work", b"first")
    runs = tmp_path / "runs"
    program = "echo run >> %s; test -e %s/go || exec sleep 600" % (runs, tmp_path)
    marker = "COLA_TEST_MARKER=%s" % time.monotonic_ns()
    name, value = marker.split("=")
    with Running(broker.unix, ["-q", "work", "--", "sh", "-c", program], **{name: value}) as running:
        until(lambda: any(is_sleep(pid) for pid in processes(marker)), "it runs")
        broker.kill()
        until(lambda: not any(is_sleep(pid) for pid in processes(marker)), "its process is ended")
        (tmp_path / "go").touch()
        broker.start()
        until(lambda: is_idle(broker, "work"), "done by the second attempt", 60)
        running.stop()
    assert runs.read_text().count("run") == 2


def is_sleep(pid: int) -> bool:
    try:
        return pathlib.Path("/proc/%d/comm" % pid).read_text().strip() == "sleep"
    except OSError:
        return False


def test_a_file_of_workers(broker, tmp_path):
    publish(broker, "texts", b"a b c")
    publish(broker, "counts")
    path = tmp_path / "workers.yaml"
    path.write_text("workers:\n  words: {queue: texts, command: [wc, -w], result-queue: counts}\n")
    path.chmod(0o600)
    cola("run", "--config", str(path), "--until-empty", url=broker.unix, timeout=60).succeeds()
    assert [message["body"].strip() for message in peek(broker, "counts")] == ["3"]
    path.write_text("workers:\n  other: {mode: client, command: [sleep, '1']}\n")
    assert cola("run", "--config", str(path), url=broker.unix).code == BAD_CONFIGURATION
    path.write_text("cache: 32M\n")
    assert "defines no workers" in cola("run", "--config", str(path), url=broker.unix).err


@pytest.mark.parametrize("arguments, code, sentence", [
    (["-q", "a"], USAGE, "behind --"),
    (["--", "true"], USAGE, "name the queue"),
    (["-q", "a", "--", "no-such-program-here"], NO_INPUT, "there is no program 'no-such-program-here'"),
    (["-q", "a", "--set", "retry.attempt=3", "--", "true"], USAGE, "did you mean attempts?"),
    (["-q", "a", "--set", "retry", "--", "true"], USAGE, "NAME=VALUE"),
    (["-q", "a", "-p", "many", "--", "true"], USAGE, "processes is 'many'"),
    (["-q", "a", "--mode", "magic", "--", "true"], USAGE, "mode is 'magic'"),
    (["-q", "a", "--set", "retry=[", "--", "true"], USAGE, "cannot be read as YAML"),
    (["--config", "/nowhere/at/all"], BAD_CONFIGURATION, "no file"),
    (["--config", "/etc/hostname", "-q", "a", "--", "true"], USAGE, "leave the rest out"),
])
def test_wrong_input_is_said(broker, arguments, code, sentence):
    result = cola("run", *arguments, url=broker.unix)
    assert result.code == code and sentence in result.err, result


def test_no_broker_is_said_at_once(tmp_path):
    result = cola("run", "-q", "a", "--", "true", url="unix://%s/none.sock" % tmp_path)
    assert result.code == UNAVAILABLE, result
