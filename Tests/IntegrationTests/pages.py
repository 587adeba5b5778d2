"""Runs what a page of documentation shows, as a reader would who follows it from top to bottom.

A page has a folder of its own, empty at first, which it may call /home/ana. What is done with a block of code is told
by its language:

    ```console   A line that begins with `$ ` is a command; a backslash at its end continues it. All commands of a page
                 are run by one bash, so that `cd`, `export`, `$!` and `%1` mean what they mean to a reader. The lines
                 below are what it prints, on standard output and standard error.
                   - A line of three dots stands for any lines, and `…` in a line for any text.
                   - A command that ends in `&` goes on until the page ends; then it is ended, and must end in order.
                     What is shown below it is waited for.
                   - `^C` behind the output: the command runs until it has printed that, and is interrupted. (`$!` is
                     then this command, which to a reader it is not.)
                   - A command may fail if the next one is `echo $?`, or if its output has a line `cola: …`.
                   - `$ nc -U PATH` as the first line: the rest is a session by hand (see `converse`).
    ```sh        A script; it is run by `bash -e` and must exit with 0. What it prints is not looked at.
    ```text      A drawing or an excerpt; it is not run.
    any other    Its first line, or its second below `#!`, is a comment with the name of a file: `# cola.yaml`,
                 `// app.js`. The block is written to that file. A `sh` block with a name is a file, too.

`<!-- not run: REASON -->` on the line before a block excuses it. Everything else is an error, so that nothing is left
out by mistake.

Pages show the ports that everybody has, such as 5672. Here they are replaced by free ones, and back in what is printed;
`masked` is all else that may differ from run to run. `pip install` becomes a question whether the package is there.
"""
from __future__ import annotations

import contextlib
import difflib
import errno
import importlib.util
import os
import pathlib
import random
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from broker import REPOSITORY, binary, die_with_parent
from cli import environment

# What a command may take.
SECONDS = 60.0
READERS_HOME = "/home/ana"
PORTS = {"native": 7672, "another native": 7673, "amqp": 5672, "amqps": 5671, "kafka": 9092,
         "another kafka": 9093, "http": 15672}
PYTHON_PATH = {"PYTHONPATH": str(REPOSITORY / "clients" / "python")}


class PageError(AssertionError):
    """The page does not do what it shows."""


class Unavailable(Exception):
    """The page needs a package that is not installed here."""


# Reading a page


class Block(NamedTuple):
    """A block of code: where it is, what language it names, its lines, and why it is not run, if it says so."""

    page: str
    line: int
    language: str
    lines: List[str]
    excuse: str

    @property
    def place(self) -> str:
        return "%s:%d" % (self.page, self.line)


class Step(NamedTuple):
    """A command of a console block, what it prints, and whether it is interrupted then."""

    line: int
    command: str
    shown: List[str]
    is_interrupted: bool

    @property
    def goes_on(self) -> bool:
        return re.search(r"(?<!&)&\s*(#.*)?$", self.command) is not None


EXCUSE = re.compile(r"\s*<!-- not run: (\S.*) -->\s*$")
FENCE = re.compile(r"^( *)(```+)(.*)$")
FILE_NAME = re.compile(r"^(?:#|//|/\*|--|;) ?(/?(?:[\w-]+/)*[\w-]*(?:\.[\w-]+)+)(?=[\s,:]|$)")


def blocks_of(path: pathlib.Path, name: str = "") -> List[Block]:
    """All blocks of a page, in order."""
    name = name or path.name
    found: List[Block] = []
    lines = path.read_text(encoding="utf-8").splitlines()
    index = 0
    while index < len(lines):
        fence = FENCE.match(lines[index])
        index += 1
        if not fence:
            continue
        start, indent, marks = index, len(fence.group(1)), fence.group(2)
        while index < len(lines) and lines[index].strip() != marks:
            index += 1
        if index == len(lines):
            raise PageError("%s:%d: the block has no end" % (name, start))
        excuse = EXCUSE.match(lines[start - 2]) if start > 1 else None
        body = [line[indent:] if not line[:indent].strip() else line for line in lines[start:index]]
        found.append(Block(name, start, fence.group(3).strip(), body, excuse.group(1) if excuse else ""))
        index += 1
    return found


def file_name(block: Block) -> Optional[str]:
    """The name of the file that the block is, which its first comment says."""
    lines = [line for line in block.lines[:2] if not line.startswith("#!")]
    match = FILE_NAME.match(lines[0]) if lines else None
    if match and match.group(1).startswith("/"):
        raise PageError("%s: %s is not in the page's folder" % (block.place, match.group(1)))
    return match.group(1) if match else None


def steps_of(block: Block) -> List[Step]:
    """The commands of a console block."""
    found: List[Step] = []
    lines = iter(enumerate(block.lines, block.line + 1))
    for number, line in lines:
        if line.startswith("$ "):
            command = line[2:]
            while command.endswith("\\"):
                command += "\n" + next(lines, (0, ""))[1]
            found.append(Step(number, command, [], False))
        elif not found:
            raise PageError("%s: a console block begins with a command: `$ …`" % block.place)
        elif line == "^C":
            found[-1] = found[-1]._replace(is_interrupted=True)
        elif found[-1].is_interrupted:
            raise PageError("%s:%d: nothing comes after ^C but the next command" % (block.page, number))
        else:
            found[-1].shown.append(line)
    return found


# What differs from run to run

MASKS = [
    (re.compile(r"1\d{12}(?!\d)"), "TIME"),
    (re.compile(r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d(?:\.\d+)?Z?"), r"DATE\1TIME"),
    (re.compile(r"cola-id=\S+"), "cola-id=ID"),
    (re.compile(r"\b(pid|uid|connection) \d+"), r"\1 N"),
    (re.compile(r"\bconsumer \d+-"), "consumer N-"),
    (re.compile(r'("(?:pid|connection)":)\d+'), r"\1N"),
    (re.compile(r'("peer":)"[^"]*"'), r"\1PEER"),
    (re.compile(r"(?<![\w.])\d+(?:\.\d+)? ?(?:ms|µs|s|min|h|d)(?![\w/])(?: \d+ ?(?:s|min|h)(?![\w/]))?"), "DURATION"),
    (re.compile(r"(?<![\w.])\d+(?:\.\d+)? ?(?:[KMG]iB|[KMG])(?!\w)"), "SIZE"),
    (re.compile(r"(?<![\w.])\d+(?:\.\d+)?/s\b"), "RATE"),
    (re.compile(r"^ok size=\d+$"), "ok size=N"),
    # How wide a column is depends on what is in it.
    (re.compile(r" {2,}"), "  "),
    (re.compile(r"-{3,}"), "---"),
]
# Columns of tables in which everything but `-` differs.
VARYING = {
    "PID", "PARENT", "THREADS", "FILES", "CONNECTION", "CPU%", "MEMORY", "SINCE", "AGE", "OLDEST", "IN/s", "OUT/s",
    "ACK/s"}
HEADING = re.compile(r"^ *[A-Z][A-Z%/ -]*(?:/s)?(?: {2,}[A-Z][A-Z%/ -]*(?:/s)?)+$")


def masked(line: str) -> str:
    """A line without what differs from run to run: times, ids, processes, durations, sizes of memory, rates."""
    for pattern, instead in MASKS:
        line = pattern.sub(instead, line)
    return line


def masked_all(lines: Iterable[str]) -> List[str]:
    """The same for lines of output, in which tables have columns that differ."""
    found: List[str] = []
    heading: List[str] = []
    for line in lines:
        if HEADING.match(line):
            heading = re.split(" {2,}", line.strip())
        cells = re.split(" {2,}", line.strip())
        if heading and len(cells) == len(heading) and cells != heading:
            cells = ["*" if name in VARYING and cell != "-" else cell for name, cell in zip(heading, cells)]
            line = "  ".join(cells)
        elif cells == heading:
            line = "  ".join(cells)
        found.append(masked(line).rstrip())
    return found


def shown_pattern(shown: Sequence[str]) -> str:
    """An expression for what may stand for the lines that a page shows."""
    parts: List[str] = []
    for line in masked_all(shown):
        if line == "...":
            parts.append("(?:.*\n)*?")
        else:
            parts.append(".*".join(re.escape(part) for part in line.split("…")) + "\n")
    return "".join(parts)


def agrees(shown: Sequence[str], printed: Sequence[str], is_all: bool = True) -> bool:
    """Whether these lines are what the page shows; or, while a command still runs, begin with it."""
    text = "".join(line + "\n" for line in masked_all(printed))
    compare = re.fullmatch if is_all else re.match
    return compare(shown_pattern(shown), text) is not None


# A session by hand


def has_body(line: str) -> bool:
    return line.startswith("msg ") or " size=" in line


def exchanges(lines: Iterable[str]) -> List[Tuple[str, List[List[str]]]]:
    """A session by hand: what is typed up to an answer, and the lines that answer it, each with its body."""
    found: List[Tuple[str, List[List[str]]]] = [("", [])]
    rest = iter(lines)
    for line in rest:
        if line.startswith(("ok", "msg ", "assigned ", "err ")):
            found[-1][1].append([line, next(rest)] if has_body(line) else [line])
        elif found[-1][1]:
            found.append((line + "\n", []))
        else:
            found[-1] = (found[-1][0] + line + "\n", [])
    return found


def heard(stream) -> List[str]:
    """One line of the server, with its body."""
    line = stream.readline().rstrip("\n")
    assert line, "the server closed the connection"
    return [line, stream.readline().rstrip("\n")] if has_body(line) else [line]


def converse(path: pathlib.Path, lines: Iterable[str]) -> List[str]:
    """Types a session at a server's socket, and compares its answers with those of the page.

    Lines that begin with `ok`, `msg`, `assigned` or `err`, and the bodies behind them, are the server's. Deliveries may
    come before or behind the answer. Gives what was typed and heard.
    """
    record: List[str] = []
    with socket.socket(socket.AF_UNIX) as opened:
        opened.settimeout(10)
        opened.connect(str(path))
        answers = opened.makefile("r", newline="\n")
        # The name that the server chooses for a queue, on the page and here.
        shown_name = chosen = ""
        for typed, shown in exchanges(lines):
            typed = typed.replace(shown_name, chosen)
            opened.sendall(typed.encode())
            found = [heard(answers) for _ in shown]
            record += typed.splitlines() + [part for one in found for part in one]
            if found and found[0][0].startswith("ok name="):
                shown_name, chosen = shown[0][0][len("ok name="):], found[0][0][len("ok name="):]
            expected = [[masked(part.replace(shown_name, chosen)) for part in one] for one in shown]
            assert sorted([masked(part) for part in one] for one in found) == sorted(expected), typed
        assert answers.readline() == "", "the connection is still open"
    return record


# The folder and the shell of a reader


@contextlib.contextmanager
def short_folder() -> Iterator[pathlib.Path]:
    """The path of a Unix socket has at most 107 bytes."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cola-"))
    try:
        yield folder
    finally:
        shutil.rmtree(str(folder), ignore_errors=True)


def end(process: subprocess.Popen) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def newcomers_environment(programs: pathlib.Path, home: pathlib.Path, more: Dict[str, str]) -> Dict[str, str]:
    """`cola` and `python3` in PATH, an empty HOME, the Python client, and no settings but these."""
    programs.mkdir()
    (programs / "cola").symlink_to(binary())
    python = programs / "python3"
    python.write_text("#!/bin/sh\nexec %s \"$@\"\n" % shlex.quote(sys.executable))
    python.chmod(0o755)
    variables = environment(None, dict(PYTHON_PATH, HOME=str(home)))
    variables.update(more)
    variables["PATH"] = "%s:%s:%s" % (programs, pathlib.Path(sys.executable).parent, os.environ["PATH"])
    return variables


def members_of(session: int) -> List[int]:
    """The processes of a session."""
    found: List[int] = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError), open("/proc/%s/stat" % entry) as file:
                fields = file.read().rpartition(")")[2].split()
                if int(fields[3]) == session and fields[0] not in "ZX":
                    found.append(int(entry))
    return found


def kill_session(session: int) -> None:
    """Ends all processes of a session, and those that they start meanwhile."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        left = members_of(session)
        if not left:
            return
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.01)


# Reads names of commands, runs them one after the other, and answers with the exit code and `$!`.
BASH = """
set -m -o pipefail
page_code=0
while IFS= read -r -u %(commands)d page_command; do
    (exit "$page_code")
    . "$page_command" >>"$page_command.out" 2>&1 </dev/null %(answers)d>&- %(commands)d<&-
    page_code=$?
    printf '%%s %%s\\n' "$page_code" "${!:-0}" >&%(answers)d
done
"""
# What bash says of a job that ended; below which command it says it is chance.
OF_A_JOB = re.compile(r"^(\S+: line \d+: +\d+|\[\d+\][+-]?) +(Killed|Terminated|Hangup|Interrupt|Done|Exit \d+)\b")


class Job(NamedTuple):
    """A command that goes on behind the page's back."""

    step: Step
    process: int


class Bash:
    """The one shell of a page. Nothing that it started outlives it, nor a test run that is killed."""

    def __init__(self, folder: pathlib.Path, home: pathlib.Path, variables: Dict[str, str]):
        self.folder = folder
        self.count = 0
        self.last_background = 0
        commands, self.commands = os.pipe()
        self.answers, answers = os.pipe()
        try:
            self.process = subprocess.Popen(
                ["bash", "--norc", "-c", BASH % {"commands": commands, "answers": answers}],
                cwd=str(home), env=variables, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True, pass_fds=[commands, answers], preexec_fn=die_with_parent)
        finally:
            os.close(commands)
            os.close(answers)
        self.watcher = subprocess.Popen([sys.executable, __file__, str(self.process.pid)], stdin=subprocess.PIPE)

    def begin(self, command: str) -> pathlib.Path:
        """Has bash start a command; gives the file of its output."""
        self.count += 1
        file = self.folder / str(self.count)
        file.write_text(command + "\n")
        output = self.folder / (file.name + ".out")
        output.touch()
        os.write(self.commands, (str(file) + "\n").encode())
        return output

    def answer(self, timeout: float) -> Tuple[int, int]:
        """The exit code of what was begun, and the last process in the background, if it is a new one, else 0."""
        ready, _, _ = select.select([self.answers], [], [], timeout)
        if not ready:
            raise PageError("it took longer than %g s" % timeout)
        line = os.read(self.answers, 100).decode()
        if not line:
            raise PageError("it ended the shell")
        code, process = [int(word) for word in line.split()]
        is_new = process != self.last_background
        self.last_background = process
        return code, process if is_new else 0

    def working_folder(self) -> pathlib.Path:
        return pathlib.Path(os.readlink("/proc/%d/cwd" % self.process.pid))

    def close(self) -> None:
        kill_session(self.process.pid)
        # The watcher looks for the session as well, whose number belongs to nobody else until bash has been waited for.
        assert self.watcher.stdin is not None
        self.watcher.stdin.close()
        self.watcher.wait(20)
        self.process.wait(10)
        os.close(self.commands)
        os.close(self.answers)


def is_alive(process: int) -> bool:
    try:
        with open("/proc/%d/stat" % process) as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


# Running a page


class Port:
    """A port that nobody listens on and no other page has, with as many digits as the one that is shown."""

    def __init__(self, digits: int):
        choice = random.SystemRandom()
        while True:
            # Below those that the kernel gives to whoever asks for any.
            self.number = choice.randrange(1100, 9999) if digits == 4 else choice.randrange(10_000, 32_000)
            self.claim = socket.socket(socket.AF_UNIX)
            if self.number not in PORTS.values() and self.is_claimed() and self.is_free():
                return
            self.claim.close()

    def is_claimed(self) -> bool:
        """A name without a file belongs to one process of the machine, as long as it lives."""
        try:
            self.claim.bind("\0cola-page-%d" % self.number)
            return True
        except OSError:
            return False

    def is_free(self) -> bool:
        for family, address in [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]:
            try:
                with contextlib.closing(socket.socket(family)) as probe:
                    probe.bind((address, self.number))
            except OSError as error:
                if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    return False
        return True


# Names of packages that are imported by another name; the client of this repository is in PYTHONPATH.
MODULES = {"clients/python": "cola", "cola-queue": "cola", "kafka-python": "kafka"}
INSTALL = re.compile(r"^(?:python3 -m )?pip3? install (.+)$", re.MULTILINE)


def check_packages(install: "re.Match[str]") -> str:
    """`pip install NAME` becomes nothing where NAME is there."""
    for word in shlex.split(install.group(1), comments=True):
        if word.startswith("-"):
            continue
        package = re.split(r"[\[<>=~!]", word)[0]
        module = next((name for end, name in MODULES.items() if package.rstrip("/").endswith(end)), package)
        if importlib.util.find_spec(module.replace("-", "_")) is None:
            raise Unavailable("pip install %s" % package)
    return ":"


class PageRun:
    """One reader of one page."""

    def __init__(self, base: pathlib.Path, blocks: Sequence[Block], transcript: Optional[pathlib.Path] = None):
        self.base = base
        self.home = base / "ana"
        self.home.mkdir()
        (base / "commands").mkdir()
        self.blocks = blocks
        self.transcript = transcript
        self.record: List[str] = []
        self.jobs: List[Job] = []
        self.kills = False
        self.claims = {shown: Port(len(str(shown))) for shown in PORTS.values()}
        self.ports = {shown: port.number for shown, port in self.claims.items()}
        # Listeners are settings, too, and a page may set them in a file.
        text = "\n".join(line for block in blocks for line in block.lines)
        variables: Dict[str, str] = {}
        for setting, host in [("native", "127.0.0.1"), ("amqp", "localhost"), ("kafka", "localhost")]:
            if not re.search(r"^%s:" % setting, text, re.MULTILINE):
                variables["COLA_" + setting.upper()] = "%s:%d" % (host, self.ports[PORTS[setting]])
        if os.getuid() == 0:
            variables["COLA_WORKERS_AS_ROOT"] = "yes"
        self.environment = newcomers_environment(base / "bin", self.home, variables)
        for name in ["COLA_AMQP", "COLA_KAFKA"]:
            if name not in variables:
                del self.environment[name]
        self.bash: Optional[Bash] = None

    def run(self) -> None:
        """Does all that the page shows. Raises PageError if something comes out differently."""
        try:
            for block in self.blocks:
                self.run_block(block)
            self.end_jobs()
        finally:
            if self.bash:
                self.bash.close()
            for port in self.claims.values():
                port.claim.close()
            if self.transcript and self.record:
                self.transcript.parent.mkdir(parents=True, exist_ok=True)
                self.transcript.write_text("".join(line + "\n" for line in self.record), encoding="utf-8")

    def run_block(self, block: Block) -> None:
        if block.excuse:
            return self.record.append("# %s is not run: %s" % (block.place, block.excuse))
        if block.language == "text":
            return
        if not block.language:
            raise PageError("%s: the block names no language; `text` is for what is not run" % block.place)
        if block.language == "console":
            if block.lines and block.lines[0].startswith("$ nc -U "):
                return self.talk(block)
            return self.run_console(block)
        name = file_name(block)
        if name:
            return self.write(block, name)
        if block.language == "sh":
            return self.run_script(block)
        raise PageError(
            "%s: a block of %s begins with a comment that names its file, or stands below `<!-- not run: REASON -->`"
            % (block.place, block.language))

    def shell(self) -> Bash:
        if not self.bash:
            self.bash = Bash(self.base / "commands", self.home, self.environment)
        return self.bash

    # Blocks

    def write(self, block: Block, name: str) -> None:
        path = self.shell().working_folder() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.outwards("".join(line + "\n" for line in block.lines)), encoding="utf-8")
        path.chmod(0o755 if block.language == "sh" or block.lines[0].startswith("#!") else 0o644)
        self.record.append("# %s is written" % name)

    def run_script(self, block: Block) -> None:
        file = self.base / "commands" / ("script-%d" % block.line)
        file.write_text(INSTALL.sub(check_packages, self.outwards("\n".join(block.lines) + "\n")))
        self.record += ["# script"] + block.lines
        code, _, output = self.complete(block.place, "bash -e -o pipefail %s" % shlex.quote(str(file)))
        lines = self.inwards(output)
        self.record += lines
        if code != 0:
            raise PageError("%s: the script ended with exit code %d:\n%s" % (block.place, code, "\n".join(lines)))

    def talk(self, block: Block) -> None:
        path = self.shell().working_folder() / block.lines[0][len("$ nc -U "):].strip()
        try:
            self.record += [block.lines[0]] + converse(path, block.lines[1:])
        except (AssertionError, OSError) as error:
            raise PageError("%s: %s" % (block.place, error)) from error

    def run_console(self, block: Block) -> None:
        steps = steps_of(block)
        for step, following in zip(steps, [*steps[1:], None]):
            place = "%s:%d: `%s`" % (block.page, step.line, step.command)
            self.record += ["$ " + step.command]
            self.kills = self.kills or re.search(r"\bkill\b", step.command) is not None
            command = INSTALL.sub(check_packages, self.outwards(step.command))
            if step.goes_on:
                self.begin_job(place, step, command)
            elif step.is_interrupted:
                self.interrupt(place, step, command)
            else:
                may_fail = following is not None and following.command.strip() == "echo $?"
                self.complete_step(place, step, command, may_fail, is_install=command != self.outwards(step.command))

    def complete_step(self, place: str, step: Step, command: str, may_fail: bool, is_install: bool) -> None:
        code, _, output = self.complete(place, command)
        lines = self.inwards(output)
        self.record += lines
        may_fail = may_fail or any(line.startswith("cola: ") for line in step.shown)
        if code != 0 and not may_fail:
            raise PageError("%s ended with exit code %d:\n%s" % (place, code, "\n".join(lines)))
        if not is_install and not self.is_shown(step.shown, output):
            raise PageError(difference(place, step.shown, lines))

    def begin_job(self, place: str, step: Step, command: str) -> None:
        code, process, output = self.complete(place, command)
        if code != 0 or process == 0:
            raise PageError("%s did not go into the background" % place)
        self.jobs.append(Job(step, process))
        self.wait_for_shown(place, step, process, output)
        self.record += self.inwards(output)

    def interrupt(self, place: str, step: Step, command: str) -> None:
        _, process, output = self.complete(place, "{ %s\n} &" % command)
        self.wait_for_shown(place, step, process, output)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGINT)
        code, _, _ = self.complete(place, "wait %d" % process)
        self.record += [*self.inwards(output), "^C"]
        if code not in (0, 128 + signal.SIGINT):
            raise PageError("%s, interrupted, ended with exit code %d" % (place, code))

    def complete(self, place: str, command: str) -> Tuple[int, int, pathlib.Path]:
        """Runs a command to its end."""
        output = self.shell().begin(command)
        try:
            return (*self.shell().answer(SECONDS), output)
        except PageError as error:
            lines = self.inwards(output)
            self.record += lines
            raise PageError("%s: %s; it printed:\n%s" % (place, error, "\n".join(lines))) from None

    def wait_for_shown(self, place: str, step: Step, process: int, output: pathlib.Path) -> None:
        if not step.shown:
            return
        deadline = time.monotonic() + SECONDS
        is_running = True
        while not self.is_shown(step.shown, output, is_all=False):
            if time.monotonic() > deadline or not is_running:
                raise PageError(difference(place, step.shown, self.inwards(output)))
            is_running = is_alive(process)
            time.sleep(0.02)

    def end_jobs(self) -> None:
        """Ends what goes on, the last first; nothing may have failed."""
        for job in reversed(self.jobs):
            place = "`%s`" % job.step.command
            was_alive = is_alive(job.process)
            if was_alive:
                for signal_ in (signal.SIGTERM, signal.SIGCONT):
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(os.getpgid(job.process), signal_)
            code, _, _ = self.complete(place, "wait %d" % job.process)
            # 127: the page itself has waited for it.
            allowed = {0, 128 + signal.SIGTERM} if was_alive else {0, 127}
            if self.kills:
                allowed |= {128 + signal.SIGTERM, 128 + signal.SIGKILL, 128 + signal.SIGINT}
            if code not in allowed:
                raise PageError("%s %s with exit code %d" % (place, "ended" if was_alive else "had ended", code))

    # What is shown, and what is

    def outwards(self, text: str) -> str:
        """A page's text with the ports and the folder of this run."""
        for shown, port in self.ports.items():
            text = re.sub(r"(?<![\d.])%d(?![\d.])" % shown, str(port), text)
        return text.replace(READERS_HOME, str(self.home))

    def inwards(self, output: pathlib.Path, ports: bool = True) -> List[str]:
        """What was printed, with the ports and the folder of the page."""
        text = output.read_text(encoding="utf-8", errors="replace").replace(str(self.home), READERS_HOME)
        if ports:
            for shown, port in self.ports.items():
                text = re.sub(r"(?<![\d.])%d(?!\d)" % port, str(shown), text)
        return [line for line in text.splitlines() if not OF_A_JOB.match(line)]

    def is_shown(self, shown: Sequence[str], output: pathlib.Path, is_all: bool = True) -> bool:
        """Whether that was printed; a number that happens to be a port of this run may be itself."""
        return any(agrees(shown, self.inwards(output, ports), is_all) for ports in (True, False))


def difference(place: str, shown: Sequence[str], printed: Sequence[str]) -> str:
    # What is repeated until somebody interrupts it may be long.
    printed = printed if len(printed) <= 100 else ["…", *printed[-100:]]
    lines = difflib.unified_diff(masked_all(shown), masked_all(printed), "shown", "printed", lineterm="", n=100)
    return "%s printed something else, or not all; after masking:\n%s\nas printed:\n%s" % (
        place, "\n".join(lines), "\n".join(printed))


def run_page(path: pathlib.Path, name: str = "", transcript: Optional[pathlib.Path] = None) -> None:
    """Runs a page in a fresh folder."""
    with short_folder() as base:
        PageRun(base, blocks_of(path, name), transcript).run()


def main() -> None:
    """The watcher of a session: waits until whoever started it is gone or closes the pipe, and ends what is left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdin.read()
    kill_session(int(sys.argv[1]))


if __name__ == "__main__":
    main()
