"""A real `cola keeper` and the wire to it: this process, or a small one of its own, takes the broker's place.

The packets are those of `Sources/ColaWorkers/Keeper/Packet.swift`, written a second time, so that a mistake in one of
the two is seen.
"""
from __future__ import annotations

import array
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import time
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import broker

MARKER = "COLA_KEEPER_TEST"
PROCESS, GROUP, TREE = 0, 1, 2


class Event(NamedTuple):
    kind: str
    instance: int
    values: Tuple[Any, ...] = ()


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<I", len(data)) + data


def texts(values: Sequence[str]) -> bytes:
    return struct.pack("<I", len(values)) + b"".join(text(value) for value in values)


def optional(value: Optional[Any], shape: str = "") -> bytes:
    if value is None:
        return b"\0"
    return b"\1" + (text(value) if isinstance(value, str) else struct.pack("<" + shape, value))


def spawn_packet(
    instance: int,
    arguments: Sequence[str],
    executable: Optional[str] = None,
    environment: Optional[Dict[str, str]] = None,
    directory: Optional[str] = None,
    user: Optional[int] = None,
    group: Optional[int] = None,
    groups: Optional[List[int]] = None,
    umask: Optional[int] = None,
    nice: int = 0,
    memory: Optional[int] = None,
    cpu: Optional[int] = None,
    files: Optional[int] = None,
    core: Optional[int] = 0,
    processes: Optional[int] = None,
    no_new_privileges: bool = False,
) -> bytes:
    entries = ["%s=%s" % item for item in (environment or {}).items()]
    listed = b"\0" if groups is None else b"\1" + struct.pack("<I%dI" % len(groups), len(groups), *groups)
    return (
        struct.pack("<BQ", 1, instance)
        + text(executable or arguments[0])
        + texts(arguments)
        + texts(entries)
        + optional(directory)
        + optional(user, "I")
        + optional(group, "I")
        + listed
        + optional(umask, "H")
        + struct.pack("<i", nice)
        + b"".join(optional(limit, "Q") for limit in (memory, cpu, files, core, processes))
        + struct.pack("<B", no_new_privileges)
    )


def signal_packet(instance: int, number: int, scope: int) -> bytes:
    return struct.pack("<BQiB", 2, instance, number, scope)


def read_event(packet: bytes) -> Event:
    kind = packet[0]
    if kind == 129:
        return Event("ready", 0, struct.unpack("<q", packet[1:]))
    instance = struct.unpack_from("<Q", packet, 1)[0]
    if kind == 130:
        return Event("started", instance, struct.unpack("<iQ", packet[9:]))
    if kind == 131:
        step, error, size = struct.unpack_from("<BiI", packet, 9)
        assert len(packet) == 18 + size
        return Event("failed", instance, (step, error, packet[18:].decode()))
    if kind == 132:
        return Event("exited", instance, struct.unpack("<Biqqq", packet[9:]))
    assert kind == 133, packet
    return Event("swept", instance, struct.unpack("<I", packet[9:]))


class Keeper:
    """A keeper whose broker is this process."""

    def __init__(self, stderr: Optional[int] = None, marker: str = ""):
        self.marker = marker
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.link: Optional[socket.socket] = ours
        self.waiting: List[Event] = []
        self.process = start_keeper(theirs, stderr)
        theirs.close()

    @property
    def pid(self) -> int:
        return self.process.pid

    def send(self, packet: bytes, descriptors: Sequence[int] = ()) -> None:
        assert self.link is not None
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        self.link.sendmsg([packet], rights)

    def spawn(self, instance: int, arguments: Sequence[str], descriptors: Sequence[int] = (), **spec: Any) -> int:
        """Starts a program that must start. Returns its process ID."""
        environment = {"PATH": os.environ["PATH"], MARKER: self.marker, **spec.pop("environment", {})}
        self.send(spawn_packet(instance, arguments, environment=environment, **spec), descriptors)
        event = self.next("started", instance)
        return event.values[0]

    def fail(self, instance: int, arguments: Sequence[str], **spec: Any) -> Tuple[int, int, str]:
        """Starts a program that must not start. Returns step, errno and sentence."""
        self.send(spawn_packet(instance, arguments, **spec))
        return self.next("failed", instance).values

    def signal(self, instance: int, number: int, scope: int = PROCESS) -> None:
        self.send(signal_packet(instance, number, scope))

    def next(self, kind: str, instance: int, seconds: float = 20) -> Event:
        """The next event of that kind about that instance; others wait for their own call."""
        deadline = time.monotonic() + seconds
        while True:
            for index, event in enumerate(self.waiting):
                if (event.kind, event.instance) == (kind, instance):
                    return self.waiting.pop(index)
                if (event.kind, event.instance, kind) == ("failed", instance, "started"):
                    raise AssertionError("not started: %s" % event.values[2])
            self.waiting.append(self.receive(deadline))

    def receive(self, deadline: float) -> Event:
        assert self.link is not None
        ready, _, _ = select.select([self.link], [], [], max(0, deadline - time.monotonic()))
        assert ready, "nothing came; waiting are %s" % self.waiting
        packet = self.link.recv(1 << 18)
        assert packet, "the keeper has ended"
        return read_event(packet)

    def exit(self, instance: int, seconds: float = 20) -> Tuple[Tuple[int, int], int]:
        """Waits for the end. Returns (kind, number) of the exit, and how many below it had to be killed."""
        status = self.next("exited", instance, seconds).values[:2]
        return status, self.next("swept", instance, seconds).values[0]

    def close(self, seconds: float = 10) -> int:
        """Lets go of the keeper; returns its exit code."""
        if self.link is not None:
            self.link.close()
            self.link = None
        return self.process.wait(seconds)


def start_keeper(link: socket.socket, stderr: Optional[int]) -> "subprocess.Popen[bytes]":
    def connect() -> None:
        os.dup2(link.fileno(), 3)

    return subprocess.Popen(
        ["cola:", "keeper"],
        executable=broker.binary(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        # 3 may be open in this process as something else: it is overwritten in the child alone.
        pass_fds=[3] if link.fileno() == 3 else [3, link.fileno()] if is_open(3) else [link.fileno(), 3],
        preexec_fn=connect,
        start_new_session=True,
    )


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def marked(marker: str) -> List[int]:
    """Living processes with that mark in their environment, or in their name for those that have shed it."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            shown = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z" and marker.encode() in shown:
            found.append(int(entry.name))
    return found


def wait_until_gone(marker: str, seconds: float) -> float:
    """Returns after how many seconds nobody with that mark was left."""
    start = time.monotonic()
    while True:
        left = marked(marker)
        waited = time.monotonic() - start
        if not left:
            return waited
        assert waited < seconds, "still alive after %.1f s: %s" % (waited, [describe(pid) for pid in left])
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        return pathlib.Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def describe(pid: int) -> str:
    try:
        status = pathlib.Path("/proc/%d/stat" % pid).read_text()
        return "%s %s" % (status[:60], pathlib.Path("/proc/%d/cmdline" % pid).read_bytes())
    except OSError:
        return "%d, gone by now" % pid


def children(pid: int) -> List[str]:
    """State letter and name of each child, zombies too."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            name, _, rest = (entry / "stat").read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        if int(rest.split()[1]) == pid:
            found.append(rest.split()[0] + " " + name)
    return found


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
