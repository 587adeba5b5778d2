"""The examples, and the program of the README, as a user has them; and compilers that have nothing to say."""
from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import subprocess
import time
from typing import List

import pytest

import native
from conftest import HERE, LIBRARY, LIMIT, WARNINGS, compilers

EXAMPLES = LIBRARY / "examples"


def run(program: pathlib.Path, *arguments: str, url: str, typed: str = "") -> subprocess.CompletedProcess:
    return subprocess.run([str(program), *arguments], input=typed, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=dict(os.environ, COLA_URL=url), timeout=LIMIT)


def bodies(url: str, queue: str) -> List[str]:
    found = []
    with native.Connection(url) as connection:
        while True:
            answer = connection.ok("get " + queue)
            if "empty" in answer.options:
                return found
            found.append(answer.body.decode())


def until(question, seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not question():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("compiler", compilers())
@pytest.mark.parametrize("flags", [["-O2"], ["-O0", "-D_GNU_SOURCE"], ["-O3", "-D_FORTIFY_SOURCE=2"], ["-m32", "-O2"]],
                         ids=lambda flags: flags[-1])
def test_compilers_warn_of_nothing(tmp_path, compiler, flags):
    source = tmp_path / "empty.c"
    source.write_text("#include <stdint.h>\n#include <sys/socket.h>\nint main(void) { return 0; }\n")
    can = subprocess.run([compiler, *flags, str(source), "-o", str(tmp_path / "empty")], stderr=subprocess.PIPE)
    if can.returncode != 0:
        pytest.skip("this compiler cannot %s" % " ".join(flags))
    done = subprocess.run([compiler, "-std=c11", *WARNINGS, *flags, "-c", str(LIBRARY / "cola.c"), "-o",
                           str(tmp_path / "cola.o")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0 and done.stdout == ""


def test_the_library_names_nothing_that_is_not_cola(tmp_path):
    library = str(tmp_path / "cola.o")
    subprocess.run([compilers()[0], "-std=c11", "-O2", "-c", str(LIBRARY / "cola.c"), "-o", library], check=True)
    names = subprocess.run(["nm", "--defined-only", library], stdout=subprocess.PIPE, text=True, check=True)
    defined = [line.split()[1:] for line in names.stdout.splitlines()]
    # No state: code and constants (of which those with addresses are relocated), neither data nor bss.
    assert {kind for kind, _ in defined} <= set("Ttrd")
    assert {name for kind, name in defined if kind == "d"} <= {"code_names", "others.0"}
    declared = set(re.findall(r"^[a-z].*?\b(cola_[a-z_]+)\(", (LIBRARY / "cola.h").read_text(), re.MULTILINE))
    assert {name for kind, name in defined if kind == "T"} == declared - {"cola_text", "cola_refused"}


def test_the_program_of_the_readme(broker, build, tmp_path):
    page = (LIBRARY / "README.md").read_text()
    source = tmp_path / "hello.c"
    source.write_text(re.search(r"```c\n(.*?)```", page, re.DOTALL)[1])
    done = run(build(source), url=broker.unix)
    assert (done.returncode, done.stdout, done.stderr) == (0, "world (en)\n", "")
    done = run(build(source), url="unix:/nowhere/s")
    assert done.returncode == 1 and done.stderr.startswith("unreachable: no server answers at unix:/nowhere/s")


def test_producer(broker, build):
    program = build(EXAMPLES / "producer.c")
    done = run(program, "lines", url=broker.unix, typed="one\n\nthree")
    assert (done.returncode, done.stdout) == (0, "3 of 3 lines are confirmed\n"), done.stderr
    assert bodies(broker.unix, "lines") == ["one", "", "three"]
    with native.Connection(broker.unix) as connection:
        connection.ok("policy short pattern=^short$ max-length=2 overflow=reject-publish")
    done = run(program, "short", url=broker.unix, typed="1\n2\n3\n")
    assert (done.returncode, done.stdout) == (1, "2 of 3 lines are confirmed\n")
    assert done.stderr.startswith("producer: line 3 was refused: ")
    assert run(program, url=broker.unix).returncode == 64
    assert run(program, "q", url="unix:/nowhere/s").returncode == 69


def test_worker_by_itself(broker, build):
    with native.Connection(broker.unix) as connection:
        connection.ok("declare queue texts")
        for text in ("a b c", "", " two  words\n"):
            connection.ok("pub texts %d" % len(text), text.encode())
    process = subprocess.Popen([str(build(EXAMPLES / "worker.c")), "texts", "counts"], stderr=subprocess.PIPE,
                               text=True, env=dict(os.environ, COLA_URL=broker.unix))
    try:
        with native.Connection(broker.unix) as connection:
            def ready(queue: str) -> int:
                return [row["messages"] for row in connection.ok("list queues").json() if row["name"] == queue] == [3]
            assert until(lambda: ready("counts"))
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=LIMIT)
        assert process.returncode == 0, errors
    finally:
        process.kill()
    assert sorted(bodies(broker.unix, "counts")) == ["0 words", "2 words", "3 words"]


def test_worker_that_the_server_runs(new_broker, build, tmp_path):
    program = build(EXAMPLES / "worker.c")
    configuration = tmp_path / "cola.yaml"
    configuration.write_text(
        "workers:\n  words:\n    queue: texts\n    mode: client\n    command: ['%s']\n    processes: 2\n"
        "    prefetch: 3\n    environment: {RESULTS: counts}\n" % program)
    configuration.chmod(0o600)
    server = new_broker("--config", str(configuration), "--workers-as-root", "yes")
    with native.Connection(server.unix) as connection:
        def connected() -> List[str]:
            rows = connection.ok("list connections").json()
            return sorted(row["worker"] for row in rows if row["worker"])
        assert until(lambda: len(connected()) == 2), server.stderr()
        # The token has tied each to its process.
        assert [name.partition("/")[0] for name in connected()] == ["words", "words"]
        for number in range(20):
            connection.ok("pub texts %d" % (5 * number), b"word " * number)

        def rows(of: str, name: str, queue: str, member: str) -> List[int]:
            return [row[member] for row in connection.ok("list " + of).json() if row[name] == queue]

        assert until(lambda: rows("queues", "name", "counts", "ready") == [20])
        assert rows("consumers", "queue", "texts", "prefetch") == [3, 3]
        connection.ok("worker stop words")
        assert until(lambda: connected() == [])
    assert sorted(bodies(server.unix, "counts")) == sorted("%d words" % number for number in range(20))
    assert server.terminate().code == 0


def test_sums(broker, build):
    program = build(EXAMPLES / "sums.c")
    server = subprocess.Popen([str(program), "serve"], env=dict(os.environ, COLA_URL=broker.unix))
    try:
        assert run(program, "ask", "2", "40", url=broker.unix).stdout == "42\n"
        assert run(program, "ask", "-5", "5", url=broker.unix).stdout == "0\n"
    finally:
        server.kill()
        server.wait()
    assert run(program, "ask", "2", url=broker.unix).returncode == 64
