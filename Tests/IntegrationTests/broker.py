"""A real `cola serve` as a child process: started, watched, killed, and never left behind."""
from __future__ import annotations

import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from typing import Dict, List, NamedTuple, Optional, Sequence

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def binary() -> str:
    """The executable under test: `COLA_BIN`, else the release build, else the debug build."""
    named = os.environ.get("COLA_BIN")
    candidates = [named] if named else [str(REPOSITORY / ".build" / kind / "cola") for kind in ("release", "debug")]
    for candidate in candidates:
        if os.access(candidate, os.X_OK) and os.path.isfile(candidate):
            return candidate
    raise FileNotFoundError("no executable at %s: run `swift build`, or set COLA_BIN" % " or ".join(candidates))


def new_folder() -> pathlib.Path:
    """A fresh folder on a real disk (power loss means nothing on tmpfs): in `COLA_TEST_TMP`, else `.build-test`."""
    parent = pathlib.Path(os.environ.get("COLA_TEST_TMP") or REPOSITORY / ".build-test").absolute()
    parent.mkdir(parents=True, exist_ok=True)
    return pathlib.Path(tempfile.mkdtemp(dir=str(parent)))


def die_with_parent() -> None:
    """Runs in the child between fork and exec: a killed test run leaves no server behind."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # Whoever is started in the background by a shell has inherited that it is ignored.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def halt(pid: int, deadline: float = 20.0) -> None:
    """Halts a process, and returns when each of its threads stands still, which a busy machine takes its time to do.

    The signal is only sent when `kill` returns: a thread on another core may run on and answer meanwhile.
    """
    os.kill(pid, signal.SIGSTOP)
    end = time.monotonic() + deadline
    while not all(path.read_text().rpartition(") ")[2][0] in "Tt"
                  for path in pathlib.Path("/proc/%d/task" % pid).glob("*/stat")):
        assert time.monotonic() < end, "process %d did not stop in %g s" % (pid, deadline)
        time.sleep(0.001)


class Exit(NamedTuple):
    """How a process ended. `code` is negative for a signal, as subprocess has it."""

    code: int
    stderr: str
    seconds: float


class Broker:
    """One data directory, and the server that runs on it from time to time.

    The socket lies in a short folder of its own, because the path of a Unix socket has at most 107 bytes.
    """

    def __init__(
        self, folder: pathlib.Path, arguments: Sequence[str] = (), environment: Optional[Dict[str, str]] = None
    ):
        self.folder = folder
        self.data = folder / "data"
        self.arguments = list(arguments)
        self.environment = dict(environment or {})
        self.native = "127.0.0.1:0"
        self.socket_folder = tempfile.mkdtemp(prefix="cola-")
        self.socket = self.socket_folder + "/s"
        self.unix = "unix://" + self.socket
        self.tcp = ""
        self.amqp = ""
        self.amqps = ""
        self.kafka = ""
        self.process: Optional[subprocess.Popen] = None
        self.recoveries: List[float] = []
        self._starts = 0

    # Life

    def start(self, deadline: float = 30.0, extra: Sequence[str] = ()) -> float:
        """Starts the server and waits until it accepts connections; returns the seconds that took."""
        begun = time.monotonic()
        self.spawn(extra)
        line = self._ready_line(begun + deadline)
        seconds = time.monotonic() - begun
        words = line.split(" ")
        assert words[:2] == ["cola", "ready"], "the first line on stdout is not the ready line: %r" % line
        addresses = dict(word.partition("=")[::2] for word in words[2:])
        self.tcp = addresses.get("native", "")
        self.amqp = addresses.get("amqp", "")
        self.amqps = addresses.get("amqps", "")
        self.kafka = addresses.get("kafka", "")
        self.recoveries.append(seconds)
        return seconds

    def spawn(self, extra: Sequence[str] = ()) -> subprocess.Popen:
        assert self.process is None or self.process.poll() is not None, "it runs already"
        self._starts += 1
        command = [binary(), "serve", "--data-dir", str(self.data), "--socket", self.socket, "--native", self.native]
        with open(self._stderr_path(), "wb") as stderr:
            self.process = subprocess.Popen(
                command + self.arguments + list(extra), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
                env=dict(os.environ, **self.environment), start_new_session=True, preexec_fn=die_with_parent)
        return self.process

    def refuse(self, extra: Sequence[str] = (), deadline: float = 20.0) -> Exit:
        """Starts a server that must not come up; returns how it ended."""
        begun = time.monotonic()
        process = self.spawn(extra)
        try:
            output, _ = process.communicate(timeout=deadline)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the server runs, but should have refused to start; %s" % self.stderr()) from None
        assert b"cola ready" not in output, "it said that it was ready: %r" % output
        return Exit(process.returncode, self.stderr(), time.monotonic() - begun)

    def kill(self) -> None:
        """kill -9 to the whole process group, and waits for the end."""
        if self.process is None:
            return
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)
        if self.process.stdout:
            self.process.stdout.close()

    def terminate(self, deadline: float = 20.0) -> Exit:
        """SIGTERM, and how the server ended."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.wait(deadline)

    def wait(self, deadline: float) -> Exit:
        """Waits for the server to end by itself."""
        assert self.process is not None
        begun = time.monotonic()
        try:
            code = self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            raise AssertionError("the server did not end within %g s; %s" % (deadline, self.stderr())) from None
        seconds = time.monotonic() - begun
        self.kill()
        return Exit(code, self.stderr(), seconds)

    def remove(self) -> None:
        """Ends the process if it runs, and deletes every file."""
        self.kill()
        shutil.rmtree(self.socket_folder, ignore_errors=True)
        shutil.rmtree(str(self.folder), ignore_errors=True)

    # Looking

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stderr(self) -> str:
        with open(self._stderr_path(), "rb") as file:
            return file.read().decode("utf-8", "replace")

    def resident_bytes(self) -> int:
        with open("/proc/%d/statm" % self.pid) as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self) -> float:
        with open("/proc/%d/stat" % self.pid) as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def database(self) -> pathlib.Path:
        """The SQLite file that is in use (backups and copies of it may lie beside it)."""
        usual = self.data / "cola.db"
        if usual.exists():
            return usual
        found = [path for path in sorted(self.data.rglob("*")) if path.is_file() and starts_as_sqlite(path)]
        assert len(found) == 1, "not exactly one SQLite file in %s: %s" % (self.data, found)
        return found[0]

    # Inside

    def _stderr_path(self) -> str:
        return "%s/stderr-%d" % (self.socket_folder, self._starts)  # not beside the data: that disk may be full

    def _ready_line(self, deadline: float) -> str:
        assert self.process is not None and self.process.stdout is not None
        stdout, lines, first = self.process.stdout, [], threading.Event()

        def read() -> None:  # goes on until the end of the stream, so that the server never blocks on its stdout
            try:
                for line in stdout:
                    lines.append(line.decode().rstrip("\n"))
                    first.set()
            except ValueError:
                pass  # closed by `kill` meanwhile
            first.set()

        threading.Thread(target=read, daemon=True).start()
        if not first.wait(max(0.0, deadline - time.monotonic())) or not lines:
            ended = self.process.poll()
            self.kill()
            raise AssertionError("not ready in time (exit code %s); its stderr: %s" % (ended, self.stderr()))
        return lines[0]


def starts_as_sqlite(path: pathlib.Path) -> bool:
    with open(path, "rb") as file:
        return file.read(16) == b"SQLite format 3\0"
