"""Workers of mode `stream`: processes that live on, get messages through a pipe and answer through another."""
from __future__ import annotations

import base64
import json
import os
import pathlib
import re
import shutil
import signal
import sys
import textwrap
import time
from typing import Callable, Dict, List

import pytest

import native
from broker import Broker
from cli import USAGE, cola
from test_workers import attempts, configuration, is_idle, marked, peek, ready, start, until  # noqa: F401

FORMATS = ["json", "native"]
PARKED = "cola.parked.work"


@pytest.fixture
def script(tmp_path) -> Callable[[str], str]:
    """A program around the reference worker; `worker`, `message` and `done(text)` are there, `ready` runs first."""

    def writing(body: str, before: str = "", name: str = "worker.py") -> str:
        path = tmp_path / name
        path.write_text(textwrap.dedent("""\
            import json, os, signal, sys, time
            sys.path.insert(0, %r)
            from stream_worker import Worker, record
            worker = Worker()
            def done(text): record(%r, text)
            def note(text): print(text, file=sys.stderr, flush=True)
            """ % (str(pathlib.Path(__file__).parent), str(tmp_path / "done"))) + textwrap.dedent(before)
            + "\nfor message in worker.messages():\n" + textwrap.indent(textwrap.dedent(body), "    "))
        return "[%s, -u, %s]" % (sys.executable, path)

    return writing


def publish(broker: Broker, *bodies: str, queue: str = "work", arguments: List[str] = []) -> None:
    cola("publish", "-q", queue, "--declare", *arguments, *bodies, url=broker.unix).succeeds()


def done(folder: pathlib.Path) -> List[str]:
    path = folder / "done"
    return path.read_text().split() if path.exists() else []


def processes(broker: Broker) -> List[dict]:
    rows = json.loads(cola("ps", "--json", url=broker.unix).succeeds().out)
    return [row for row in rows if row["worker"]]


def story(message: dict) -> List[Dict[str, str]]:
    """The attempts of a dead letter: how each ended, by what, in which words, and the last lines."""
    from native import unescape
    names = ["began", "ended", "end", "worker", "process", "detail", "output"]
    return [dict(zip(names, map(unescape, text.split(" ")))) for text in attempts(message)]


# What a worker is told, and what it says


def test_a_loop_in_sh_is_a_worker(start, tmp_path):
    program = tmp_path / "worker.sh"
    program.write_text(textwrap.dedent("""\
        while read -r line; do
            number=${line#*:}
            printf '%%s\\n' "$line" >> %s/lines
            echo "{\\"done\\":${number%%%%,*}}"
        done
        echo end >> %s/lines
        """) % (tmp_path, tmp_path))
    broker = start(f"a: {{ mode: stream, queue: work, command: [sh, {program}] }}")
    publish(broker, "hello", "a \"b\" \\ c", arguments=["--key", "k", "--header", "lang=en", "--message-id", "7",
                                                       "--reply-to", "back", "--correlation-id", "9"])
    until(lambda: is_idle(broker, "work"), "both are done")
    lines = [json.loads(line) for line in (tmp_path / "lines").read_text().splitlines()]
    stamp = lines[0].pop("timestamp")
    assert isinstance(stamp, int) and abs(stamp / 1000 - time.time()) < 60
    assert lines[0] == {
        "delivery": 1, "queue": "work", "offset": 0, "attempt": 1, "key": "k", "message_id": "7", "reply_to": "back",
        "correlation_id": "9", "headers": {"lang": "en"}, "body": "hello"}
    assert lines[1]["body"] == "a \"b\" \\ c" and lines[1]["delivery"] == 2
    # Told to end, it sees the end of its input, and does so by itself.
    cola("workers", "stop", "a", url=broker.unix).succeeds()
    until(lambda: not processes(broker), "it has ended")
    assert (tmp_path / "lines").read_text().splitlines()[-1] == "end"


def test_the_worker_of_the_specification_works(start, tmp_path):
    text = pathlib.Path(__file__).parents[2].joinpath("protocol/workers.md").read_text()
    program = tmp_path / "worker.sh"
    program.write_text(text.split("```sh\n")[1].split("```")[0])
    broker = start(f"a: {{ mode: stream, queue: work, directory: {tmp_path}, command: [sh, {program}] }}")
    publish(broker, *["m%d" % number for number in range(50)])
    until(lambda: is_idle(broker, "work"), "all are done")
    lines = [json.loads(line) for line in (tmp_path / "done.log").read_text().splitlines()]
    assert [line["body"] for line in lines] == ["m%d" % number for number in range(50)]


@pytest.mark.parametrize("format", FORMATS)
def test_results_go_to_their_queue_or_to_who_asked(start, script, format):
    command = script("""
        body = message.body
        worker.result(message.delivery, body.upper() if body != b"bytes" else bytes(range(256)))
    """)
    broker = start(f"upper: {{ mode: stream, format: {format}, queue: work, result-queue: out, command: {command} }}")
    for queue in ("out", "back"):
        cola("declare", "queue", queue, url=broker.unix).succeeds()
    publish(broker, "hello", arguments=["--correlation-id", "c-1"])
    publish(broker, "bytes")
    publish(broker, "asked", arguments=["--reply-to", "back", "--correlation-id", "c-2"])
    publish(broker, "gone", arguments=["--reply-to", "nowhere"])
    until(lambda: is_idle(broker, "work"), "all are done")
    first, second = peek(broker, "out")
    assert first["body"] == "HELLO" and first["headers"]["cola-correlation-id"] == "c-1"
    assert base64.b64decode(second["body_base64"]) == bytes(range(256))
    (asked,) = peek(broker, "back")
    assert asked["body"] == "ASKED" and asked["headers"]["cola-correlation-id"] == "c-2"


def test_a_result_may_be_json_as_it_was_written(start, script):
    command = script("""
        os.write(1, b'{"done": %d, "result": {"b": [1, 2.50], "a": null}}\\n' % message.delivery)
    """)
    broker = start(f"a: {{ mode: stream, queue: work, result-queue: out, command: {command} }}")
    cola("declare", "queue", "out", url=broker.unix).succeeds()
    publish(broker, "x")
    until(lambda: ready(broker, "out") == 1, "the result is there")
    assert peek(broker, "out")[0]["body"] == '{"b": [1, 2.50], "a": null}'


@pytest.mark.parametrize("format", FORMATS)
def test_retry_and_reject_are_in_the_story(start, script, format):
    command = script("""
        note("about to answer " + message.text)
        if message.text == "bad":
            worker.reject(message.delivery, reason="no such picture")
        elif message.text == "later" and message.attempt < 3:
            worker.retry(message.delivery, delay=20, reason="not yet")
        elif message.text == "never":
            worker.retry(message.delivery, reason="still not")
        else:
            done(message.text + str(message.attempt)); worker.done(message.delivery)
    """)
    broker = start(f"""
        a:
          mode: stream
          format: {format}
          queue: work
          command: {command}
          retry: {{ attempts: 3, delay: 10ms }}
    """)
    publish(broker, "good", "bad", "later", "never")
    until(lambda: ready(broker, PARKED) == 2 and is_idle(broker, "work"), "all are decided")
    parked = {message["body"]: story(message) for message in peek(broker, PARKED)}
    assert [attempt["detail"] for attempt in parked["bad"]] == ["no such picture"]
    assert [attempt["detail"] for attempt in parked["never"]] == ["still not"] * 3
    attempt = parked["bad"][0]
    assert attempt["end"] == "refused" and attempt["worker"] == "a" and int(attempt["process"]) > 1
    assert "about to answer bad" in attempt["output"].splitlines()
    shown = cola("dead", "show", PARKED, "--json", url=broker.unix).succeeds()
    assert b"no%20such%20picture" in shown.out
    until(lambda: len(peek_done(broker)) == 2, "the others are done")


def peek_done(broker: Broker) -> List[str]:
    return done(pathlib.Path(broker.arguments[broker.arguments.index("--config") + 1]).parent)


@pytest.mark.parametrize("format", FORMATS)
def test_answers_in_any_order_several_at_once(start, script, tmp_path, format):
    # Waits for as many as it may hold, then answers the last first, and the rest as a range.
    command = script("""
        held.append(message.delivery); done(message.text)
        if len(held) == 20 or message.text == "last":
            worker.done(held.pop())
            if len(held) > 3: worker.done(held.pop(), held.pop(0))
            if held: worker.done("%d-%d" % (held[0], held[-1]))
            held.clear()
    """, before="held = []")
    broker = start(f"a: {{ mode: stream, format: {format}, queue: work, prefetch: 20, command: {command} }}")
    bodies = ["m%d" % number for number in range(200)]
    publish(broker, *bodies, "last")
    until(lambda: is_idle(broker, "work"), "all are done")
    assert done(tmp_path) == bodies + ["last"]


@pytest.mark.parametrize("format", FORMATS)
def test_no_more_than_the_prefetch_is_with_it(start, script, tmp_path, format):
    command = script("""
        done(message.text)
        if message.text == "50":
            note("waiting")
            time.sleep(1.5)
            import select
            done("more" if select.select([0], [], [], 0)[0] or worker.rest else "nothing")
            worker.done("1-50")
        elif int(message.text) > 50:
            worker.done(message.delivery)
    """)
    broker = start(f"a: {{ mode: stream, format: {format}, queue: work, prefetch: 50, command: {command} }}")
    publish(broker, *[str(number) for number in range(1, 121)])
    until(lambda: "50" in done(tmp_path), "it has fifty")
    row = processes(broker)[0]
    assert row["state"] == "running" and row["messages"] == 50
    assert row["message"]["queue"] == "work" and row["message"]["offset"] == 0 and row["message"]["held-ms"] >= 0
    until(lambda: is_idle(broker, "work"), "all are done")
    numbers = [str(number) for number in range(1, 121)]
    assert done(tmp_path) == numbers[:50] + ["nothing"] + numbers[50:]


@pytest.mark.parametrize("format", FORMATS)
def test_bodies_of_all_bytes_and_of_a_mebibyte_arrive_whole(start, script, tmp_path, format):
    command = script("""
        import hashlib
        done("%d %s" % (len(message.body), hashlib.sha256(message.body).hexdigest()))
        worker.result(message.delivery, message.body)
    """)
    broker = start(f"a: {{ mode: stream, format: {format}, queue: work, result-queue: out, command: {command} }}")
    for queue in ("work", "out"):
        cola("declare", "queue", queue, url=broker.unix).succeeds()
    bodies = [b"", bytes(range(256)), os.urandom(1 << 20), b"x" * (1 << 20), b"\x00" * 70_000]
    bodies.append("ü\n\"".encode() * 100_000)
    with native.Connection(broker.unix) as connection:
        for body in bodies * 2:
            connection.ok("pub work %d" % len(body), body) if body else connection.ok("pub work 0", b"")
    until(lambda: ready(broker, "out") == 2 * len(bodies) and is_idle(broker, "work"), "all are done", 60)
    with native.Connection(broker.unix) as connection:
        connection.ok("consume out c=1 ack=auto")
        returned = [delivery.body for delivery in connection.collect(2 * len(bodies), timeout=20)]
    assert sorted(returned) == sorted(bodies * 2)


def test_a_worker_may_say_when_it_is_ready(start, script, tmp_path):
    command = script("""
        done(message.text); worker.done(message.delivery)
    """, before="""
        while not os.path.exists(%r): time.sleep(0.05)
        worker.ready()
    """ % str(tmp_path / "go"))
    broker = start(f"a: {{ mode: stream, ready: announced, queue: work, command: {command} }}")
    publish(broker, "x")
    until(lambda: processes(broker)[0]["state"] == "new" and processes(broker)[0]["pid"], "it is being started")
    time.sleep(0.3)
    assert ready(broker, "work") == 1 and processes(broker)[0]["messages"] == 0
    (tmp_path / "go").touch()
    until(lambda: is_idle(broker, "work"), "it is done")


def test_one_that_is_never_ready_is_started_again(start):
    broker = start("a: { mode: stream, ready: announced, start-limit: 300ms, queue: work, command: [sleep, '60'] }")
    publish(broker, "x")
    until(lambda: processes(broker)[0]["failures"] >= 2, "it has been stopped twice")
    assert "it was not ready within 300ms" in processes(broker)[0]["reason"] or processes(broker)[0]["starts"] > 2
    assert ready(broker, "work") == 1


# What goes wrong


NONSENSE = {
    "no-json": ("os.write(1, b'debug: hello\\n')", "it wrote 'debug: hello', which is no answer: it is no JSON object"),
    "not-held": ("worker.done(4711)", "it answered delivery 4711, which it does not hold"),
    "twice": (
        "worker.done(message.delivery); worker.done(message.delivery)",
        "which it does not hold, or has answered before"),
    "too-long": ("os.write(1, b'x' * 200_000) if os.fork() else os.write(1, b'y' * 200_000)", "a line of more than"),
    "member": ("os.write(1, b'{\"dnoe\":1}\\n')", "it has a member 'dnoe', which no answer has"),
}


@pytest.mark.parametrize("what", sorted(NONSENSE))
def test_whoever_talks_nonsense_is_stopped_and_started_again(start, script, tmp_path, what):
    code, words = NONSENSE[what]
    command = script("""
        if message.text == "odd" and not os.path.exists(%r):
            open(%r, "w").close()
            %s
            time.sleep(30)
        done(message.text); worker.done(message.delivery)
    """ % (str(tmp_path / "once"), str(tmp_path / "once"), code))
    broker = start(f"""
        a:
          mode: stream
          queue: work
          command: {command}
          stop: {{ grace: 1s }}
    """, "--body-max", "65536")
    publish(broker, "a", "odd", "b", "c")
    until(lambda: is_idle(broker, "work"), "all are done by another process")
    # Answered twice: it was done, and is so.
    assert sorted(set(done(tmp_path)) | {"odd"}) == ["a", "b", "c", "odd"]
    assert words in broker.stderr(), broker.stderr()
    assert processes(broker)[0]["starts"] == 2


def test_nonsense_for_one_message_parks_that_one(start, script, tmp_path):
    command = script("""
        if message.text == "odd":
            print("print left in", message.text, flush=True)
            time.sleep(30)
        done(message.text); worker.done(message.delivery)
    """)
    broker = start(f"""
        a:
          mode: stream
          prefetch: 20
          queue: work
          command: {command}
          retry: {{ attempts: 2 }}
          backoff: {{ first: 20ms, most: 50ms }}
    """)
    bodies = [str(number) for number in range(40)]
    publish(broker, *bodies[:20], "odd", *bodies[20:])
    until(lambda: is_idle(broker, "work") and ready(broker, PARKED) == 1, "all is decided")
    assert sorted(done(tmp_path)) == sorted(bodies)
    details = [attempt["detail"] for attempt in story(peek(broker, PARKED)[0])]
    assert "it wrote 'print left in odd', which is no answer" in details[-1] and "SIGTERM" in details[-1]


def test_a_worker_that_does_not_read_costs_no_memory(start, script, tmp_path):
    command = script("pass", before="open(%r, 'w').close(); time.sleep(60)" % str(tmp_path / "sleeping"))
    broker = start(f"a: {{ mode: stream, queue: work, prefetch: 60000, command: {command} }}")
    with native.Connection(broker.unix) as connection:
        connection.ok("declare queue work")
        for _ in range(200):
            connection.ok("pub work 1000000", b"x" * 1_000_000)
    until(lambda: (tmp_path / "sleeping").exists(), "it sleeps")
    time.sleep(1)
    held = processes(broker)[0]["messages"]
    assert 1 <= held <= 4, held
    assert ready(broker, "work") >= 196
    cola("workers", "stop", "a", url=broker.unix).succeeds()


def test_what_was_never_read_is_not_to_blame(start, script, tmp_path):
    # It falls over before it reads a byte: of a hundred starts no message counts one.
    command = script("done(message.text + str(message.attempt)); worker.done(message.delivery)", before="""
        if not os.path.exists(%r):
            done("crash"); note("no such module"); sys.exit(1)
    """ % str(tmp_path / "repaired"))
    broker = start(f"""
        a:
          mode: stream
          queue: work
          command: {command}
          retry: {{ attempts: 1 }}
          backoff: {{ first: 10ms, most: 20ms }}
    """)
    publish(broker, "x", "y")
    until(lambda: len(done(tmp_path)) > 5, "it has crashed again and again")
    (tmp_path / "repaired").touch()
    until(lambda: is_idle(broker, "work"), "they are done")
    assert [word for word in done(tmp_path) if word != "crash"] == ["x1", "y1"]
    assert ready(broker, PARKED) == 0
    assert "no such module" in cola("logs", "a", "--stream", "err", url=broker.unix).succeeds().out.decode()


def test_who_goes_in_order_blames_nobody(start, script, tmp_path):
    # As servers do that are renewed after so many requests.
    command = script("""
        done(message.text + "-" + str(message.attempt)); worker.done(message.delivery)
        count += 1
        if count == 7: sys.exit(0)
    """, before="count = 0")
    broker = start(f"""
        a:
          mode: stream
          queue: work
          prefetch: 30
          command: {command}
          retry: {{ attempts: 1 }}
          backoff: {{ first: 10ms, most: 20ms }}
    """)
    bodies = [str(number) for number in range(60)]
    publish(broker, *bodies)
    until(lambda: is_idle(broker, "work"), "all are done")
    assert done(tmp_path) == ["%s-1" % body for body in bodies]
    assert ready(broker, PARKED) == 0


@pytest.mark.parametrize("stream", ["output", "input"])
def test_one_that_closes_a_stream_is_replaced(start, script, tmp_path, stream):
    command = script("""
        done(message.text)
        if %r == "output" or message.text != "first":
            worker.done(message.delivery)
        else:
            os.close(0)
            time.sleep(0.3)
            worker.done(message.delivery)
            time.sleep(30)
    """ % stream, before="" if stream == "input" else """
        if not os.path.exists(%r):
            open(%r, "w").close(); os.close(1); time.sleep(30)
    """ % (str(tmp_path / "once"), str(tmp_path / "once")))
    broker = start(f"a: {{ mode: stream, queue: work, command: {command}, stop: {{ grace: 1s }} }}")
    publish(broker, "first")
    # The first alone: read together with it, the others would be the business of a process that sleeps.
    until(lambda: done(tmp_path) == ["first"], "it has read the first")
    publish(broker, "second", "third")
    until(lambda: is_idle(broker, "work"), "all are done")
    assert done(tmp_path) == ["first", "second", "third"]
    assert "it has closed its standard " + stream in broker.stderr()


def test_poison_among_a_thousand_is_found_and_its_neighbours_are_done_once(start, script, tmp_path):
    command = script("""
        if message.text == "poison":
            note("about to die"); os.kill(os.getpid(), signal.SIGSEGV)
        done(message.text); worker.done(message.delivery)
    """)
    broker = start(f"""
        a:
          mode: stream
          queue: work
          prefetch: 50
          processes: 3
          command: {command}
          retry: {{ attempts: 3 }}
          backoff: {{ first: 10ms, most: 100ms }}
    """)
    bodies = [str(number) for number in range(1000)]
    publish(broker, *bodies[:400], "poison", *bodies[400:])
    until(lambda: is_idle(broker, "work") and ready(broker, PARKED) == 1, "all is decided", 90)
    assert sorted(done(tmp_path)) == sorted(bodies)  # each exactly once
    poison = peek(broker, PARKED)[0]
    assert poison["body"] == "poison"
    last = story(poison)[-3:]
    assert [attempt["end"] for attempt in last] == ["killed"] * 3
    assert all(attempt["detail"] == "killed by SIGSEGV" for attempt in last), last
    assert all(attempt["output"].splitlines()[-1] == "about to die" for attempt in last)
    assert len({attempt["process"] for attempt in last}) == 3


def test_a_process_that_is_killed_in_the_middle_costs_nothing(start, script, tmp_path):
    command = script("time.sleep(0.002); done(message.text); worker.done(message.delivery)")
    broker = start(f"""
        a:
          mode: stream
          queue: work
          prefetch: 20
          processes: 2
          command: {command}
          backoff: {{ first: 10ms, most: 20ms }}
    """)
    bodies = [str(number) for number in range(800)]
    publish(broker, *bodies)
    for _ in range(6):
        time.sleep(0.2)
        rows = [row for row in processes(broker) if row["pid"]]
        if rows:
            try:
                os.kill(rows[0]["pid"], signal.SIGKILL)
            except ProcessLookupError:
                pass
    until(lambda: is_idle(broker, "work"), "all are done", 60)
    counts = {body: done(tmp_path).count(body) for body in bodies}
    assert min(counts.values()) == 1
    # What was done and not yet answered is done again: at most one for each kill.
    assert sum(counts.values()) <= len(bodies) + 6
    assert ready(broker, PARKED) == 0


def test_a_message_that_takes_too_long_is_given_up(start, script, tmp_path):
    command = script("""
        if message.text == "slow": time.sleep(60)
        done(message.text); worker.done(message.delivery)
    """)
    broker = start(f"""
        a:
          mode: stream
          queue: work
          command: {command}
          time-limit: 400ms
          stop: {{ grace: 100ms }}
          retry: {{ attempts: 2 }}
          backoff: {{ first: 10ms, most: 20ms }}
    """)
    publish(broker, "a", "slow", "b", "c")
    until(lambda: is_idle(broker, "work") and ready(broker, PARKED) == 1, "all is decided")
    assert sorted(done(tmp_path)) == ["a", "b", "c"]
    assert {attempt["end"] for attempt in story(peek(broker, PARKED)[0])} == {"timed-out"}


# Steering


def test_a_paused_worker_keeps_its_messages_and_goes_on(start, script, tmp_path):
    command = script("time.sleep(0.01); done(message.text); worker.done(message.delivery)")
    broker = start(f"a: {{ mode: stream, queue: work, command: {command}, time-limit: 2s }}")
    bodies = [str(number) for number in range(100)]
    publish(broker, *bodies)
    until(lambda: len(done(tmp_path)) > 5, "it has begun")
    cola("workers", "pause", "a", url=broker.unix).succeeds()
    time.sleep(0.3)
    stopped = len(done(tmp_path))
    time.sleep(2.5)  # longer than the limit
    assert len(done(tmp_path)) == stopped < 100
    assert processes(broker)[0]["state"] == "blocked" and processes(broker)[0]["messages"] <= 10
    cola("workers", "resume", "a", url=broker.unix).succeeds()
    until(lambda: is_idle(broker, "work"), "all are done")
    assert done(tmp_path) == bodies and processes(broker)[0]["starts"] == 1


def test_scaling_down_loses_and_doubles_nothing(start, script, tmp_path):
    command = script("time.sleep(0.002); done(message.text); worker.done(message.delivery)")
    broker = start(f"a: {{ mode: stream, queue: work, processes: 4, command: {command} }}")
    bodies = [str(number) for number in range(1200)]
    publish(broker, *bodies)
    for count in (1, 4, 0, 3, 2):
        time.sleep(0.2)
        cola("workers", "scale", "a", str(count), url=broker.unix).succeeds()
    until(lambda: is_idle(broker, "work"), "all are done", 60)
    assert sorted(done(tmp_path)) == sorted(bodies)


def test_processes_follow_what_waits(start, script, tmp_path):
    command = script("time.sleep(0.05); done(message.text); worker.done(message.delivery)")
    broker = start(f"""
        a:
          mode: stream
          queue: work
          prefetch: 1
          command: {command}
          processes: 0-3
          autoscale: {{ age: 300ms, idle-for: 1s }}
    """)
    publish(broker, *["x"] * 120)
    most: List[int] = []
    until(lambda: most.append(len(processes(broker))) or is_idle(broker, "work"), "all are done", 60)
    assert max(most) == 3 and len(done(tmp_path)) == 120
    until(lambda: not processes(broker), "none is left")


# The end of the server


@pytest.mark.parametrize("format", FORMATS)
def test_a_stop_lets_it_answer_what_it_holds(start, script, tmp_path, format):
    command = script("time.sleep(0.02); worker.result(message.delivery, message.body); done(message.text)")
    broker = start(
        f"a: {{ mode: stream, format: {format}, queue: work, result-queue: out, prefetch: 30, command: {command} }}")
    cola("declare", "queue", "out", url=broker.unix).succeeds()
    bodies = [str(number) for number in range(300)]
    publish(broker, *bodies)
    until(lambda: len(done(tmp_path)) > 20, "it is at it")
    end = broker.terminate()
    assert end.code == 0 and end.seconds < 10
    count = len(done(tmp_path))
    assert 20 < count < 300
    broker.arguments = []
    broker.start()
    assert ready(broker, "work") == 300 - count and ready(broker, "out") == count
    assert all("cola-attempt" not in message.get("headers", {}) for message in peek(broker, "work"))


def test_nothing_is_lost_and_nobody_left_when_the_server_is_killed(start, script, tmp_path):
    rounds = int(os.environ.get("COLA_KILLS") or (20 if os.environ.get("COLA_LONG") else 3))
    marker = "COLA_TEST_STREAM_%d" % os.getpid()
    command = script("time.sleep(0.001); done(message.text); worker.done(message.delivery)")
    broker = start(f"""
        a:
          mode: stream
          queue: work
          prefetch: 50
          processes: 2
          command: {command}
          environment: {{ {marker}: 'yes' }}
    """)
    bodies = [str(number) for number in range(1500)]
    publish(broker, *bodies)
    for round in range(rounds):
        before = len(done(tmp_path))
        until(lambda: len(done(tmp_path)) > before + 50 or is_idle(broker, "work"), "they are at it, round %d" % round)
        broker.kill()
        until(lambda: not marked(marker), "all are gone, round %d" % round, 2)
        broker.start()
    until(lambda: is_idle(broker, "work"), "all are done", 60)
    assert set(done(tmp_path)) == set(bodies)
    assert ready(broker, PARKED) == 0


# Definitions


@pytest.mark.parametrize(
    "workers, words",
    [
        ("a: { queue: q, command: [x], mode: stream, format: xml }", ["format is 'xml'", "json or native"]),
        ("a: { queue: q, command: [x], format: json }", ["format is for mode stream; the mode is exec"]),
        ("a: { queue: q, command: [x], mode: stream, ready: soon }", ["ready is 'soon'", "started or announced"]),
        ("a: { command: [x], mode: stream }", ["queue is missing"]),
        ("a: { queue: q, command: [x], mode: client, result-queue: r }", ["result-queue is for mode exec and stream"]),
        ("a: { queue: q, command: [x], mode: stream, exit-codes: { 3: ack } }", ["exit-codes is for mode exec"]),
    ],
)
def test_what_is_wrong_with_a_definition_is_said(new_broker, tmp_path, workers, words):
    end = new_broker("--config", configuration(tmp_path, workers)).refuse()
    assert end.code == USAGE
    for word in words:
        assert word in end.stderr, end.stderr


def test_a_prefetch_that_is_reloaded_holds_at_once(start, script, tmp_path):
    command = script("done(message.text); time.sleep(0.001)\nif message.text == 'go': worker.done('1-99')")
    text = f"a: {{ mode: stream, queue: work, prefetch: 5, command: {command} }}"
    broker = start(text)
    publish(broker, *["m"] * 20, "go")
    until(lambda: processes(broker)[0]["messages"] == 5, "it has five")
    configuration(tmp_path, text.replace("prefetch: 5", "prefetch: 30"))
    cola("reload", url=broker.unix).succeeds()
    until(lambda: is_idle(broker, "work"), "it was given the rest, and has answered")
    assert processes(broker)[0]["starts"] == 1


# Examples


@pytest.mark.parametrize("name", ["stream.sh", "stream.py", "stream.awk"])
def test_the_examples_work(start, name):
    path = pathlib.Path(__file__).parents[2] / "examples" / "workers" / name
    if name.endswith(".awk") and not (shutil.which("mawk") or shutil.which("gawk")):
        pytest.skip("there is neither mawk nor gawk")
    awk = ["mawk", "-W", "interactive", "-f"] if shutil.which("mawk") else ["gawk", "-f"]
    program = {"sh": ["sh"], "py": [sys.executable], "awk": awk}[name.rpartition(".")[2]]
    broker = start(f"""
        a:
          mode: stream
          format: {"native" if name.endswith(".awk") else "json"}
          queue: work
          result-queue: out
          command: {json.dumps(program + [str(path)])}
    """)
    cola("declare", "queue", "out", url=broker.unix).succeeds()
    publish(broker, "hello", "later")
    # One that waits for its second attempt is in no queue meanwhile.
    results = 0 if name.endswith(".awk") else 2
    until(lambda: is_idle(broker, "work") and ready(broker, "out") == results, "all are done")
    bodies = sorted(message["body"] for message in peek(broker, "out")) if results else []
    if name == "stream.py":
        assert bodies == ["HELLO", "LATER"]
    elif name == "stream.sh":
        assert len(bodies) == 2 and bodies[0].endswith("characters of JSON")


def test_a_line_of_jq_is_a_worker(start):
    if not shutil.which("jq"):
        pytest.skip("there is no jq")
    program = ["jq", "--unbuffered", "-c", "{done: .delivery, result: (.body | ascii_upcase)}"]
    broker = start(f"a: {{ mode: stream, queue: work, result-queue: out, command: {json.dumps(program)} }}")
    cola("declare", "queue", "out", url=broker.unix).succeeds()
    publish(broker, "hello")
    until(lambda: ready(broker, "out") == 1, "the result is there")
    assert peek(broker, "out")[0]["body"] == "HELLO"


def test_the_stream_worker_of_the_readme_works(new_broker, tmp_path):
    if not shutil.which("jq"):
        pytest.skip("there is no jq")
    readme = pathlib.Path(__file__).parents[2].joinpath("README.md").read_text()
    blocks = [block.split("```")[0] for block in readme.split("```yaml\n")[1:]]
    (block,) = [block for block in blocks if "mode: stream" in block]
    path = tmp_path / "cola.yaml"
    path.write_text(block)
    path.chmod(0o600)
    broker = new_broker("--config", str(path), "--workers-as-root", "yes")
    broker.start()
    cola("declare", "queue", "shouts", url=broker.unix).succeeds()
    publish(broker, "three words here", queue="words")
    until(lambda: ready(broker, "shouts") == 1, "the result is there")
    assert peek(broker, "shouts")[0]["body"] == "THREE WORDS HERE"
