"""backup: copies of a running broker, held against what was confirmed before they began."""
from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import stat
import subprocess
import threading
import time

import pytest

import native
from broker import Broker, binary, die_with_parent
from cli import NOT_PERMITTED, REFUSED, TRY_AGAIN, UNAVAILABLE, USAGE, cola, environment, start
from test_faults import small_disk, wait_until  # noqa: F401  (a fixture, and for waiting)

NO_ROOM = 74


def restored(new_broker, folder) -> Broker:
    """A broker whose data directory is that backup, checked first."""
    report = json.loads(cola("check", "--json", str(folder)).succeeds().out)
    assert report["sound"], report
    broker = new_broker()
    broker.data.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(str(folder), str(broker.data))
    broker.start()
    return broker


def drain(broker, queue):
    """The bodies that wait, in their order, and which of them count as handed out before."""
    result = cola("consume", "-q", queue, "--json", url=broker.unix, timeout=60).succeeds()
    return [json.loads(line) for line in result.lines()]


class Publisher(threading.Thread):
    """Publishes numbered messages until it is told to stop, and keeps how many were confirmed."""

    def __init__(self, url, queue, padding):
        super().__init__(daemon=True)
        self.url, self.queue, self.padding = url, queue, padding
        self.confirmed = 0
        self.error = None
        self.is_done = threading.Event()

    def run(self):
        try:
            with native.Connection(self.url) as connection:
                while not self.is_done.is_set():
                    for number in range(self.confirmed, self.confirmed + 20):
                        connection.send("pub %s %d" % (self.queue, self.padding), b"%-*d" % (self.padding, number))
                    for _ in range(20):
                        answer = connection.next_event(20)
                        assert isinstance(answer, native.Answer) and answer.ok, answer
                    self.confirmed += 20
        except Exception as error:  # noqa: BLE001  (told by the test)
            self.error = error

    def stop(self):
        self.is_done.set()
        self.join(30)
        assert self.error is None, self.error


def test_a_backup_under_load_has_all_that_was_confirmed_before_in_its_order(broker, new_broker, tmp_path):
    cola("declare", "queue", "jobs", url=broker.unix).succeeds()
    publisher = Publisher(broker.unix, "jobs", padding=2000)
    publisher.start()
    assert wait_until(lambda: publisher.confirmed >= 3000 or publisher.error, 60)
    before = publisher.confirmed
    target = tmp_path / "copy"
    result = cola("backup", str(target), url=broker.unix, timeout=60).succeeds()
    assert result.lines() == ["backed up %d bytes to %s" % ((target / "cola.db").stat().st_size, target)]
    after = publisher.confirmed
    assert wait_until(lambda: publisher.confirmed > after or publisher.error), "publishing did not go on"
    publisher.stop()
    assert sorted(path.name for path in target.iterdir()) == ["cola.db"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o700 and stat.S_IMODE((target / "cola.db").stat().st_mode) == 0o600
    numbers = [int(row["body"]) for row in drain(restored(new_broker, target), "jobs")]
    assert numbers == list(range(len(numbers))) and before <= len(numbers) <= publisher.confirmed
    assert [int(row["body"]) for row in drain(broker, "jobs")] == list(range(publisher.confirmed))


def test_what_was_handed_out_says_so_in_the_restored_broker(broker, new_broker, tmp_path):
    with native.Connection(broker.unix) as consumer:
        consumer.ok("declare queue jobs")
        for body in (b"a", b"b", b"c"):
            consumer.ok("pub jobs 1", body)
        consumer.ok("consume jobs c=1 prefetch=2")
        assert [consumer.next_event(5).body for _ in range(2)] == [b"a", b"b"]
        cola("backup", str(tmp_path / "copy"), url=broker.unix).succeeds()
    other = restored(new_broker, tmp_path / "copy")
    assert "clean=false" in other.stderr()
    with native.Connection(other.unix) as consumer:
        consumer.ok("consume jobs c=1")
        deliveries = [consumer.next_event(5) for _ in range(3)]
    assert [delivery.body for delivery in deliveries] == [b"a", b"b", b"c"]
    assert all(delivery.redelivered is not None for delivery in deliveries[:2])


def test_definitions_topics_and_what_is_scheduled_come_along(broker, new_broker, tmp_path):
    with native.Connection(broker.unix) as connection:
        connection.ok("declare topic events partitions=2")
        connection.ok("declare queue later max-priority=3")
        connection.ok("bind amq.topic later key=a.#")
        connection.ok("pub events 1 key=k", b"x")
        connection.ok("commit events readers 1 partition=0")
        connection.ok("pub a.b 4 x=amq.topic prio=2 delay=3600000", b"soon")
        before = {what: connection.ok("list " + what).json() for what in ("queues", "topics", "bindings", "groups")}
    cola("backup", str(tmp_path / "copy"), url=broker.unix).succeeds()
    other = restored(new_broker, tmp_path / "copy")
    with native.Connection(other.unix) as connection:
        assert {what: connection.ok("list " + what).json() for what in before} == before
        assert connection.ok("stat").json()["scheduled"] == 1


def test_a_path_that_ends_in_db_is_a_file(broker, tmp_path):
    cola("publish", "-q", "jobs", "--declare", "one", url=broker.unix).succeeds()
    cola("backup", "copy.db", url=broker.unix, cwd=str(tmp_path)).succeeds()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db"]
    (tmp_path / "data").mkdir()
    os.rename(str(tmp_path / "copy.db"), str(tmp_path / "data" / "cola.db"))
    assert json.loads(cola("check", "--json", str(tmp_path / "data")).succeeds().out)["ready"] == 1


def test_what_is_there_gives_way_only_to_force(broker, tmp_path):
    cola("publish", "-q", "jobs", "--declare", "one", url=broker.unix).succeeds()
    for name in ("copy", "copy.db"):
        target = str(tmp_path / name)
        cola("backup", target, url=broker.unix).succeeds()
        cola("backup", target, url=broker.unix).fails(REFUSED, target, "--force")
        cola("backup", "--force", target, url=broker.unix).succeeds()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "copy.db"]
    cola("backup", "--force", str(broker.data), url=broker.unix).fails(REFUSED, "data directory of process")
    cola("backup", "--force", str(broker.data / "cola.db"), url=broker.unix).fails(REFUSED, str(broker.data))
    assert cola("publish", "-q", "jobs", "two", url=broker.unix).succeeds().lines() == ["published 1"]


def test_wrong_places_are_refused_and_left_as_they_are(broker, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes").write_text("mine")
    cola("backup", str(tmp_path / "full"), url=broker.unix).fails(REFUSED, "notes", "new directory")
    cola("backup", str(tmp_path / "full" / "notes"), url=broker.unix).fails(REFUSED, "is a file")
    cola("backup", str(tmp_path / "none" / "copy"), url=broker.unix).fails(REFUSED, "none/copy", "make the directory")
    cola("backup", "", url=broker.unix).fails(USAGE, "directory or file")
    cola("backup", str(tmp_path / "copy"), url="unix://%s/none" % tmp_path).fails(UNAVAILABLE, "cola serve")
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
    assert (tmp_path / "full" / "notes").read_text() == "mine"


def test_over_tcp_nobody_may_have_the_server_write_files(new_broker, tmp_path):
    broker = new_broker(environment={"COLA_DEFAULT_USER": "boss", "COLA_DEFAULT_PASS": "secret"})
    broker.start()
    result = cola(
        "backup", str(tmp_path / "copy"), "--user", "boss", url=broker.tcp, env={"COLA_PASSWORD": "secret"})
    result.fails(NOT_PERMITTED, "Unix socket", "127.0.0.1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="needs a second user")
def test_another_user_may_not_either(new_broker, tmp_path):
    broker = new_broker("--socket-mode", "0666")
    broker.start()
    os.chmod(broker.socket_folder, 0o755)
    pid = os.fork()
    if pid == 0:  # the child becomes nobody and asks
        try:
            os.setgid(65534)
            os.setuid(65534)
            with native.Connection(broker.unix) as connection:
                connection.send("backup %s/copy" % tmp_path)
                answer = connection.next_event(10)
            os._exit(0 if answer.code == "access_refused" and "uid 65534" in answer.sentence else 1)
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    assert list(tmp_path.iterdir()) == []


def fill(broker, megabytes):
    with native.Connection(broker.unix) as connection:
        connection.ok("declare queue big")
        for _ in range(megabytes):
            connection.ok("pub big %d" % (1 << 20), os.urandom(1 << 20))


def grow(broker, copy):
    """What was copied too fast to be seen is to take longer, up to a size that no disk copies in a blink."""
    if sum(path.stat().st_size for path in copy.iterdir()) < 1 << 30:
        fill(broker, 64)


def test_an_interrupted_one_leaves_nothing_and_the_next_one_goes(broker, tmp_path):
    fill(broker, 40)
    target = tmp_path / "copy"
    asking = start(["backup", str(target)], broker.unix)
    try:
        assert wait_until(lambda: (target / "cola.db.partial").exists() or asking.poll() is not None)
        asking.send_signal(signal.SIGINT)
        asking.wait(20)
    finally:
        asking.kill()
        asking.communicate(timeout=20)
    # It may have been done just before; then it is whole.
    assert wait_until(lambda: not target.exists() or (target / "cola.db").exists())
    deadline = time.monotonic() + 30
    while cola("backup", "--force", str(target), url=broker.unix).code == TRY_AGAIN:
        assert time.monotonic() < deadline
    assert sorted(path.name for path in target.iterdir()) == ["cola.db"]
    assert json.loads(cola("check", "--json", str(target)).succeeds().out)["ready"] == 40


def test_how_far_it_is_can_be_seen(broker, tmp_path):
    """A copy may be too fast to be looked at: the next one is larger then."""
    fill(broker, 40)
    deadline = time.monotonic() + 120
    with native.Connection(broker.unix) as asking, native.Connection(broker.unix) as looking:
        def look():
            return json.loads(looking.ok("stat").body)["backup"]

        assert look() is None
        seen = []
        while not any(row and row["total-pages"] for row in seen):
            assert time.monotonic() < deadline
            asking.send("backup %s replace=yes" % (tmp_path / "copy"))
            while not (answer := asking.next_event(0.0)):
                seen.append(look())
            assert answer.ok, answer
            grow(broker, tmp_path / "copy")
        totals = [row for row in seen if row and row["total-pages"]]
        assert all(0 < row["pages"] <= row["total-pages"] for row in totals)
        assert totals[-1]["total-pages"] * 16384 >= 40 << 20
        assert look() is None


def test_a_terminal_is_shown_how_far_it_is(broker, tmp_path):
    fill(broker, 40)
    deadline = time.monotonic() + 120
    shown = b""
    while not re.search(rb"\[[#.]{30}\] \d+ %  copied \d+ of \d+ pages", shown):
        assert time.monotonic() < deadline, shown
        controller, terminal = pty.openpty()
        process = subprocess.Popen(
            [binary(), "backup", "--force", str(tmp_path / "copy")], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=terminal, env=environment(broker.unix), preexec_fn=die_with_parent)
        os.close(terminal)
        try:
            while select.select([controller], [], [], 60)[0]:
                shown += os.read(controller, 4096)
        except OSError:
            pass  # its end of the terminal is closed: it has ended
        finally:
            os.close(controller)
            assert process.wait(30) == 0
        grow(broker, tmp_path / "copy")
    assert shown.endswith(b"\r\x1b[K"), "the line is cleared"


def test_a_server_that_stops_gives_it_up_and_stops_in_time(broker, tmp_path):
    fill(broker, 40)
    target = tmp_path / "copy"
    asking = start(["backup", str(target)], broker.unix)
    try:
        assert wait_until(lambda: (target / "cola.db.partial").exists() or asking.poll() is not None)
        assert broker.terminate().code == 0
        asking.wait(20)
    finally:
        asking.kill()
        asking.communicate(timeout=20)
    assert not target.exists() or [path.name for path in target.iterdir()] == ["cola.db"]
    broker.start()
    assert "clean=true" in broker.stderr()


def test_no_room_at_the_target_leaves_the_server_serving(small_disk, broker):  # noqa: F811
    """The target is a file system of 64 MiB; the server's own has room."""
    fill(broker, 80)
    cola("backup", str(small_disk / "copy"), url=broker.unix, timeout=60).fails(
        NO_ROOM, "no room", str(small_disk / "copy"), "free some space")
    assert [path.name for path in small_disk.iterdir() if path.name != "lost+found"] == []
    assert cola("publish", "-q", "big", "more", url=broker.unix).succeeds().lines() == ["published 1"]
    with native.Connection(broker.unix) as connection:
        assert connection.ok("stat").json()["blocked"] is None
