"""What can go wrong around a server: a full disk, a broken disk, damaged and foreign files, a place that is taken.

Each has its exit code (after sysexits.h) and a sentence that names the thing and the way out.
"""
from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import sqlite3
import struct
import subprocess
import time
from typing import Dict, List

import pytest

import native
from broker import REPOSITORY
from cli import cola
from conftest import seed
from load import Load
from recorder import Recorder

USAGE, DAMAGED, UNAVAILABLE, BROKEN, NO_ROOM, IN_USE, NOT_PERMITTED = 64, 65, 69, 70, 74, 75, 77


def fill(broker, queue="kept", count=50, size=2000) -> List[bytes]:
    """Confirmed messages, as one commit each."""
    bodies = [b"%d|" % index + bytes([index % 256]) * size for index in range(count)]
    with native.Connection(broker.unix) as connection:
        connection.ok("declare queue %s" % queue)
        for body in bodies:
            connection.ok("pub %s %d" % (queue, len(body)), body)
    return bodies


def drain(broker, queue="kept") -> List[bytes]:
    """Every body there is."""
    bodies = []
    with native.Connection(broker.unix) as connection:
        while True:
            answer = connection.ok("get %s" % queue)
            if "empty" in answer.options:
                return bodies
            bodies.append(answer.body)


def hashes(folder: pathlib.Path) -> Dict[str, str]:
    """Content of every file that holds data; locks, SQLite's shared memory and empty files hold none."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*")
            if path.is_file() and path.stat().st_size and not path.name.endswith("-shm") and "lock" not in path.name}


def assert_names(end, code: int, *parts: str) -> None:
    assert end.code == code, end
    for part in parts:
        assert part in end.stderr, "%r is missing in: %s" % (part, end.stderr)


# A full disk


@pytest.fixture
def small_disk(tmp_path):
    """An ext4 file system of 64 MiB in a file. To be named before `new_broker`, whose servers then end first."""
    missing = [tool for tool in ("losetup", "mkfs.ext4", "mount", "umount") if not shutil.which(tool)]
    if missing or os.geteuid() != 0:
        pytest.skip("needs root and %s" % (", ".join(missing) or "the tools for loop devices"))
    image, folder = tmp_path / "disk.img", tmp_path / "disk"
    folder.mkdir()
    with open(image, "wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", str(image)], check=True)
    mounted = subprocess.run(["mount", "-o", "loop", str(image), str(folder)], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip("cannot mount a loop device here: %s" % mounted.stderr.strip())
    yield folder
    for _ in range(50):  # the server has just been killed: its files may take a moment to close
        if subprocess.run(["umount", str(folder)], capture_output=True).returncode == 0:
            return
        time.sleep(0.1)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    pytest.fail("%s was still in use after the test" % folder)


def test_full_disk(small_disk, new_broker):
    """Publishers are held back, nothing confirmed is lost, consuming makes room, then publishing goes on."""
    broker = new_broker("--disk-free-min", "0", folder=small_disk)
    broker.start()
    body = b"x" * 100_000
    sent = confirmed = refused = 0
    held_back = False
    with native.Connection(broker.unix) as publisher:
        publisher.ok("declare queue full")
        deadline = time.monotonic() + 60
        while not held_back and time.monotonic() < deadline:
            publisher.send("pub full %d" % (len(body) + 8), b"%08d" % sent + body)
            sent += 1
            event = publisher.next_event(3)
            if event is None or (isinstance(event, native.Notice) and event.verb == "blocked"):
                held_back = True
            elif isinstance(event, native.Answer):
                confirmed += event.ok
                refused += not event.ok
                held_back = not event.ok
                assert event.ok or (event.code == "blocked" and event.may_retry), event
        assert held_back, "64 MiB took %d messages of 100 kB" % sent
        assert confirmed > 50, "only %d messages of 100 kB fit on 64 MiB" % confirmed
        assert broker.runs(), broker.stderr()

        with native.Connection(broker.unix, timeout=30) as consumer:
            consumer.ok("consume full c=1 prefetch=20")
            received = []
            while len(received) < confirmed:
                delivery = consumer.delivery(20)
                assert delivery is not None, "%d of %d confirmed messages came" % (len(received), confirmed)
                assert delivery.body[8:] == body
                received.append(int(delivery.body[:8]))
                consumer.ok("ack %d t=1" % delivery.number)
            assert received[:confirmed] == list(range(confirmed))

        # Room again: what was held back is answered, and new messages are taken.
        deadline = time.monotonic() + 30
        while confirmed + refused < sent and time.monotonic() < deadline:
            event = publisher.next_event(1)
            if isinstance(event, native.Answer):
                confirmed, refused = confirmed + event.ok, refused + (not event.ok)
        assert confirmed + refused == sent, "a publish was never answered"
    with native.Connection(broker.unix) as publisher:
        answer = publisher.call("pub full 5", b"again")
        while not answer.ok and time.monotonic() < deadline:
            assert answer.code == "blocked" and answer.may_retry, answer
            time.sleep(0.2)
            answer = publisher.call("pub full 5", b"again")
        assert answer.ok, answer
    assert drain(broker, "full")[-1] == b"again"


def test_no_room_to_start(small_disk, new_broker):
    with open(small_disk / "ballast", "wb") as ballast:
        try:
            while True:
                ballast.write(b"\0" * 65_536)
        except OSError:
            pass
    assert_names(new_broker(folder=small_disk).refuse(), NO_ROOM, str(small_disk))


# A broken disk


def test_failing_sync_ends_the_server_and_loses_nothing(new_broker):
    broker = new_broker()
    recorder = Recorder(broker)
    broker.start()
    load = Load(broker, seed())
    load.declare()
    load.start()
    try:
        load.run_for(1.0)
        trigger = recorder.trigger("eio")
        end = broker.wait(20)
        trigger.unlink()
        assert_names(end, BROKEN, "disk")
        # What a sync failed for may be gone from the disk, although the kernel still shows it.
        recorder.cut("all", seed(), directories=False)
        load.restart()
        load.run_for(0.5)
        load.finish()
    finally:
        load.ending.set()
    verdict = load.history.verdict()
    print("\nfailing sync: %s" % verdict)
    assert verdict.passed, str(verdict)


def test_failing_write_ends_the_server_and_loses_nothing(new_broker):
    broker = new_broker()
    recorder = Recorder(broker)
    broker.start()
    bodies = fill(broker)
    trigger = recorder.trigger("wio")
    with native.Connection(broker.unix) as connection:
        connection.send("pub kept 4", b"last")
        end = broker.wait(20)
        assert b"ok" not in connection.rest()
    trigger.unlink()
    assert_names(end, BROKEN, "disk")
    broker.start()
    assert drain(broker)[:len(bodies)] == bodies


def test_failing_system_call(broker):
    """The same from outside, with the executable untouched: strace lets every sync fail from now on."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    bodies = fill(broker)
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-p", str(broker.pid), "-e", "trace=fdatasync,fsync",
         "-e", "inject=fdatasync,fsync:error=EIO"], stderr=subprocess.PIPE)
    try:
        if not wait_until(lambda: traced(broker.pid) or tracer.poll() is not None) or tracer.poll() is not None:
            pytest.skip("strace cannot attach here: %s" % tracer.stderr.read().decode().strip())
        with native.Connection(broker.unix) as connection:
            connection.send("pub kept 4", b"last")
            end = broker.wait(20)
            assert b"ok" not in connection.rest()
        assert_names(end, BROKEN, "disk")
    finally:
        tracer.terminate()
        tracer.wait(10)
        tracer.stderr.close()
    broker.start()
    assert drain(broker)[:len(bodies)] == bodies


def traced(pid: int) -> bool:
    """Whether every thread of a process has a tracer."""
    states = [path.read_text() for path in pathlib.Path("/proc/%d/task" % pid).glob("*/status")]
    return bool(states) and not any("TracerPid:\t0\n" in state for state in states)


def wait_until(condition, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


# Damaged files


def flip(path: pathlib.Path, offset: int, count: int = 1) -> None:
    with open(path, "r+b") as file:
        file.seek(offset)
        data = file.read(count)
        assert len(data) == count, "%s is too short for offset %d" % (path, offset)
        file.seek(offset)
        file.write(bytes(byte ^ 0xFF for byte in data))


def test_damaged_header(broker):
    fill(broker)
    assert broker.terminate().code == 0
    flip(broker.database(), 0, 100)
    database = broker.data / "cola.db"
    before = hashes(broker.data)
    end = broker.refuse()
    assert_names(end, DAMAGED, database.name, "--accept-damage")
    assert hashes(broker.data) == before, "a refused start changed something"


def test_damaged_header_accepted(broker):
    bodies = fill(broker)
    assert broker.terminate().code == 0
    flip(broker.database(), 0, 100)
    accept(broker)
    assert drain(broker) == bodies
    with native.Connection(broker.unix) as connection:
        connection.ok("declare queue new")
        connection.ok("pub new 2", b"hi")


def accept(broker) -> str:
    """Starts on damage: the file is kept as it was, the log says where, and the next start does not meet it again.

    Returns what the log says.
    """
    damaged = broker.database().read_bytes()
    broker.start(extra=["--accept-damage"])
    copy = broker.data / "cola.db.damaged-1"
    assert copy.read_bytes() == damaged
    end = broker.terminate()
    assert end.code == 0 and "copy=%s " % copy in end.stderr
    cola("check", str(broker.data)).succeeds()
    broker.start()
    return end.stderr


def test_damaged_tree(broker):
    """Pages with which SQLite can do nothing: all that stands beside them is kept, and the server goes on."""
    bodies = fill(broker, count=400)
    assert broker.terminate().code == 0
    flip(broker.database(), broker.database().stat().st_size // 2, 50_000)
    told = re.search(r"(\d+) of 400 messages of 'kept' could not be read", accept(broker))
    assert told is not None
    lost = int(told.group(1))
    listed = json.loads(cola("queues", "--json", "kept", url=broker.unix).succeeds().out)
    assert [queue["messages"] for queue in listed] == [400 - lost]
    left = drain(broker)
    assert len(left) == 400 - lost > 200
    assert left == [body for body in bodies if body in left]


def test_damaged_state(broker):
    """Nothing but the checksum of what is written of the queue as a whole."""
    bodies = fill(broker)
    assert broker.terminate().code == 0
    connection = sqlite3.connect(str(broker.database()))
    connection.execute("UPDATE logstate SET crc = crc + 1")
    connection.commit()
    connection.close()
    assert_names(broker.refuse(), DAMAGED, "checksum", "--accept-damage")
    assert "the checksum of the state of log" in accept(broker)
    assert drain(broker) == bodies


def test_older_schema_is_told(broker):
    """What a start did to the file, and where the copy is."""
    broker.terminate()
    database = broker.database()
    database.unlink()
    connection = sqlite3.connect(str(database))
    connection.execute("PRAGMA page_size=16384")
    older = REPOSITORY / "Tests/ColaStoreTests/Fixtures/version-2.sql"
    connection.executescript("PRAGMA auto_vacuum=2;" + older.read_text())
    connection.close()
    broker.start()
    assert re.search(r"notice .* copy=%s.version-2.backup-1 .*from=2 " % re.escape(str(database)),
                     broker.stderr()), broker.stderr()


def test_damaged_middle(broker):
    """Damage in the data is found at the start, or when the message is read; never is a wrong byte delivered."""
    bodies = fill(broker, count=200)
    assert broker.terminate().code == 0
    database = broker.database()
    flip(database, database.stat().st_size // 2 // 4096 * 4096 + 2048, 512)
    process_ended = False
    try:
        broker.start()
    except AssertionError:
        process_ended = True
    if process_ended:
        assert broker.process is not None and broker.process.returncode == DAMAGED, broker.stderr()
        assert "--accept-damage" in broker.stderr()
        broker.start(extra=["--accept-damage"])
    with native.Connection(broker.unix) as connection:
        connection.ok("consume kept c=1 prefetch=1000")
        received = []
        while True:
            delivery = connection.delivery(2)
            if delivery is None:
                break
            received.append(delivery.body)
        assert set(received) <= set(bodies), "bytes were delivered that nobody sent"
        quarantined = connection.ok("stat").json()["quarantined"]
        told = [aside for aside in connection.asides
                if isinstance(aside, native.ConsumerError) and aside.code == "damaged"]
        if len(received) < len(bodies):
            assert process_ended or (quarantined > 0 and told), "%d messages vanished without a word" % (
                len(bodies) - len(received))
        connection.ok("pub kept 5", b"alive")
        alive = connection.delivery()
        assert alive is not None and alive.body == b"alive", "the queue does not go on behind the damage"


def test_damaged_log(broker):
    """One flipped byte in a synced frame of the WAL: SQLite alone would silently forget it and all that came after."""
    bodies = fill(broker)
    broker.kill()
    log = pathlib.Path(str(broker.database()) + "-wal")
    page_size, = struct.unpack(">I", log.read_bytes()[8:12])
    frames = (log.stat().st_size - 32) // (24 + page_size)
    assert frames > 4, "the log has only %d frames: nothing to damage" % frames
    flip(log, 32 + (frames // 2) * (24 + page_size) + 24 + 100)
    before = hashes(broker.data)
    end = broker.refuse()
    assert_names(end, DAMAGED, log.name, "--accept-damage")
    assert hashes(broker.data) == before, "a refused start changed something"

    broker.start(extra=["--accept-damage"])
    with native.Connection(broker.unix) as connection:
        if connection.call("declare queue kept").ok:
            assert set(drain(broker)) <= set(bodies)
    assert before[log.name] in hashes(broker.data).values(), "no copy of the damaged log was kept"


def test_newer_schema(broker):
    fill(broker)
    assert broker.terminate().code == 0
    database = broker.database()
    connection = sqlite3.connect(str(database))
    connection.execute("PRAGMA user_version=9999")
    connection.commit()
    connection.close()
    before = hashes(broker.data)
    end = broker.refuse()
    assert_names(end, DAMAGED, database.name, "9999", "upgrade")
    assert hashes(broker.data) == before, "a refused start changed something"


# A place that is taken, or closed


def test_second_server_on_the_same_directory(broker, new_broker):
    bodies = fill(broker)
    second = new_broker()
    second.data = broker.data
    assert_names(second.refuse(), IN_USE, str(broker.data), "--data-dir")
    assert drain(broker) == bodies
    broker.kill()
    second.start()


def test_read_only_directory(new_broker):
    broker = new_broker()
    broker.data.mkdir(mode=0o700)
    folder = str(broker.data)
    if os.geteuid() != 0:
        broker.data.chmod(0o500)
        undo = lambda: broker.data.chmod(0o700)  # noqa: E731
    else:  # rights do not stop root; a read-only mount does
        bound = subprocess.run(["mount", "--bind", folder, folder], capture_output=True, text=True)
        if bound.returncode != 0:
            pytest.skip("root can write anywhere, and bind mounts do not work here: %s" % bound.stderr.strip())
        undo = lambda: subprocess.run(["umount", folder], check=True)  # noqa: E731
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
    try:
        assert_names(broker.refuse(), NOT_PERMITTED, folder)
    finally:
        broker.kill()
        undo()
    broker.start()


def test_port_in_use(new_broker):
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    holder.listen()
    broker = new_broker()
    broker.native = "127.0.0.1:%d" % holder.getsockname()[1]
    assert_names(broker.refuse(), UNAVAILABLE, broker.native)
    holder.close()
    broker.start()


def test_socket_in_use(broker, new_broker):
    second = new_broker()
    second.socket = broker.socket
    assert_names(second.refuse(), UNAVAILABLE, broker.socket)
    with native.Connection(broker.unix) as connection:
        connection.ok("ping")


def test_a_dead_servers_socket_is_no_obstacle(broker):
    broker.kill()
    assert os.path.exists(broker.socket)
    broker.start()


@pytest.mark.parametrize("arguments", [["--no-such-flag"], ["--native", "nonsense"], ["--durability", "some"]])
def test_wrong_usage(new_broker, arguments):
    end = new_broker().refuse(extra=arguments)
    assert end.code == USAGE, end
    assert arguments[-1] in end.stderr or arguments[0] in end.stderr, end
