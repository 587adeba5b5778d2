"""Fixtures: compiled programs, real servers, and a driver that does with the library what a test says."""
from __future__ import annotations

import os
import pathlib
import select
import shutil
import subprocess
import sys
import time
from typing import Callable, Iterator, List, Optional

import pytest

HERE = pathlib.Path(__file__).resolve().parent
LIBRARY = HERE.parent
REPOSITORY = LIBRARY.parents[1]
sys.path[:0] = [str(HERE), str(REPOSITORY / "Tests" / "IntegrationTests")]

from broker import Broker, new_folder  # noqa: E402

os.environ["COLA_AMQP"] = os.environ["COLA_KAFKA"] = "127.0.0.1:0"
# Every wait of a test ends, seconds.
LIMIT = 60.0
WARNINGS = "-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Werror".split()
SANITIZERS = "-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all".split()


def compilers() -> List[str]:
    """Those that there are: `CC`, cc, gcc, clang; that of the Swift toolchain, too."""
    path = os.environ.get("PATH", "") + ":/opt/swift/usr/bin"
    named = [os.environ.get("CC", ""), "cc", "gcc", "clang"]
    found = [shutil.which(name, path=path) for name in named if name]
    return list({os.path.realpath(name): name for name in found if name}.values())


def compile(output: pathlib.Path, *arguments: str, compiler: Optional[str] = None) -> pathlib.Path:
    """Fails with what the compiler says."""
    command = [compiler or compilers()[0], "-std=c11", *WARNINGS, "-I", str(LIBRARY), *arguments, "-o", str(output)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    assert done.returncode == 0, done.stdout
    return output


@pytest.fixture(scope="session")
def build(tmp_path_factory) -> Callable[..., pathlib.Path]:
    """Compiles sources, under the sanitizers, to a program. With `alone` the library is part of a source already."""
    folder, built = tmp_path_factory.mktemp("build"), {}

    def built_from(source: pathlib.Path, *arguments: str, alone: bool = False) -> pathlib.Path:
        if source not in built:
            sources = [str(source)] if alone else [str(LIBRARY / "cola.c"), str(source)]
            flags = [*SANITIZERS, "-D_POSIX_C_SOURCE=200809L", *arguments]
            built[source] = compile(folder / source.stem, *flags, *sources)
        return built[source]

    return built_from


class Driver:
    """tests/driver.c: a line in, a line out."""

    def __init__(self, program: pathlib.Path, environment=None, **options):
        self._process = subprocess.Popen(
            [str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=dict(os.environ, **(environment or {})), **options)
        self._read = b""

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, line: str) -> None:
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def line(self, limit: float = LIMIT) -> str:
        deadline = time.monotonic() + limit
        while b"\n" not in self._read:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "the driver did not answer within %g s" % limit
            data = os.read(self._process.stdout.fileno(), 1 << 20)
            assert data, "the driver ended: %s" % self._process.stderr.read().decode("utf-8", "replace")
            self._read += data
        line, _, self._read = self._read.partition(b"\n")
        return line.decode("utf-8", "replace")

    def waits(self, seconds: float) -> bool:
        """Whether there is something to read within this time."""
        return b"\n" in self._read or bool(select.select([self._process.stdout], [], [], seconds)[0])

    def ask(self, line: str, limit: float = LIMIT) -> str:
        self.send(line)
        return self.line(limit)

    def ok(self, line: str) -> str:
        """The rest of the answer, which must be ok."""
        answer = self.ask(line)
        assert answer == "ok" or answer.startswith("ok "), "%s: %s" % (line, answer)
        return answer[3:]

    def refused(self, line: str) -> str:
        """The code of the error, which must be one."""
        answer = self.ask(line)
        assert answer.startswith("err "), "%s: %s" % (line, answer)
        return answer.split(" ")[1]

    def end(self) -> None:
        """The program must end with 0: the sanitizers found nothing, leaks neither."""
        output, errors = self._process.communicate(timeout=LIMIT)
        assert self._process.returncode == 0, errors.decode("utf-8", "replace")
        assert self._read + output == b"", "it said more than it was asked"

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def driver(build) -> Iterator[Callable[..., Driver]]:
    """Starts drivers; at the end of the test each must end in order."""
    program, made = build(HERE / "driver.c"), []

    def start(**options) -> Driver:
        made.append(Driver(program, **options))
        return made[-1]

    yield start
    try:
        for one in made:
            if one._process.poll() is None:
                one.end()
    finally:
        for one in made:
            one.kill()


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    """A running server; each test uses names of its own."""
    started = Broker(new_folder())
    try:
        started.start()
        yield started
        assert started.runs(), "the server died during the tests; %s" % started.stderr()
    finally:
        started.remove()


@pytest.fixture
def new_broker() -> Iterator[Callable[..., Broker]]:
    """Starts servers for this test alone."""
    made: List[Broker] = []

    def start(*arguments: str) -> Broker:
        made.append(Broker(new_folder(), arguments))
        made[-1].start()
        return made[-1]

    yield start
    for one in made:
        one.remove()
