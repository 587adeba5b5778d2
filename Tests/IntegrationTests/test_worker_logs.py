"""What workers write: kept with its tags, read and followed, and never at the expense of the broker."""
from __future__ import annotations

import json
import os
import re
import signal
import stat
import sys
import textwrap
import time
from typing import Dict, List

import native
from broker import Broker, binary
from cli import NOT_PERMITTED, REFUSED, USAGE, cola
from cli import start as start_command
from test_faults import small_disk  # noqa: F401  (a fixture)
from test_workers import attempts, is_idle, peek, ready, start, until  # noqa: F401  (start is a fixture)

TALKING = textwrap.dedent("""
    talk:
      queue: in
      command: [sh, -c, 'read -r x; echo "hello $x"; echo "sorry $x" >&2; [ "$x" = bad ] && exit 75; exit 0']
      retry: { attempts: 2, delay: 20ms }
""")
SAYING = textwrap.dedent("""
    {name}:
      mode: client
      command: [sh, -c, '{script}; exec sleep 600']
""")


def says(script: str, name: str = "say") -> str:
    """A worker whose one process runs this, and stays."""
    return SAYING.format(name=name, script=script)


def logs(broker: Broker, *arguments: str) -> List[Dict]:
    result = cola("logs", "--json", *arguments, url=broker.unix).succeeds()
    return [json.loads(line) for line in result.lines()]


def texts(lines: List[Dict]) -> List[str]:
    return [line["line"] for line in lines if "line" in line]


def has(broker: Broker, text: str, *arguments: str) -> bool:
    return text in texts(logs(broker, *arguments))


def pid_of(broker: Broker, worker: str) -> int:
    (row,) = json.loads(cola("ps", worker + "/*", "--json", url=broker.unix).succeeds().out)
    return row["pid"]


def publish(broker: Broker, queue: str, *bodies: str) -> None:
    cola("publish", "-q", queue, *bodies, url=broker.unix).succeeds()


# Lines and their tags


def test_a_line_says_who_wrote_it_for_which_attempt_at_which_message(start):  # noqa: F811
    broker = start(TALKING)
    publish(broker, "in", "you", "bad")
    until(lambda: ready(broker, "cola.parked.in") == 1 and is_idle(broker, "in"), "all is decided")
    until(lambda: len(logs(broker, "talk")) == 6, "all lines are there")
    lines = logs(broker, "talk")
    (out,) = [line for line in lines if line["line"] == "hello you"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", out.pop("time"))
    assert out.pop("pid") > 1 and out.pop("number") >= 0 and out.pop("instance") == 1
    assert out == {"epoch": 1, "worker": "talk", "stream": "out", "queue": "in", "offset": 0, "attempt": 1,
                   "line": "hello you"}
    bad = [line for line in lines if line["line"] == "sorry bad"]
    assert [line["attempt"] for line in bad] == [1, 2] and bad[0]["pid"] != bad[1]["pid"]
    assert all(line["stream"] == "err" for line in bad)
    # The story of the attempts has them as before.
    story = attempts(peek(broker, "cola.parked.in")[0])
    assert len(story) == 2 and all("sorry%20bad" in attempt and "hello%20bad" in attempt for attempt in story)
    # And for people, in columns.
    shown = cola("logs", "talk", "--stream", "err", url=broker.unix).succeeds().lines()
    assert len(shown) == 3
    assert re.fullmatch(r"\S+Z  talk/1\[\d+\]  in \d+ +err  sorry (you|bad)", shown[0]), shown
    assert re.search(r"in \d+ \(2\)  err  sorry bad$", shown[2]), shown


def test_only_what_is_asked_for_is_shown(start):  # noqa: F811
    broker = start(TALKING + says("echo one; echo two >&2; echo three"))
    until(lambda: has(broker, "three", "say"), "it has spoken")
    publish(broker, "in", "x")
    until(lambda: has(broker, "hello x"), "the other one, too")
    assert texts(logs(broker, "say", "--stream", "err")) == ["two"]
    assert texts(logs(broker, "say", "--stream", "out", "-n", "1")) == ["three"]
    assert {line["worker"] for line in logs(broker)} == {"talk", "say"}
    instance = logs(broker, "say")[0]["instance"]
    assert len(logs(broker, "say/%d" % instance)) == 3
    assert logs(broker, "say/%d" % (instance + 7)) == []
    assert logs(broker, "-n", "0") == []
    assert len(logs(broker, "--since", "1h")) == 5
    assert logs(broker, "--since", "2100-01-01T00:00:00Z") == []
    since = logs(broker, "talk")[0]["time"]
    assert [line["worker"] for line in logs(broker, "talk", "--since", since)] == ["talk", "talk"]


def test_a_result_is_no_line(start):  # noqa: F811
    broker = start("""
        upper:
          queue: words
          command: [sh, -c, 'echo working >&2; tr a-z A-Z']
          result-queue: results
    """)
    cola("declare", "queue", "results", url=broker.unix).succeeds()
    publish(broker, "words", "quiet")
    until(lambda: ready(broker, "results") == 1, "the result is there")
    assert texts(logs(broker, "upper")) == ["working"]


def test_of_a_stream_worker_standard_error_is_lines_and_standard_output_is_answers(start, tmp_path):  # noqa: F811
    program = tmp_path / "worker.py"
    program.write_text(textwrap.dedent("""
        import json, sys
        for line in sys.stdin:
            message = json.loads(line)
            print("got", message["body"], file=sys.stderr, flush=True)
            print(json.dumps({"done": message["delivery"]}), flush=True)
        sys.stderr.write("bye")
    """))
    broker = start("""
        flow: { queue: in, mode: stream, command: [%s, %s], prefetch: 10 }
    """ % (sys.executable, program))
    cola("declare", "queue", "in", url=broker.unix).succeeds()
    publish(broker, "in", *"abcde")
    until(lambda: is_idle(broker, "in") and has(broker, "got e", "flow"), "all of it is done")
    lines = logs(broker, "flow")
    assert texts(lines) == ["got " + body for body in "abcde"]
    assert {(line["stream"], line["pid"]) for line in lines} == {("err", pid_of(broker, "flow"))}
    assert "offset" not in lines[0], "it was not started for one message"
    cola("workers", "stop", "flow", url=broker.unix).succeeds()
    until(lambda: has(broker, "bye", "flow"), "the last line of all, which has no end")


def test_lines_of_all_kinds_are_shown_without_harm(start, tmp_path):  # noqa: F811
    text = tmp_path / "text"
    text.write_bytes(
        b"\x1b[2Jcleared\ttab\n" + b"wrong \xff byte\n" + "é€😀\n".encode() + b"x" * 5000 + b"\n\n"
        + "ä".encode() * 2100 + b"\nwindows\r\nlast")
    broker = start(says("cat %s" % text))
    until(lambda: len(logs(broker, "say")) == 7, "all but the last are there")
    lines = logs(broker, "say")
    assert texts(lines)[:3] == ["\x1b[2Jcleared\ttab", "wrong \ufffd byte", "é€😀"]
    assert texts(lines)[3:] == ["x" * 4096, "", "ä" * 2048, "windows"]
    assert [line.get("cut") for line in lines] == [None, None, None, True, None, True, None]
    shown = cola("logs", "say", url=broker.unix).succeeds().out.decode()
    assert "\x1b" not in shown and "\ufffd[2Jcleared\ttab" in shown and "xxx…\n" in shown
    # What has no line feed is a line when its writer has gone.
    os.kill(pid_of(broker, "say"), signal.SIGKILL)
    until(lambda: has(broker, "last", "say"), "the line without an end")


# Files


def test_lines_are_in_files_which_a_restart_does_not_end(start):  # noqa: F811
    broker = start(says("i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo line $i; done"), "--worker-log-memory", "4K")
    until(lambda: has(broker, "line 400", "say"), "all lines are there")
    # Most of them are no longer in memory.
    expected = ["line %d" % number for number in range(1, 401)]
    until(lambda: texts(logs(broker, "say", "-n", "1000")) == expected, "all of them are found")
    assert texts(logs(broker, "say", "-n", "300")) == expected[-300:]
    assert texts(logs(broker, "-n", "300")) == expected[-300:]
    folder = broker.data / "logs"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "say.log").stat().st_mode) == 0o600
    written = [json.loads(line) for line in (folder / "say.log").read_text().splitlines()]
    assert written == logs(broker, "say", "-n", "1000")
    broker.kill()
    with open(folder / "say.log", "a") as file:
        file.write('{"time":"half of a li')
    broker.start()
    until(lambda: texts(logs(broker, "say", "-n", "1000")) == expected * 2, "those of both lives")
    assert {line["epoch"] for line in logs(broker, "say", "-n", "1000")} == {1, 2}


def test_files_go_round_within_their_size(start):  # noqa: F811
    broker = start(
        says("i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo this is line $i; done"),
        "--worker-log-size", "64K", "--worker-log-files", "3", "--worker-log-memory", "4K")
    newest = broker.data / "logs" / "say.log"
    until(lambda: newest.exists() and "line 3000\"" in newest.read_text(), "all lines are on the disk")
    files = sorted(path.name for path in (broker.data / "logs").iterdir())
    assert files == ["say.log", "say.log.1", "say.log.2"]
    sizes = [(broker.data / "logs" / name).stat().st_size for name in files]
    assert sum(sizes) <= 64 * 1024 and all(size > 0 for size in sizes)
    kept = texts(logs(broker, "say", "-n", "10000"))
    assert 200 < len(kept) < 3000 and kept == ["this is line %d" % number for number in range(3001 - len(kept), 3001)]


def test_without_files_there_is_memory(start):  # noqa: F811
    broker = start(says("echo one"), "--worker-log-size", "0")
    until(lambda: has(broker, "one", "say"), "the line is there")
    assert not (broker.data / "logs").exists()


def test_a_disk_that_takes_no_lines_is_told_of_once_and_harms_nobody(start):  # noqa: F811
    broker = start(TALKING + says("while :; do date; sleep 0.1; done"))
    until(lambda: (broker.data / "logs" / "say.log").exists(), "it is written")
    broker.kill()
    for path in (broker.data / "logs").iterdir():
        path.unlink()
    (broker.data / "logs").rmdir()
    (broker.data / "logs").write_text("in the way")
    broker.start()
    until(lambda: len(logs(broker, "say", "-n", "100")) > 10, "lines are in memory")
    publish(broker, "in", "x")
    until(lambda: has(broker, "hello x", "talk"), "messages go their way")
    assert broker.stderr().count("cannot be written to the disk") == 1, broker.stderr()
    (broker.data / "logs").unlink()
    until(lambda: "written to the disk again" in broker.stderr(), "it is said when it is over")
    until(lambda: (broker.data / "logs" / "say.log").exists(), "and so it is")
    first = json.loads((broker.data / "logs" / "say.log").read_text().splitlines()[0])
    assert first["dropped"] > 10


def test_on_a_full_disk_lines_are_the_first_to_go(small_disk, new_broker, tmp_path):  # noqa: F811
    (tmp_path / "cola.yaml").write_text(
        "workers:\n" + textwrap.indent(says("while :; do date; sleep 0.1; done"), "  "))
    (tmp_path / "cola.yaml").chmod(0o644)
    broker = new_broker(
        "--config", str(tmp_path / "cola.yaml"), "--workers-as-root", "yes", "--disk-free-min", "4M", folder=small_disk)
    broker.start()
    log = broker.data / "logs" / "say.log"
    until(log.exists, "it is written")
    filler = small_disk / "filler"
    free = os.statvfs(small_disk)
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - (3 << 20))
    until(lambda: "cannot be written to the disk" in broker.stderr(), "it is said")
    assert "disk-free-min" in broker.stderr()
    size = log.stat().st_size
    count = len(logs(broker, "say", "-n", "1000"))
    until(lambda: len(logs(broker, "say", "-n", "1000")) > count + 5, "lines are in memory")
    assert log.stat().st_size == size
    filler.unlink()
    until(lambda: log.stat().st_size > size, "there is room again")


# Following


def test_following_goes_on_over_a_restart(start):  # noqa: F811
    broker = start(says("while :; do date +%s.%N; sleep 0.1; done"))
    until(lambda: len(logs(broker, "say")) > 2, "it speaks")
    follower = start_command(["logs", "say", "-f", "-n", "1", "--json"], broker.unix)
    try:
        def next_line() -> Dict:
            return json.loads(follower.stdout.readline())

        seen = [next_line() for _ in range(10)]
        assert [line["number"] for line in seen] == list(range(seen[0]["number"], seen[0]["number"] + 10))
        broker.terminate()
        broker.start()
        line = next_line()
        while line["epoch"] == 1:
            line = next_line()
        assert line["epoch"] == 2 and line["number"] == 0
        broker.kill()
        broker.start()
        while line["epoch"] == 2:
            line = next_line()
        assert line["epoch"] == 3 and line["number"] == 0
    finally:
        follower.kill()
        _, said = follower.communicate(timeout=20)
    assert b"connect" in said


def test_following_shows_lines_of_all_workers_as_they_come(start):  # noqa: F811
    broker = start(TALKING)
    follower = start_command(["logs", "-f", "-n", "0"], broker.unix)
    try:
        time.sleep(0.5)
        for number in range(3):
            publish(broker, "in", "to %d" % number)
            lines = sorted(follower.stdout.readline().decode() for _ in range(2))
            assert "hello to %d" % number in lines[0] + lines[1] and "sorry to %d" % number in lines[0] + lines[1]
    finally:
        follower.kill()
        follower.communicate(timeout=20)


def test_an_answer_waits_for_lines_and_what_is_asked_meanwhile_comes_after_it(start):  # noqa: F811
    broker = start(TALKING)
    with native.Connection(broker.unix) as connection:
        empty = connection.ok("logs talk").json()
        assert empty == {"lines": [], "next": "1-0", "lost": 0}
        began = time.monotonic()
        assert connection.ok("logs talk from=1-0 wait=300").json() == empty
        assert time.monotonic() - began >= 0.29
        connection.send("logs talk from=1-0 wait=60000 t=1")
        connection.send("ping t=2")
        publish(broker, "in", "you")
        answer = connection.answer(20)
        assert answer.json()["lines"][0]["line"] in ("hello you", "sorry you")
        assert connection.answer(20).options.get("t", "2") == "2"
        position = "1-2"
        until(lambda: connection.ok("logs talk count=0").json()["next"] == position, "both lines are there")
        assert connection.ok("logs talk from=%s" % position).json() == {"lines": [], "next": position, "lost": 0}
        # A place that there is not yet is the end; one of another life is the beginning.
        assert connection.ok("logs talk from=1-99").json()["next"] == position
        assert len(connection.ok("logs talk from=7-99").json()["lines"]) == 2
        # One by one.
        first = connection.ok("logs from=1-0 count=1").json()
        assert (len(first["lines"]), first["next"], first["lost"]) == (1, "1-1", 0)


def test_who_reads_too_slowly_is_told_what_he_missed(start):  # noqa: F811
    broker = start(
        says("i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo $i; done"), "--worker-log-memory", "8K")
    until(lambda: has(broker, "500", "say"), "all lines are there")
    with native.Connection(broker.unix) as connection:
        for words in ("logs say", "logs"):
            answer = connection.ok(words + " from=1-100 count=1000").json()
            kept = len(answer["lines"])
            assert 0 < kept < 400 and answer["lost"] == 400 - kept and answer["next"] == "1-500"
            assert texts(answer["lines"]) == [str(number) for number in range(501 - kept, 501)]


# Floods


def test_a_flood_costs_lines_and_nothing_else(start):  # noqa: F811
    broker = start(textwrap.dedent("""
        flood: { mode: client, command: [yes], processes: 2 }
        endless: { mode: client, command: [sh, -c, 'tr "\\0" x < /dev/zero'] }
    """) + TALKING)
    until(lambda: any("dropped" in line for line in logs(broker, "flood", "-n", "10000")), "lines were dropped")
    publish(broker, "in", *[str(number) for number in range(20)])
    until(lambda: is_idle(broker, "in"), "messages go their way")
    lines = texts(logs(broker, "talk", "-n", "100"))
    assert {"hello %d" % number for number in range(20)} <= set(lines)
    assert broker.resident_bytes() < 300 << 20
    size = sum(path.stat().st_size for path in (broker.data / "logs").glob("flood*"))
    assert size <= 16 << 20
    # Each process says how many of its lines were left out.
    dropped = [line for line in logs(broker, "flood", "-n", "10000") if "dropped" in line]
    assert all(line["dropped"] > 0 for line in dropped)
    shown = cola("logs", "flood", "-n", "10000", url=broker.unix).succeeds().out.decode()
    assert re.search(r"\(\d+ lines dropped: too many at a time\)", shown)
    assert broker.terminate().code == 0


# Who may, and what is wrong


def test_only_an_administrator_reads_what_workers_write(start):  # noqa: F811
    broker = start(says("echo secret"))
    cola("logs", url=broker.tcp).fails(NOT_PERMITTED, "only an administrator may read what workers write")
    cola("workers", "nice", "say", "5", url=broker.tcp).fails(NOT_PERMITTED, "only an administrator may nice workers")


def test_what_there_is_not_and_what_makes_no_sense_is_said(start):  # noqa: F811
    broker = start(says("echo one"))
    cola("logs", "sai", url=broker.unix).fails(REFUSED, "there is no worker 'sai'; did you mean say?")
    for words in (
            ["-n", "-1"], ["-n", "10001"], ["--stream", "in"], ["--since", "yesterday"], ["say/first"], ["a", "b"]):
        cola("logs", *words, url=broker.unix).fails(USAGE)
    result = cola("logs", "say/99", url=broker.unix).succeeds()
    assert result.out == b"" and "'say/99' has written nothing yet" in result.err
    cola("logs", url="unix:///nowhere/s").fails(69, "nowhere")


def test_where_there_are_no_workers_it_is_said_how_to_define_them(shared_broker):
    cola("logs", url=shared_broker.unix).fails(REFUSED, "runs no workers", "`workers:`", "cola.yaml")


# Niceness


def niceness(pid: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, pid)


def test_niceness_is_set_for_a_process_and_all_in_its_group_until_the_next_start(start):  # noqa: F811
    broker = start(says("sleep 500 & echo child $!"))
    until(lambda: logs(broker, "say"), "it runs")
    child = int(logs(broker, "say")[0]["line"].split()[1])
    parent, own = pid_of(broker, "say"), os.nice(0)
    value = str(min(19, own + 4))
    cola("workers", "nice", "say", value, url=broker.unix).succeeds()
    assert [str(niceness(pid)) for pid in (parent, child)] == [value, value]
    (row,) = json.loads(cola("ps", "say/*", "--json", url=broker.unix).succeeds().out)
    assert str(row["nice"]) == value
    cola("workers", "nice", row["name"], "19", url=broker.unix).succeeds()
    assert niceness(parent) == 19
    cola("workers", "restart", "say", url=broker.unix).succeeds()
    until(lambda: pid_of(broker, "say") not in (None, parent), "it was started again")
    assert niceness(pid_of(broker, "say")) == own


def test_niceness_needs_a_process_and_a_number_that_there_is(start):  # noqa: F811
    broker = start(TALKING)
    cola("workers", "nice", "talk", "5", url=broker.unix).fails(REFUSED, "no process of talk runs now", "definition")
    cola("workers", "nice", "nobody", "5", url=broker.unix).fails(REFUSED, "there is no worker 'nobody'")
    for value in ("20", "-21", "much"):
        cola("workers", "nice", "talk", "--", value, url=broker.unix).fails(USAGE)


def test_niceness_that_the_system_does_not_allow_is_refused_with_a_reason(start, tmp_path, monkeypatch):  # noqa: F811
    wrapper = tmp_path / "cola"
    # Without CAP_SYS_NICE (23) even root may not lower one.
    wrapper.write_text(
        "#!%s\nimport ctypes, os, resource, sys\nctypes.CDLL(None).prctl(24, 23)\n"
        "resource.setrlimit(13, (0, 0))\nos.execv(%r, [%r] + sys.argv[1:])\n" % (sys.executable, binary(), binary()))
    wrapper.chmod(0o755)
    monkeypatch.setenv("COLA_BIN", str(wrapper))
    broker = start(says("echo one"))
    monkeypatch.undo()
    until(lambda: logs(broker, "say"), "it runs")
    before = niceness(pid_of(broker, "say"))
    cola("workers", "nice", "say", "--", str(before - 1), url=broker.unix).fails(
        NOT_PERMITTED, "does not let the server set the niceness of say", "only root", "RLIMIT_NICE")
    assert niceness(pid_of(broker, "say")) == before


# Seeing workers


def test_show_has_the_last_lines_and_the_parts_of_the_memory(start):  # noqa: F811
    broker = start(says("seq 1 30"))
    until(lambda: has(broker, "30", "say"), "it has spoken")
    name = "say/%d" % logs(broker, "say")[0]["instance"]
    shown = json.loads(cola("workers", "show", name, "--json", url=broker.unix).succeeds().out)
    assert [line["line"] for line in shown["output"]] == [str(number) for number in range(21, 31)]
    assert shown["memory"]["anonymous"] > 0 and shown["memory"]["file"] > 0 and shown["memory"]["shared"] >= 0
    assert shown["memory"]["proportional"] is None or shown["memory"]["proportional"] > 0
    assert 0 <= shown["oom-score"] <= 2000 and -1000 <= shown["oom-adjustment"] <= 1000
    text = cola("workers", "show", name, url=broker.unix).succeeds().out.decode()
    assert "oom-score: " in text and "line: 30" in text


def test_top_has_workers_below_the_queues(start):  # noqa: F811
    broker = start(textwrap.dedent("""
        naps: { queue: beds, command: [sleep, '600'], processes: 2 }
        crash: { mode: client, command: ['false'], backoff: { first: 10 min, most: 10 min } }
    """) + says("echo one"))
    publish(broker, "beds", "a", "b", "c")
    until(lambda: len(json.loads(cola("ps", "naps/*", "--json", url=broker.unix).succeeds().out)) == 2, "both run")

    def table() -> Dict[str, List[str]]:
        lines = cola("top", "--interval", "0.2", url=broker.unix).succeeds().lines()
        heading = next(index for index, line in enumerate(lines) if line.startswith("WORKER"))
        assert lines[heading].split() == [
            "WORKER", "STATES", "PROCESSES", "CPU%", "MEMORY", "MESSAGES", "AGE", "STARTS", "FAILURES", "NEXT",
            "MESSAGE"]
        assert any(line.startswith("beds") for line in lines[:heading])
        return {line.split()[0]: re.split(r"  +", line) for line in lines[heading + 1:]}

    until(lambda: table()["naps"][1] == "2 running" and table()["crash"][9] != "-", "all is under way")
    rows = table()
    assert (rows["naps"][2], rows["naps"][5], rows["naps"][10]) == ("2", "2", "beds 0")
    assert rows["naps"][4] != "-" and re.fullmatch(r"\d+\.\d", rows["naps"][3])
    assert (rows["crash"][4], rows["crash"][8]) == ("-", "1")
    assert re.fullmatch(r"\d+m.*|\d+s", rows["crash"][9]), rows["crash"]
    assert rows["say"][1] == "1 ready" and rows["say"][5] == "0"


def test_top_shows_no_workers_to_those_who_may_not_see_them(start):  # noqa: F811
    broker = start(says("echo one"))
    assert "WORKER" not in cola("top", "--interval", "0.1", url=broker.tcp).succeeds().out.decode()
