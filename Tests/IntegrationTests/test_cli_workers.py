"""`cola ps` and `cola workers`: looking at processes that the broker runs, and steering them."""
from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from typing import Callable, Dict, Iterator, List

import pytest

from broker import Broker, binary, die_with_parent, new_folder
from cli import NOT_PERMITTED, REFUSED, USAGE, cola, environment
import native
from test_readme import Shell, examples

DEFINITIONS = """
workers:
  sleepers:
    queue: naps
    command: ["sh", "-c", "sleep 60"]
    mode: exec
    processes: 2
  steady:
    command: ["sleep", "600"]
    mode: client
    processes: 2
    stop: {grace: 1s}
    environment: {TOKEN: secret-of-the-test}
  resize:
    queue: images
    command: [cat]
    processes: 1-8
"""
ANSWER_SECONDS = 20.0


@pytest.fixture(scope="module")
def workers() -> Iterator[Broker]:
    """A broker that runs two workers: one for each message of a queue, and one whose processes live on."""
    folder = new_folder()
    (folder / "cola.yaml").write_text(DEFINITIONS)
    broker = Broker(folder, ["--config", str(folder / "cola.yaml"), "--workers-as-root", "yes"])
    try:
        process = broker.spawn()
        assert wait(lambda: process.poll() is not None or is_healthy(broker)), broker.stderr()
        if "there is no setting" in broker.stderr():
            pytest.skip("this `cola serve` runs no workers yet: %s" % broker.stderr().strip())
        assert broker.runs(), broker.stderr()
        with native.Connection(broker.unix) as connection:
            connection.ok("declare queue naps")
            connection.ok("declare queue images")
        yield broker
        assert broker.runs(), "the broker died during the tests; %s" % broker.stderr()
        assert broker.terminate().code == 0
    finally:
        broker.remove()


def is_healthy(broker: Broker) -> bool:
    return cola("health", url=broker.unix).code == 0


def wait(is_so: Callable[[], bool]) -> bool:
    """Looks again and again, for a bounded time."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def processes(broker: Broker, pattern: str = "*/*") -> List[Dict]:
    return json.loads(cola("ps", pattern, "--json", url=broker.unix).succeeds().out)


def pids(broker: Broker, worker: str) -> List[int]:
    return [row["pid"] for row in processes(broker, worker + "/*") if row["pid"]]


def settled(broker: Broker) -> List[int]:
    """The processes of `steady`, once both are there."""
    assert wait(lambda: len(pids(broker, "steady")) == 2), processes(broker)
    return pids(broker, "steady")


# Without workers


def test_the_broker_itself_is_the_first_process(shared_broker):
    lines = cola("ps", url=shared_broker.unix).succeeds().lines()
    assert lines[0].split() == [
        "INSTANCE", "PID", "PARENT", "STATE", "SINCE", "CPU%", "MEMORY", "THREADS", "FILES", "NICE", "STARTS",
        "MESSAGE", "AGE", "REASON"]
    assert lines[1].split()[:4] == ["cola", str(shared_broker.pid), str(os.getpid()), "running"]
    row, = json.loads(cola("ps", "--json", url=shared_broker.unix).succeeds().out)
    assert row["pid"] == shared_broker.pid and row["worker"] is None
    assert row["files"] == pytest.approx(len(os.listdir("/proc/%d/fd" % shared_broker.pid)), abs=4)
    assert row["threads"] == pytest.approx(len(os.listdir("/proc/%d/task" % shared_broker.pid)), abs=8)
    assert row["resident"] == pytest.approx(shared_broker.resident_bytes(), rel=0.5)
    assert row["uptime-ms"] > 0 and row["cpu-ms"] >= 0 and row["virtual"] > row["resident"]


def test_columns_are_chosen_and_sorted_by(shared_broker):
    lines = cola("ps", "-o", "pid,kernel,virtual,time", "--sort", "cpu", url=shared_broker.unix).succeeds().lines()
    assert lines[0].split() == ["PID", "KERNEL", "VIRTUAL", "TIME"]
    assert re.fullmatch(r" *%d +(\w+ ?)+ +[\d.]+[KMGT] +\d+:\d\d\.\d\d" % shared_broker.pid, lines[1]), lines[1]
    cola("ps", "-o", "pid,colour", url=shared_broker.unix).fails(USAGE, "'colour'", "instance, worker, pid")
    cola("ps", "--sort", "colour", url=shared_broker.unix).fails(USAGE, "colour")
    cola("ps", "--tree", "--json", url=shared_broker.unix).fails(USAGE, "--tree", "--json")


def test_ps_looks_again_and_again(shared_broker):
    shown = subprocess.run(
        ["timeout", "2", binary(), "ps", "--watch", "0.2", "-o", "instance,cpu"], stdout=subprocess.PIPE, timeout=30,
        env=environment(shared_broker.unix), preexec_fn=die_with_parent, check=False).stdout.decode()
    pictures = shown.split("\n\n")
    assert len(pictures) > 2
    assert all(re.match(r"INSTANCE +CPU%\ncola +\d+\.\d", picture) for picture in pictures), pictures


def test_where_there_are_no_workers_it_is_said_how_to_define_them(shared_broker):
    result = cola("workers", url=shared_broker.unix).succeeds()
    assert len(result.lines()) == 1 and "`workers:`" in result.err
    assert json.loads(cola("workers", "list", "--json", url=shared_broker.unix).succeeds().out) == []
    for words in (["show", "x"], ["stop", "x"], ["scale", "x", "2"], ["kill", "x/7"]):
        cola("workers", *words, url=shared_broker.unix).fails(REFUSED, "runs no workers", "`workers:`", "cola.yaml")


def test_wrong_words_are_usage(shared_broker):
    for words in (
            ["show"], ["stop"], ["scale", "x"], ["scale", "x", "many"], ["scale", "x", "4-2"], ["scale", "x", "1-2-3"],
            ["scale", "x", "-1"], ["stop", "x/first"], ["stop", "x/0"], ["stop", "/7"], ["fire", "x"]):
        cola("workers", *words, url=shared_broker.unix).fails(USAGE)
    cola("workers", "kill", "x/first", url=shared_broker.unix).fails(USAGE, "'x/first'", "WORKER/NUMBER", "`cola ps`")


def test_nobody_but_an_administrator_sees_or_steers_workers(shared_broker):
    """Over TCP the guest is none."""
    for words in (["ps"], ["workers"], ["workers", "show", "x"], ["workers", "kill", "x"]):
        cola(*words, url=shared_broker.tcp).fails(NOT_PERMITTED, "only an administrator may")


# As a broker tells it: what the table makes of rows that are known


def row(name: str, pid: int, **members) -> Dict:
    """A row of `list processes`."""
    worker, _, instance = name.partition("/")
    given = {
        "name": name, "worker": worker if instance else None, "instance": int(instance) if instance else None,
        "pid": pid, "state": "ready", "reason": "it has started", "state-ms": 3_000, "parent": 40,
        "kernel-state": "sleeping", "uptime-ms": 10_000, "cpu-ms": 1_500, "resident": 3_250_585, "virtual": 8_462_336,
        "threads": 1, "files": 4, "nice": 5, "starts": 2, "failures": 0, "next-start-ms": None, "messages": 0,
        "message": None}
    given.update({key.replace("_", "-"): value for key, value in members.items()})
    return given


class Recital:
    """Plays a broker that has these processes, one list of them after the other, and the last for ever."""

    def __init__(self, folder: pathlib.Path, *lists: List[Dict]):
        self.lists = list(lists)
        self.url = "unix://%s" % (folder / "s")
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(folder / "s"))
        self.socket.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                for line in stream:
                    stream.write(self._answer(line.decode()))
                    stream.flush()

    def _answer(self, line: str) -> bytes:
        tag = (re.findall(r" t=\d+", line) + [""])[0]
        if line.startswith("hello"):
            told = "version=1 server=Cola/0 user=x admin=yes heartbeat=0 line=65536 body=16777216 features=workers"
            return ("ok%s %s\n" % (tag, told)).encode()
        if not line.startswith("list processes"):
            return ("ok%s\n" % tag).encode()
        body = json.dumps(self.lists[0] if len(self.lists) == 1 else self.lists.pop(0))
        return ("ok%s size=%d\n%s\n" % (tag, len(body), body)).encode()


@pytest.fixture
def recite() -> Iterator[Callable[..., str]]:
    """Makes brokers that have the given processes; returns their address."""
    made: List[Recital] = []

    def make(*lists: List[Dict]) -> str:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="cola-"))
        made.append(Recital(folder, *lists))
        return made[-1].url

    yield make
    for recital in made:
        recital.socket.close()
        shutil.rmtree(recital.url.replace("unix://", "").rpartition("/")[0])


HELD = {"queue": "jobs", "offset": 12, "held-ms": 61_000}
KNOWN = [
    row("cola", 40, state="running", parent=1, reason="this server", state_ms=None, starts=None),
    row("b/1", 51, cpu_ms=200, resident=900, nice=0),
    row("a/3", 52, state="running", messages=1, message=HELD, resident=70_000_000_000, state_ms=7_300_000),
    row("a/2", None, state="terminated", reason="exit code 1", parent=None, kernel_state=None, uptime_ms=None,
        cpu_ms=None, resident=None, virtual=None, threads=None, files=None, nice=None, failures=1, next_start_ms=9_400),
]


def cells(lines: List[str]) -> List[List[str]]:
    return [re.split(r"  +", line.strip()) for line in lines]


def test_a_table_of_processes(recite):
    table = cells(cola("ps", url=recite(KNOWN)).succeeds().lines())
    assert table[1] == [
        "cola", "40", "1", "running", "-", "15.0", "3.0M", "1", "4", "5", "-", "-", "-", "this server"]
    assert table[2] == ["b/1", "51", "40", "ready", "3s", "2.0", "900", "1", "4", "0", "2", "-", "-", "it has started"]
    assert table[3] == [
        "a/3", "52", "40", "running", "2h", "15.0", "65G", "1", "4", "5", "2", "jobs 12", "1m", "it has started"]
    assert table[4] == ["a/2", "-", "-", "terminated", "3s", "-", "-", "-", "-", "-", "2", "-", "-", "exit code 1"]


@pytest.mark.parametrize("column, names", [
    ("memory", ["a/3", "cola", "b/1", "a/2"]), ("instance", ["a/2", "a/3", "b/1", "cola"]),
    ("cpu", ["cola", "a/3", "b/1", "a/2"]), ("worker", ["a/3", "a/2", "b/1", "cola"]),
    ("next", ["a/2", "cola", "b/1", "a/3"]), ("age", ["a/3", "cola", "b/1", "a/2"]),
])
def test_sorting_is_by_any_column_and_keeps_the_order_of_equals(recite, column, names):
    lines = cola("ps", "-o", "instance", "--sort", column, url=recite(KNOWN)).succeeds().lines()
    assert lines[1:] == names
    rows = json.loads(cola("ps", "--json", "--sort", column, url=recite(KNOWN)).succeeds().out)
    assert [row["name"] for row in rows] == names


def test_every_column_can_be_shown(recite):
    columns = "instance,worker,pid,parent,state,since,kernel,uptime,cpu,time,memory,virtual,threads,files,nice,starts,"
    columns += "failures,next,messages,message,age,reason"
    lines = cola("ps", "a/3", "--columns", columns, url=recite(KNOWN)).succeeds().lines()
    assert lines[0].lower().replace("%", "").split() == columns.split(",")
    assert cells(lines)[1] == [
        "a/3", "a", "52", "40", "running", "2h", "sleeping", "10s", "15.0", "0:01.50", "65G", "8.0M", "1", "4", "5",
        "2", "0", "-", "1", "jobs 12", "1m", "it has started"]


def test_a_tree_of_processes(recite):
    lines = cola("ps", "--tree", "-o", "pid,state,instance", url=recite(KNOWN)).succeeds().lines()
    assert lines == [
        "INSTANCE   PID  STATE",
        "cola        40  running",
        "├─ b",
        "│  └─ b/1   51  ready",
        "└─ a",
        "   ├─ a/3   52  running",
        "   └─ a/2    -  terminated",
    ]


def test_the_time_of_a_processor_is_that_since_the_last_look(recite):
    """Also where a process has another's id by now: it is younger."""
    later = [row("b/1", 51, uptime_ms=12_000, cpu_ms=1_200), row("a/3", 52, uptime_ms=1_000, cpu_ms=100)]
    shown = subprocess.run(
        ["timeout", "2", binary(), "ps", "?/*", "--watch", "0.3", "-o", "instance,cpu"], stdout=subprocess.PIPE,
        timeout=30, env=environment(recite(KNOWN[1:3], later)), preexec_fn=die_with_parent, check=False).stdout.decode()
    assert [line.split() for line in shown.split("\n\n")[0].splitlines()[1:]] == [["b/1", "2.0"], ["a/3", "15.0"]]
    assert [line.split() for line in shown.split("\n\n")[1].splitlines()[1:]] == [["b/1", "50.0"], ["a/3", "10.0"]]


def test_names_cannot_move_the_cursor(recite):
    shown = cola("ps", url=recite([row("a/1", 5, reason="\x1b[2J\nno")])).succeeds().out.decode()
    assert "\x1b" not in shown and len(shown.splitlines()) == 2


# With workers


def test_processes_are_those_that_the_machine_has(workers):
    settled(workers)
    for row in processes(workers, "steady/*"):
        with open("/proc/%d/cmdline" % row["pid"], "rb") as file:
            assert file.read() == b"sleep\0" b"600\0"
        with open("/proc/%d/stat" % row["pid"]) as file:
            fields = file.read().rpartition(")")[2].split()
        assert row["parent"] == int(fields[1]) and row["nice"] == int(fields[16]) and row["threads"] == 1
        assert row["worker"] == "steady" and row["name"] == "steady/%d" % row["instance"]
        assert row["kernel-state"] == "sleeping" and row["files"] >= 0 and row["resident"] > 0


def test_the_tree_has_the_broker_at_the_top_and_workers_below(workers):
    settled(workers)
    lines = cola("ps", "--tree", "-o", "instance,pid", url=workers.unix).succeeds().lines()
    assert lines[1].split() == ["cola", str(workers.pid)]
    assert [line.split()[-1] for line in lines if re.search("─ [a-z]+$", line)] == ["resize", "sleepers", "steady"]
    assert sum(bool(re.search(r"─ steady/\d+ +\d+$", line)) for line in lines) == 2


def test_a_message_in_hand_is_seen_with_its_process(workers):
    cola("publish", "-q", "naps", "long", url=workers.unix).succeeds()
    assert wait(lambda: any(row["messages"] for row in processes(workers, "sleepers/*")))
    row = next(row for row in processes(workers, "sleepers/*") if row["messages"])
    assert row["state"] == "running" and wait(lambda: len(pids(workers, "sleepers")) == 1)
    cola("workers", "stop", "sleepers", url=workers.unix).succeeds()
    cola("workers", "kill", "sleepers", url=workers.unix).succeeds()
    assert wait(lambda: pids(workers, "sleepers") == [])
    cola("purge", "naps", url=workers.unix).succeeds()
    cola("workers", "start", "sleepers", url=workers.unix).succeeds()


def test_show_tells_everything_but_secrets(workers):
    settled(workers)
    told = cola("workers", "show", "steady", url=workers.unix).succeeds().out.decode()
    assert "command:" in told and "TOKEN" in told and "secret-of-the-test" not in told
    row = processes(workers, "steady/*")[0]
    told = json.loads(cola("workers", "show", row["name"], "--json", url=workers.unix).succeeds().out)
    assert told["pid"] == row["pid"] and told["program"] == "sleep" and told["group"] > 0
    assert told["voluntary-switches"] >= 0 and told["limits"]["open-files"] > 0
    assert "secret-of-the-test" not in json.dumps(told)


def test_workers_stop_start_and_scale(workers):
    before = settled(workers)
    cola("workers", "stop", "steady", url=workers.unix).succeeds()
    assert wait(lambda: pids(workers, "steady") == [])
    listed = {row["name"]: row for row in json.loads(cola("workers", "--json", url=workers.unix).succeeds().out)}
    assert listed["steady"]["state"] == "stopped" and listed["steady"]["processes"] == 0
    cola("workers", "start", "steady", url=workers.unix).succeeds()
    assert not set(settled(workers)) & set(before)
    cola("workers", "scale", "steady", "3", url=workers.unix).succeeds()
    assert wait(lambda: len(pids(workers, "steady")) == 3)
    cola("workers", "scale", "steady", "2", url=workers.unix).succeeds()
    settled(workers)
    cola("workers", "scale", "steady", "1-3", url=workers.unix).fails(REFUSED, "steady", "queue")
    cola("workers", "scale", "steady", "1001", url=workers.unix).fails(REFUSED, "1000")


def test_one_instance_is_killed_and_another_process_takes_its_place(workers):
    first, second = settled(workers)
    name = next(row["name"] for row in processes(workers, "steady/*") if row["pid"] == first)
    cola("workers", "kill", name, url=workers.unix).succeeds()
    assert wait(lambda: first not in pids(workers, "steady") and len(pids(workers, "steady")) == 2)
    assert second in pids(workers, "steady")
    cola("workers", "kill", "steady", "--signal", "TERM", url=workers.unix).succeeds()
    assert wait(lambda: second not in pids(workers, "steady") and len(pids(workers, "steady")) == 2)
    cola("workers", "kill", "steady", "-s", "TERN", url=workers.unix).fails(USAGE, "'TERN'", "SIGUSR1")


def test_paused_processes_are_halted_until_they_are_resumed(workers):
    settled(workers)

    def kernel_states() -> List[str]:
        return [row["kernel-state"] for row in processes(workers, "steady/*")]

    cola("workers", "pause", "steady", url=workers.unix).succeeds()
    assert wait(lambda: kernel_states() == ["stopped", "stopped"])
    assert {row["state"] for row in processes(workers, "steady/*")} == {"blocked"}
    cola("workers", "resume", "steady", url=workers.unix).succeeds()
    assert wait(lambda: kernel_states() == ["sleeping", "sleeping"])


@pytest.mark.parametrize(
    "command", ["show", "start", "stop", "restart", "scale", "pause", "resume", "kill"])
def test_each_example_of_the_help_runs(workers, command, tmp_path):
    cola("workers", "scale", "resize", "1", url=workers.unix).succeeds()
    shell = Shell(tmp_path, workers.unix)
    for example in examples("workers " + command):
        # What an example stops the next one finds started, and under another number.
        cola("workers", "start", "resize", url=workers.unix).succeeds()
        assert wait(lambda: processes(workers, "resize/*"))
        name = processes(workers, "resize/*")[0]["name"]
        line = re.sub(r"\bresize/7\b", name, example)
        if "--watch" in line:
            runs, output = shell.run_for(line, 1.5)
            assert runs and "cola: " not in output, "%s: %s" % (line, output)
        elif "jq" not in line or shutil.which("jq"):
            code, output = shell.run(line)
            assert code == 0, "%s: exit code %d: %s" % (line, code, output)


def test_completion_knows_workers_and_their_instances(workers, tmp_path):
    settled(workers)
    script = tmp_path / "script"
    script.write_bytes(cola("--generate-completion-script", "bash").succeeds().out)
    (tmp_path / "cola").symlink_to(os.path.abspath(binary()))
    typed = (
        "source %s; COMP_WORDS=(cola workers stop ste); COMP_CWORD=3; "
        "COMP_LINE='cola workers stop ste'; COMP_POINT=21; "
        "_cola cola ste stop; printf '%%s\\n' \"${COMPREPLY[@]}\"" % script)
    path = {"PATH": "%s:%s" % (tmp_path, os.environ["PATH"])}
    found = subprocess.run(
        ["bash", "-c", typed], stdout=subprocess.PIPE, timeout=30, env=environment(workers.unix, path)).stdout.decode()
    assert "steady" in found.split() and any(re.fullmatch(r"steady/\d+", word) for word in found.split()), found


def test_what_there_is_not_is_named_with_what_was_meant(workers):
    cola("workers", "stop", "stedy", url=workers.unix).fails(REFUSED, "'stedy'", "did you mean steady?")
    cola("workers", "show", "steady/999999", url=workers.unix).fails(REFUSED, "steady/999999", "`cola ps`")
    result = cola("ps", "nobody*", url=workers.unix).succeeds()
    assert len(result.lines()) == 1 and "nobody*" in result.err
