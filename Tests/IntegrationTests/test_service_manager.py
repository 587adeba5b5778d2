"""What systemd and its like say to a server that they start, and what they hear of it.

The environment is the one of sd_listen_fds(3), sd_notify(3) and sd_watchdog_enabled(3); systemd itself is not needed.
"""
from __future__ import annotations

import fcntl
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
from typing import Dict, Iterator, List, Sequence

import pytest

from broker import binary, die_with_parent, halt
from cli import cola

USAGE = 64


class Manager:
    """Starts servers the way a service manager does, in a short folder of its own."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notified.bind(str(folder / "notify"))
        self.notified.settimeout(20)
        self.sockets: List[socket.socket] = []
        self.processes: List[subprocess.Popen] = []

    def listen(self, path: str = "") -> str:
        """Opens a listening socket that the next servers are handed; what it is reached at."""
        if path:
            opened = socket.socket(socket.AF_UNIX)
            opened.bind(str(self.folder / path))
            address = "unix://%s" % (self.folder / path)
        else:
            opened = socket.socket()
            opened.bind(("127.0.0.1", 0))
            address = "127.0.0.1:%d" % opened.getsockname()[1]
        opened.listen()
        self.hand_over(opened)
        return address

    def hand_over(self, opened: socket.socket) -> None:
        # Beyond the numbers from 3 on, which they get in the server.
        self.sockets.append(socket.socket(fileno=fcntl.fcntl(opened.fileno(), fcntl.F_DUPFD, 100)))
        opened.close()

    def start(self, *arguments: str, names: Sequence[str] = (), **environment: str) -> subprocess.Popen:
        numbers = [opened.fileno() for opened in self.sockets]
        moved = " ".join("%d<&%d %d<&-" % (3 + index, number, number) for index, number in enumerate(numbers))
        handed = {"LISTEN_FDS": str(len(numbers))} if numbers else {}
        if names:
            handed["LISTEN_FDNAMES"] = ":".join(names)
        process = subprocess.Popen(
            ["bash", "-c", 'exec %s; LISTEN_PID=$$ exec "$@"' % moved if moved else 'exec "$@"', "bash",
             binary(), "serve", "--data-dir", str(self.folder / "data"), *arguments],
            env=dict(os.environ, COLA_NATIVE="127.0.0.1:0", COLA_AMQP="off", COLA_KAFKA="off", **handed, **environment),
            pass_fds=numbers, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=die_with_parent)
        self.processes.append(process)
        return process

    def ready(self, process: subprocess.Popen) -> Dict[str, str]:
        """The words of the line that a server prints when it serves."""
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline().decode()
        assert line.startswith("cola ready "), process.stderr.read().decode()
        return dict(word.partition("=")[::2] for word in line.split()[2:])

    def hear(self) -> Dict[str, str]:
        """The next thing that the server says of itself."""
        text = self.notified.recv(4_096).decode()
        return dict(line.partition("=")[::2] for line in text.splitlines())

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate(timeout=20)
        for opened in self.sockets + [self.notified]:
            opened.close()


@pytest.fixture
def manager() -> Iterator[Manager]:
    with tempfile.TemporaryDirectory(prefix="cola-") as folder:
        made = Manager(pathlib.Path(folder))
        try:
            yield made
        finally:
            made.close()


def stop(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_the_manager_hears_when_it_serves_reads_its_configuration_and_stops(manager):
    (manager.folder / "cola.yaml").write_text("workers: {}\n")
    process = manager.start(
        "--config", str(manager.folder / "cola.yaml"), NOTIFY_SOCKET=str(manager.folder / "notify"))
    words = manager.ready(process)
    heard = manager.hear()
    assert heard["READY"] == "1" and words["native"] in heard["STATUS"]
    process.send_signal(signal.SIGHUP)
    begun = manager.hear()
    assert begun["RELOADING"] == "1"
    assert 0 <= time.monotonic() - int(begun["MONOTONIC_USEC"]) / 1e6 < 60
    assert manager.hear()["READY"] == "1"
    process.send_signal(signal.SIGTERM)
    assert manager.hear()["STOPPING"] == "1"
    assert process.wait(20) == 0


def test_a_socket_that_is_in_no_file_system_hears_it_too(manager):
    name = "cola-test-%d" % os.getpid()
    manager.notified.close()
    manager.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.notified.bind("\0" + name)
    manager.notified.settimeout(20)
    process = manager.start(NOTIFY_SOCKET="@" + name)
    manager.ready(process)
    assert manager.hear()["READY"] == "1"
    stop(process)


@pytest.mark.parametrize("path", ["/no/such/folder/notify", "relative", ""])
def test_a_manager_that_cannot_be_told_keeps_nobody_from_serving(manager, path):
    process = manager.start(NOTIFY_SOCKET=path)
    words = manager.ready(process)
    cola("health", url=words["socket"]).succeeds()
    stop(process)


def test_a_watchdog_hears_of_a_loop_that_turns_and_of_one_that_hangs_no_more(manager):
    process = manager.start(NOTIFY_SOCKET=str(manager.folder / "notify"), WATCHDOG_USEC="100000")
    manager.ready(process)
    assert manager.hear()["READY"] == "1"
    for _ in range(5):
        assert manager.hear() == {"WATCHDOG": "1"}
    halt(process.pid)
    manager.notified.settimeout(1)
    with pytest.raises(socket.timeout):
        while True:  # what was sent before it stopped
            manager.hear()
    process.send_signal(signal.SIGCONT)
    manager.notified.settimeout(20)
    assert manager.hear() == {"WATCHDOG": "1"}
    stop(process)


@pytest.mark.parametrize("watchdog", [
    {"WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "often"}, {"WATCHDOG_USEC": "0"}])
def test_a_watchdog_of_somebody_else_or_of_no_time_is_none(manager, watchdog):
    process = manager.start(NOTIFY_SOCKET=str(manager.folder / "notify"), **watchdog)
    manager.ready(process)
    assert manager.hear()["READY"] == "1"
    cola("health", url="unix://%s/data/cola.sock" % manager.folder).succeeds()
    process.send_signal(signal.SIGTERM)
    assert manager.hear()["STOPPING"] == "1"


def test_sockets_that_are_handed_over_are_served_by_their_addresses(manager):
    unix, native, amqp = manager.listen("cola.sock"), manager.listen(), manager.listen()
    # Who comes before the server is there waits for it.
    with socket.socket(socket.AF_UNIX) as early:
        early.settimeout(20)
        early.connect(unix[len("unix://"):])
        early.sendall(b"declare queue early\n")
        process = manager.start("--native", native, "--amqp", amqp, names=["cola.socket"] * 3)
        words = manager.ready(process)
        assert words["socket"] == unix and words["native"] == "tcp://" + native and words["amqp"] == "amqp://" + amqp
        assert early.recv(100) == b"ok ready=0\n"
    for url in (unix, "tcp://" + native):
        cola("publish", "--queue", "early", "a message", url=url).succeeds()
    with socket.create_connection(("127.0.0.1", int(amqp.rpartition(":")[2])), timeout=20) as opened:
        opened.sendall(b"AMQP\0\0\x09\x01")
        assert opened.recv(1) == b"\1"
    stop(process)
    # It is not the server's to remove; and nobody is refused while there is none.
    with socket.socket(socket.AF_UNIX) as between:
        between.settimeout(20)
        between.connect(unix[len("unix://"):])
        between.sendall(b"describe queue early\n")
        again = manager.start("--native", native, "--amqp", amqp, names=["cola.socket"] * 3)
        manager.ready(again)
        assert between.recv(100).startswith(b"ok size=")
    cola("purge", "early", url=unix).succeeds()
    stop(again)


def test_a_name_says_whose_a_socket_is(manager):
    amqp, native = manager.listen(), manager.listen()
    process = manager.start("--amqp", "127.0.0.1:5672", names=["amqp", "native"])
    words = manager.ready(process)
    assert words["amqp"] == "amqp://" + amqp and words["native"] == "tcp://" + native
    stop(process)


def test_what_is_meant_for_another_process_is_left_alone(manager):
    process = manager.start(LISTEN_FDS="1", LISTEN_PID="1")
    manager.ready(process)
    stop(process)


def refused(process: subprocess.Popen) -> str:
    _, errors = process.communicate(timeout=20)
    assert process.returncode == USAGE, errors
    return errors.decode()


def test_a_socket_that_nobody_serves_is_refused(manager):
    address = manager.listen()
    assert "socket at %s, for which no listener is set" % address in refused(manager.start())
    named = refused(manager.start(names=["amqp"]))
    assert address in named and "set amqp to where it listens" in named


def test_what_is_no_listening_socket_is_refused(manager):
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    bound.bind(str(manager.folder / "datagrams"))
    manager.hand_over(bound)
    assert "descriptor 3 ('datagrams'), which is no socket that listens" in refused(
        manager.start(names=["datagrams"]))


def test_a_worker_gets_none_of_it(manager):
    unix = manager.listen("cola.sock")
    (manager.folder / "cola.yaml").write_text("""
workers:
  curious:
    queue: questions
    command: [bash, -c, 'env | grep -cE "^(LISTEN|NOTIFY|WATCHDOG)_"; ls -l /proc/self/fd | grep -c "socket:"; true']
    pass-environment: ["*"]
    result-queue: answers
""")
    process = manager.start(
        "--config", str(manager.folder / "cola.yaml"), "--workers-as-root", "yes",
        NOTIFY_SOCKET=str(manager.folder / "notify"), WATCHDOG_USEC="60000000")
    manager.ready(process)
    cola("publish", "--queue", "questions", "what do you see?", url=unix).succeeds()
    answer = cola("consume", "--queue", "answers", "--count", "1", url=unix).succeeds()
    assert answer.out.decode().split() == ["0", "0"]
    stop(process)
