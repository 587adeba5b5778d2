"""Celery as a supervised worker: it is given `COLA_AMQP_URL`, forks its children itself, and knows nothing of Cola."""
from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import Any, Callable, List

import pytest

import native
from test_reload import processes
from test_worker_clients import connections, row, rows
from test_workers import attempts, peek, ready, start, until  # noqa: F401  (a fixture)
from cli import cola

pytestmark = pytest.mark.skipif(importlib.util.find_spec("celery") is None, reason="Celery is not installed")

#: The tasks; run by itself it calls those that its arguments name, and prints what they give.
TASKS = """
import json, os, sys, time
import celery

app = celery.Celery("tasks", broker=os.environ.get("COLA_AMQP_URL"), backend="rpc://")
app.conf.update(
    task_acks_late=True, worker_prefetch_multiplier=2, task_reject_on_worker_lost=False,
    broker_connection_retry_on_startup=True, task_default_queue="tasks")


@app.task
def add(first, second):
    return first + second


@app.task
def hold(name, seconds):
    open(name, "w").close()
    time.sleep(seconds)
    return os.getpid()


@app.task
def die():
    os.kill(os.getppid(), 9)
    time.sleep(60)


if __name__ == "__main__":
    calls = [app.send_task("tasks." + name, arguments) for name, *arguments in json.loads(sys.argv[1])]
    print(len(calls), flush=True)
    print(json.dumps([call.get(timeout=150) for call in calls]))
"""


class Calls:
    """Tasks that were called, by a program of their own: here `amqp` is a module of these tests."""

    def __init__(self, folder: pathlib.Path, address: str, calls: List[Any]):
        url = "amqp://guest:guest@%s//" % address[len("amqp://"):]
        self.process = subprocess.Popen(
            [sys.executable, "tasks.py", json.dumps(calls)], cwd=folder, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "COLA_AMQP_URL": url})
        assert int(self.process.stdout.readline()) == len(calls)

    def results(self) -> List[Any]:
        out, _ = self.process.communicate(timeout=160)
        return json.loads(out)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def celery_worker(start, tmp_path) -> Callable[..., Any]:  # noqa: F811
    """A server with a worker named `w`, Celery with two children; and what calls its tasks."""
    (tmp_path / "tasks.py").write_text(TASKS)
    made: List[Calls] = []

    def starting(settings: str = ""):
        broker = start(
            f"w:\n  command: ['{sys.executable}', -m, celery, -A, tasks, worker, --pool, prefork, -c, '2']\n"
            f"  mode: client\n  directory: {tmp_path}\n  queue: tasks\n" + settings)
        until(lambda: rows(broker) and row(broker)["state"] == "ready", "it consumes", 40)

        def call(*calls: Any) -> Calls:
            made.append(Calls(tmp_path, broker.amqp, list(calls)))
            return made[-1]

        return broker, call

    yield starting
    for each in made:
        each.end()


def children(process: int) -> List[int]:
    return [int(each) for each in pathlib.Path("/proc/%d/task/%d/children" % (process, process)).read_text().split()]


def test_celery_works_under_supervision_and_its_connections_are_the_workers(celery_worker):
    broker, call = celery_worker("  stop: {grace: 10s}\n")
    assert call(*[("add", number, number) for number in range(20)]).results() == [2 * number for number in range(20)]
    found = [each for each in connections(broker) if each["protocol"] == "amqp" and each["user"] == "worker:w"]
    # Its own, and those that its children make for results.
    assert len(found) >= 2 and {each["worker"] for each in found} == {"w/1"}
    until(lambda: ready(broker, "tasks") == 0 and row(broker)["messages"] == 0, "all is acknowledged")


def test_a_kill_ends_the_children_too_and_their_tasks_go_to_the_next_process(celery_worker, tmp_path):
    broker, call = celery_worker("  retry: {attempts: 3}\n  stop: {grace: 1s}\n")
    call(("hold", "one", 600), ("hold", "two", 600))
    until(lambda: (tmp_path / "one").exists() and (tmp_path / "two").exists(), "both are worked on", 30)
    before = row(broker)["pid"]
    below = children(before)
    assert len(below) >= 2 and row(broker)["messages"] == 2
    (tmp_path / "one").unlink()
    (tmp_path / "two").unlink()
    os.kill(before, signal.SIGKILL)
    until(lambda: not any(pathlib.Path("/proc/%d" % child).exists() for child in below), "its children are gone", 5)
    until(lambda: (tmp_path / "one").exists() or (tmp_path / "two").exists(), "one of them is worked on again", 40)
    assert row(broker)["pid"] not in (None, before)


def test_a_task_that_kills_its_worker_is_found_and_its_neighbours_are_done(celery_worker):
    broker, call = celery_worker(
        "  retry: {attempts: 2}\n  stop: {grace: 1s}\n  backoff: {first: 100ms, most: 200ms}\n")
    call(("die",))
    assert call(*[("add", number, 1) for number in range(6)]).results() == [number + 1 for number in range(6)]
    until(lambda: ready(broker, "cola.parked.tasks") == 1, "it is given up", 90)
    words = attempts(peek(broker, "cola.parked.tasks")[0])[-1].split(" ")
    assert words[2:4] == ["killed", "w"] and words[5] == "killed%20by%20SIGKILL"


def test_a_stop_lets_tasks_end_and_gives_the_rest_back_unharmed(celery_worker, tmp_path):
    broker, call = celery_worker("  stop: {grace: 20s}\n")
    held = call(("hold", "one", 2))
    until((tmp_path / "one").exists, "it is worked on", 30)
    began = time.monotonic()
    cola("workers", "stop", "w", url=broker.unix).succeeds()
    later = call(("add", 1, 1))
    assert held.results()[0] > 0
    until(lambda: not processes(broker).get("w"), "it has stopped", 30)
    assert time.monotonic() - began < 15
    assert ready(broker, "tasks") == 1
    with native.Connection(broker.unix) as connection:
        connection.ok("consume tasks c=1")
        assert connection.delivery().redelivered is None
    cola("workers", "start", "w", url=broker.unix).succeeds()
    assert later.results() == [2]
