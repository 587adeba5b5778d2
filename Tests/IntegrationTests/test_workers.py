"""Workers: programs that the server starts, feeds and watches; a message's fate and its process's are one."""
from __future__ import annotations

import json
import os
import pathlib
import signal
import textwrap
import time
from typing import Callable, List

import pytest

from broker import Broker
from cli import USAGE, cola

BAD_CONFIGURATION = 78
PATIENCE = 30.0


def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Waits for it, for a limited time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not within %.0f s: %s" % (seconds, what)
        time.sleep(0.05)


@pytest.fixture
def start(new_broker, tmp_path) -> Callable[[str], Broker]:
    """Starts a server with these workers."""

    def starting(workers: str, *arguments: str) -> Broker:
        broker = new_broker("--config", configuration(tmp_path, workers), "--workers-as-root", "yes", *arguments)
        broker.start()
        return broker

    return starting


def configuration(folder: pathlib.Path, workers: str) -> str:
    path = folder / "cola.yaml"
    path.write_text("workers:\n" + textwrap.indent(textwrap.dedent(workers), "  "))
    path.chmod(0o644)
    return str(path)


def marked(marker: str) -> List[int]:
    """Processes with this text in their environment."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and marker.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def ready(broker: Broker, name: str) -> int:
    rows = json.loads(cola("queues", "--json", url=broker.unix).succeeds().out)
    return sum(row["ready"] for row in rows if row["name"] == name)


def is_idle(broker: Broker, name: str) -> bool:
    rows = json.loads(cola("queues", "--json", url=broker.unix).succeeds().out)
    return all(row["messages"] == 0 for row in rows if row["name"] == name)


def peek(broker: Broker, name: str) -> List[dict]:
    result = cola("peek", name, "--json", "--count", "100", url=broker.unix).succeeds()
    return [json.loads(line) for line in result.lines()]


def attempts(message: dict) -> List[str]:
    given = message["headers"]["cola-attempt"]
    return given if isinstance(given, list) else [given]


# What a process is given, and what its exit code decides


def test_a_message_is_a_process_with_the_body_as_its_input(start, tmp_path):
    broker = start(f"""
        copying:
          queue: in
          command: [sh, -c, 'cat > {tmp_path}/body; env | grep ^COLA_ | sort > {tmp_path}/environment']
    """)
    cola("publish", "-q", "in", "--key", "k", "--header", "Content-Type=a/b", "--message-id", "7", "line\nand more",
         url=broker.unix).succeeds()
    until(lambda: is_idle(broker, "in") and (tmp_path / "environment").exists(), "the message is done")
    assert (tmp_path / "body").read_bytes() == b"line\nand more"
    given = dict(line.split("=", 1) for line in (tmp_path / "environment").read_text().splitlines())
    assert given.pop("COLA_TIMESTAMP").isdigit() and given.pop("COLA_WORKER_INSTANCE").isdigit()
    assert given.pop("COLA_WORKER_PROCESS").isdigit() and given.pop("COLA_KEEPER")
    assert given == {
        "COLA_QUEUE": "in", "COLA_OFFSET": "0", "COLA_ATTEMPT": "1", "COLA_KEY": "k", "COLA_MESSAGE_ID": "7",
        "COLA_HEADER_CONTENT_TYPE": "a/b", "COLA_WORKER": "copying"}


def test_a_large_body_and_bytes_of_all_kinds_arrive_whole(start, tmp_path):
    broker = start(f"""
        copying: {{ queue: in, command: [sh, -c, 'cat > {tmp_path}/part; mv {tmp_path}/part {tmp_path}/body'] }}
    """)
    body = os.urandom(3_000_000)
    cola("publish", "-q", "in", "--file", "-", url=broker.unix, input=body).succeeds()
    until(lambda: (tmp_path / "body").exists(), "the message is done")
    assert (tmp_path / "body").read_bytes() == body


def test_the_exit_code_decides(start):
    broker = start("""
        deciding:
          queue: work
          command: [sh, -c, 'read -r code; echo "about to say $code" >&2; exit $code']
          processes: 3
          retry: { attempts: 3, delay: 20ms }
    """)
    cola("publish", "-q", "work", "0", "75", "3", "0", "9", url=broker.unix).succeeds()
    until(lambda: ready(broker, "cola.parked.work") == 3 and is_idle(broker, "work"), "all is decided")
    parked = {message["body"]: message["headers"] for message in peek(broker, "cola.parked.work")}
    assert sorted(parked) == ["3", "75", "9"]
    assert parked["3"]["cola-death"].startswith("rejected 1 ")
    assert parked["75"]["cola-death"].startswith("delivery_limit 1 ")
    story = attempts({"headers": parked["75"]})
    assert len(story) == 3
    words = story[0].split(" ")
    assert words[2:4] == ["exited", "deciding"] and words[5:] == ["exit%20code%2075", "about%20to%20say%2075"]


def test_the_map_of_exit_codes_is_the_workers_own(start):
    broker = start("""
        lenient:
          queue: work
          command: [sh, -c, 'exit $(cat)']
          exit-codes: { 3: ack, 10-19: ack, others: reject }
    """)
    cola("publish", "-q", "work", "3", "12", "4", url=broker.unix).succeeds()
    until(lambda: is_idle(broker, "work"), "all is decided")
    assert [message["body"] for message in peek(broker, "cola.parked.work")] == ["4"]


def test_what_it_writes_is_the_result(start):
    broker = start("""
        upper: { queue: words, command: [tr, a-z, A-Z], result-queue: results }
    """)
    cola("declare", "queue", "results", url=broker.unix).succeeds()
    cola("publish", "-q", "words", "--correlation-id", "c-1", "hello", url=broker.unix).succeeds()
    until(lambda: ready(broker, "results") == 1, "the result is there")
    result = peek(broker, "results")[0]
    assert result["body"] == "HELLO" and result["headers"]["cola-correlation-id"] == "c-1"
    until(lambda: is_idle(broker, "words"), "the message is acknowledged")


def test_a_worker_gives_way_as_its_definition_says(start, tmp_path):
    broker = start(f"""
        plain: {{ queue: a, command: [sh, -c, 'nice > {tmp_path}/plain'] }}
        patient: {{ queue: b, nice: 7, command: [sh, -c, 'nice > {tmp_path}/patient'] }}
    """)
    for queue in ("a", "b"):
        cola("publish", "-q", queue, "x", url=broker.unix).succeeds()
        until(lambda: is_idle(broker, queue), "it is done")
    own = os.nice(0)
    assert [int((tmp_path / name).read_text()) for name in ("plain", "patient")] == [own, min(19, own + 7)]


def test_processes_follow_what_waits(start):
    broker = start("""
        scaled:
          queue: work
          command: [sleep, '0.2']
          processes: 0-5
          autoscale: { age: 300ms, idle-for: 1s }
    """)

    def wanted():
        rows = json.loads(cola("workers", "--json", url=broker.unix).succeeds().out)
        return rows[0]["wanted"]

    assert wanted() == 0
    cola("publish", "-q", "work", "--declare", *["x"] * 80, url=broker.unix).succeeds()
    most = []
    until(lambda: most.append(wanted()) or is_idle(broker, "work"), "all is done", 60)
    assert max(most) == 5 and most[0] < 5, most
    until(lambda: wanted() == 0, "none is left")
    cola("publish", "-q", "work", "x", url=broker.unix).succeeds()
    until(lambda: is_idle(broker, "work"), "the first message wakes one")


# What goes wrong


def test_one_that_kills_its_process_does_not_harm_the_others(start, tmp_path):
    broker = start(f"""
        fragile:
          queue: work
          directory: {tmp_path}
          command: [sh, -c, 'read word; [ $word != poison ] || {{ echo ouch >&2; kill -11 $$; }}; echo $word >> done']
          processes: 4
          retry: {{ attempts: 3, delay: 10ms }}
    """)
    bodies = [str(number) for number in range(60)]
    cola("publish", "-q", "work", *bodies[:30], "poison", *bodies[30:], url=broker.unix).succeeds()
    until(lambda: is_idle(broker, "work") and ready(broker, "cola.parked.work") == 1, "all is done", 60)
    assert sorted((tmp_path / "done").read_text().split()) == sorted(bodies)
    poison = peek(broker, "cola.parked.work")[0]
    assert poison["body"] == "poison" and len(attempts(poison)) == 3
    assert all(" killed fragile " in text and text.endswith(" killed%20by%20SIGSEGV ouch") for text in attempts(poison))


def test_whoever_takes_too_long_is_killed_with_all_it_started(start):
    marker = "COLA_TEST_SLOW_%d" % os.getpid()
    broker = start(f"""
        slow:
          queue: work
          command: [sh, -c, 'trap "" TERM; (setsid sleep 60 &) ; sleep 60; sleep 60']
          environment: {{ {marker}: 'yes' }}
          time-limit: 300ms
          stop: {{ grace: 200ms }}
          retry: {{ attempts: 1 }}
    """)
    cola("publish", "-q", "work", "x", url=broker.unix).succeeds()
    until(lambda: ready(broker, "cola.parked.work") == 1, "it is given up")
    assert " timed-out slow " in attempts(peek(broker, "cola.parked.work")[0])[0]
    until(lambda: not marked(marker), "nothing is left of it", 5)


def test_a_program_that_is_not_there_costs_no_message_anything(start, tmp_path):
    program = tmp_path / "later.sh"
    broker = start(f"""
        missing: {{ queue: work, command: [{program}] }}
    """)
    cola("publish", "-q", "work", "x", url=broker.unix).succeeds()
    until(lambda: "later.sh" in broker.stderr(), "the log says so")
    program.write_text(f"#!/bin/sh\necho $COLA_ATTEMPT > {tmp_path}/attempt\n")
    program.chmod(0o755)
    until(lambda: is_idle(broker, "work") and (tmp_path / "attempt").exists(), "it is done once the program is there")
    assert (tmp_path / "attempt").read_text() == "1\n"


def test_a_worker_leaks_nothing_of_the_server(start, tmp_path):
    broker = start(f"""
        curious:
          queue: work
          directory: {tmp_path}
          command: [sh, -c, 'ls -l /proc/self/fd > files; env > part; mv part environment']
    """, "--default-user", "boss", "--default-pass", "canary-9b1e")
    cola("publish", "-q", "work", "x", url=broker.unix).succeeds()
    until(lambda: (tmp_path / "environment").exists(), "the message is done")
    assert "canary-9b1e" not in (tmp_path / "environment").read_text()
    files = (tmp_path / "files").read_text()
    numbers = [line.split(" -> ")[0].split()[-1] for line in files.splitlines() if "->" in line]
    assert len(numbers) <= 4 and set(numbers) <= {"0", "1", "2", "3"}, files  # 3 is ls's own


def test_stopping_and_starting_all_the_time_loses_and_doubles_nothing(start, tmp_path):
    broker = start("""
        busy:
          queue: work
          command: [sh, -c, 'read word; sleep 0.02; echo "$word" >> "$DONE"']
          processes: 4
          environment: { DONE: %s/done }
          stop: { grace: 30s }
    """ % tmp_path)
    bodies = [str(number) for number in range(150)]
    cola("publish", "-q", "work", *bodies, url=broker.unix).succeeds()
    for command in ["stop", "start", "restart", "pause", "resume", "restart"] * 5:
        cola("workers", command, "busy", url=broker.unix).succeeds()
    cola("workers", "start", "busy", url=broker.unix).succeeds()
    until(lambda: is_idle(broker, "work"), "all is done", 60)
    assert broker.runs()
    done = (tmp_path / "done").read_text().split()
    assert sorted(set(done)) == sorted(bodies)
    # One that is stopped has its grace to end in, and a message that is done is acknowledged.
    assert len(done) == len(bodies), sorted(done)


# The end of the server


def test_a_stop_gives_back_what_is_in_hand(start, tmp_path):
    broker = start(f"""
        sleeping: {{ queue: work, command: [sh, -c, 'touch {tmp_path}/begun; sleep 60'] }}
    """)
    cola("publish", "-q", "work", "x", url=broker.unix).succeeds()
    until(lambda: (tmp_path / "begun").exists(), "it has begun")
    end = broker.terminate()
    assert end.code == 0 and end.seconds < 10, end
    broker.arguments = []
    broker.start()
    messages = peek(broker, "work")
    assert [message["body"] for message in messages] == ["x"] and "cola-attempt" not in messages[0].get("headers", {})


HARD = """
trap '' TERM INT HUP
(setsid sh -c 'trap "" TERM; sleep 100; sleep 100' &)
(sh -c '(sleep 100 &) ; exec >&- 2>&- <&-; sleep 100' &)
if [ "$1" = stream ]; then read -r line; kind=other; else kind=$(cat); fi
case $kind in
  stopped) kill -STOP $$ ;;
  closed) exec <&- >&- 2>&-; sleep 100 ;;
  memory|files) python3 "$(dirname "$0")/eat.py" "$kind" ;;
  *) sleep 100 ;;
esac
"""
EAT = """
import os, sys, time
eaten = []
try:
    while True:
        eaten.append(bytearray(1 << 20) if sys.argv[1] == "memory" else os.dup(0))
except (MemoryError, OSError):
    time.sleep(100)
"""
HARD_KINDS = ["stopped", "closed", "memory", "files", "other"]


def test_no_worker_outlives_a_server_that_is_killed(start, tmp_path):
    """kill -9 of the server with workers that double-fork, ignore TERM, close their pipes, stop themselves, and eat
    memory and descriptors; and with those that live on and have messages unanswered."""
    is_long = bool(os.environ.get("COLA_LONG"))
    rounds = int(os.environ.get("COLA_KILLS") or (50 if is_long else 3))
    marker = "COLA_TEST_HARD_%d" % os.getpid()
    script = tmp_path / "hard.sh"
    script.write_text(HARD)
    (tmp_path / "eat.py").write_text(EAT)
    broker = start(f"""
        hard:
          queue: work
          command: [sh, {script}]
          environment: {{ {marker}: 'yes' }}
          processes: {len(HARD_KINDS)}
          limits: {{ memory: 300M, open-files: 64 }}
        lasting:
          mode: stream
          queue: lines
          command: [sh, {script}, stream]
          environment: {{ {marker}: 'yes' }}
          processes: 2
    """)
    mains = len(HARD_KINDS) + 2
    cola("publish", "-q", "work", *HARD_KINDS, url=broker.unix).succeeds()
    cola("publish", "-q", "lines", *"abcdefgh", url=broker.unix).succeeds()
    for round in range(rounds):
        # Each has itself, what it runs, and what it left: never more of one message than one process.
        until(lambda: len(marked(marker)) >= 3 * mains, "all of them run, round %d" % round)
        shells = [pid for pid in marked(marker) if b"hard.sh" in command(pid)]
        assert len(shells) <= mains * 2, shells  # sh and its subshells
        rows = json.loads(cola("ps", "--json", url=broker.unix).succeeds().out)
        assert len([row for row in rows if row["worker"] and row["pid"]]) <= mains, rows
        broker.kill()
        killed = time.monotonic()
        until(lambda: not marked(marker), "all are gone, round %d" % round, 2 if is_long else 10)
        print("round %d: gone after %.2f s" % (round, time.monotonic() - killed))
        broker.start()
        rows = json.loads(cola("queues", "--json", url=broker.unix).succeeds().out)
        assert {row["name"]: row["messages"] for row in rows} == {"work": len(HARD_KINDS), "lines": 8}
    broker.kill()
    until(lambda: not marked(marker), "all are gone", 10)
    broker.arguments = []
    broker.start()
    taken = cola("consume", "-q", "work", "--count", str(len(HARD_KINDS)), url=broker.unix).succeeds()
    assert sorted(taken.out.decode().split()) == sorted(HARD_KINDS)
    taken = cola("consume", "-q", "lines", "--count", "8", url=broker.unix).succeeds()
    assert sorted(taken.out.decode().split()) == list("abcdefgh")


@pytest.mark.parametrize("mode", ["exec", "stream"])
def test_its_queues_are_there_before_any_of_its_processes(start, tmp_path, mode):
    program = tmp_path / "echo.py"
    program.write_text(
        "import sys, json\n"
        "for line in sys.stdin:\n"
        "    print(json.dumps({'done': json.loads(line)['delivery'], 'result': 'r'}), flush=True)\n")
    broker = start(f"""
        echo:
          queue: work
          mode: {mode}
          processes: 0-2
          result-queue: results
          command: {"[cat]" if mode == "exec" else "[python3, %s]" % program}
    """)
    cola("publish", "-q", "work", "x", url=broker.unix).succeeds()
    until(lambda: ready(broker, "results") == 1, "its result is there")


def test_queues_that_are_there_stay_as_they_are(new_broker, tmp_path):
    broker = new_broker("--workers-as-root", "yes")
    broker.start()
    cola("declare", "queue", "work", "--max-length", "7", url=broker.unix).succeeds()
    cola("declare", "topic", "results", url=broker.unix).succeeds()
    broker.terminate()
    workers = "echo: { queue: work, command: [cat], processes: 0-2, result-queue: results }"
    broker.arguments += ["--config", configuration(tmp_path, workers), "--redeclare", "adopt"]
    broker.start()
    cola("publish", "-q", "work", "x", url=broker.unix).succeeds()
    until(lambda: cola("tail", "results", "-n", "1", "--no-follow", url=broker.unix).out == b"x\n", "a result")
    described = json.loads(cola("describe", "queue", "work", "--json", url=broker.unix).succeeds().out)
    assert described["arguments"] == {"max-length": "7"}


def command(pid: int) -> bytes:
    try:
        return pathlib.Path("/proc/%d/cmdline" % pid).read_bytes()
    except OSError:
        return b""


def test_the_keeper_may_die_too(start):
    marker = "COLA_TEST_KEPT_%d" % os.getpid()
    broker = start(f"""
        sleeping:
          queue: work
          command: [sh, -c, '(setsid sleep 60 &); sleep 60']
          environment: {{ {marker}: 'yes' }}
    """)
    cola("publish", "-q", "work", "x", url=broker.unix).succeeds()
    until(lambda: len(marked(marker)) >= 3, "it runs")
    before = set(marked(marker))
    tasks = pathlib.Path("/proc/%d/task" % broker.pid).iterdir()  # a child is that of the thread that started it
    children = [pid for task in tasks for pid in (task / "children").read_text().split()]
    keepers = [int(pid) for pid in children if b"keeper" in pathlib.Path("/proc/%s/cmdline" % pid).read_bytes()]
    assert len(keepers) == 1, children
    os.kill(keepers[0], signal.SIGKILL)
    until(lambda: not before & set(marked(marker)), "all of them are gone", 10)
    # The message is handed out again, by a keeper that is new.
    until(lambda: len(marked(marker)) >= 3, "it runs again")


# Who may define workers


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_file_that_others_can_write_starts_no_workers(new_broker, tmp_path, mode):
    path = configuration(tmp_path, "a: { queue: q, command: ['true'] }")
    os.chmod(path, mode)
    end = new_broker("--config", path, "--workers-as-root", "yes").refuse()
    assert end.code == BAD_CONFIGURATION and "chmod go-w " + path in end.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="for root alone")
def test_root_starts_no_worker_that_names_no_user(new_broker, tmp_path):
    end = new_broker("--config", configuration(tmp_path, "a: { queue: q, command: ['true'] }")).refuse()
    assert end.code == BAD_CONFIGURATION and "worker a names no user" in end.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="for root alone")
def test_a_worker_runs_as_its_user(start, tmp_path):
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents:
        if folder.stat().st_uid == os.getuid() and str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    broker = start(f"""
        humble:
          queue: work
          user: nobody
          directory: {tmp_path}
          command: [sh, -c, 'id -un > part; mv part user']
    """)
    cola("publish", "-q", "work", "x", url=broker.unix).succeeds()
    until(lambda: (tmp_path / "user").exists(), "the message is done")
    assert (tmp_path / "user").read_text() == "nobody\n"


@pytest.mark.parametrize(
    "workers, words",
    [
        ("a: { queue: q }", ["worker a", "command"]),
        ("a: { queue: q, comand: [x] }", ["worker a", "comand", "command"]),
        ("a/b: { queue: q, command: [x] }", ["a/b"]),
        ("a: { queue: q, command: [x], processes: 0-x }", ["worker a", "processes"]),
        ("a: { queue: q, command: [x], time-limit: soon }", ["worker a", "time-limit", "soon"]),
        ("a: { queue: q, command: [x], nice: no, mode: x }", ["mode is 'x'", "; worker a: nice is 'no'"]),
    ],
)
def test_what_is_wrong_with_a_definition_is_said(new_broker, tmp_path, workers, words):
    end = new_broker("--config", configuration(tmp_path, workers)).refuse()
    assert end.code == USAGE
    for word in words:
        assert word in end.stderr, end.stderr


def test_the_workers_of_the_readme_work(new_broker, tmp_path):
    readme = pathlib.Path(__file__).parents[2].joinpath("README.md").read_text()
    path = tmp_path / "cola.yaml"
    path.write_text(readme.split("```yaml\n")[1].split("```")[0])
    path.chmod(0o600)
    broker = new_broker("--config", str(path), "--workers-as-root", "yes")
    broker.start()
    cola("declare", "queue", "counts", url=broker.unix).succeeds()
    cola("publish", "-q", "texts", "three words here", url=broker.unix).succeeds()
    until(lambda: ready(broker, "counts") == 1, "the result is there")
    assert peek(broker, "counts")[0]["body"].strip() == "3"


def test_the_example_with_every_setting_is_taken(new_broker, tmp_path):
    path = tmp_path / "cola.yaml"
    text = pathlib.Path(__file__).parents[2].joinpath("examples/workers/cola.yaml").read_text()
    path.write_text(text)
    path.chmod(0o600)
    broker = new_broker("--config", str(path), "--workers-as-root", "yes")
    broker.start()
    cola("declare", "queue", "sizes", url=broker.unix).succeeds()
    cola("publish", "-q", "pictures", "--declare", "12345", url=broker.unix).succeeds()
    until(lambda: ready(broker, "sizes") == 1, "the result is there")
    assert peek(broker, "sizes")[0]["body"].strip() == "5"
    # With a mistake in it the server names all that there is.
    path.write_text(text.replace("    nice: 5", "    nicer: 5"))
    refused = new_broker("--config", str(path)).refuse()
    assert refused.code == USAGE and "did you mean nice?" in refused.stderr


def test_relative_directories_count_from_the_file(new_broker, tmp_path):
    (tmp_path / "conf" / "bin").mkdir(parents=True)
    program = tmp_path / "conf" / "bin" / "work.sh"
    program.write_text("#!/bin/sh\npwd > where\n")
    program.chmod(0o755)
    path = configuration(tmp_path / "conf", "a: { queue: work, directory: bin, command: [./work.sh] }")
    broker = new_broker("--config", path, "--workers-as-root", "yes")
    broker.start()
    cola("publish", "-q", "work", "--declare", "x", url=broker.unix).succeeds()
    until(lambda: (program.parent / "where").exists() and is_idle(broker, "work"), "the message is done")
    assert (program.parent / "where").read_text().strip() == str(program.parent)
