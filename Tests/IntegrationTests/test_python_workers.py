"""Functions of Python as workers that nobody but their own master supervises: `python -m cola worker`."""
from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import Callable, Iterator, List

import pytest

from broker import Broker, die_with_parent
from cli import cola
import native
from test_workers import attempts, is_idle, peek, ready, until

CLIENT = pathlib.Path(__file__).resolve().parents[2] / "clients" / "python"
TASKS = """
import os, signal, time
import cola

@cola.worker("work", prefetch=5, attempts=2, delay=20, result_queue="done")
def work(message):
    if message.text == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if message.text == "raise":
        raise ValueError("on purpose")
    time.sleep(float(os.environ.get("PAUSE", "0")))
    return message.text
"""


@pytest.fixture
def run(tmp_path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Runs the workers of the module `tasks`, and ends them after the test."""
    (tmp_path / "tasks.py").write_text(TASKS)
    started: List[subprocess.Popen] = []

    def running(broker: Broker, *arguments: str, pause: float = 0.0) -> subprocess.Popen:
        environment = {**os.environ, "PYTHONPATH": str(CLIENT), "COLA_URL": broker.unix, "PAUSE": str(pause)}
        words = [sys.executable, "-m", "cola", "worker", "tasks", *arguments]
        log = open(tmp_path / "log", "ab")
        started.append(subprocess.Popen(
            words, cwd=tmp_path, env=environment, stderr=log, preexec_fn=die_with_parent))
        log.close()
        return started[-1]

    yield running
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


def workers_of(broker: Broker) -> List[int]:
    with native.Connection(broker.unix) as connection:
        return [row["pid"] for row in connection.ok("list connections").json() if row["client"] == "work"]


def publish(broker: Broker, bodies: List[str]) -> None:
    cola("publish", "-q", "work", "--declare", *bodies, url=broker.unix).succeeds()


def prepare(broker: Broker) -> None:
    cola("declare", "queue", "done", url=broker.unix).succeeds()


def done(broker: Broker) -> List[str]:
    with native.Connection(broker.unix) as connection:
        connection.ok("consume done c=1 ack=auto credit=100000")
        found = []
        while True:
            delivery = connection.delivery(1.0)
            if delivery is None:
                return found
            found.append(delivery.body.decode())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_it_works_and_ends_in_order(broker, run, method):
    prepare(broker)
    process = run(broker, "--processes", "2", "--start-method", method)
    until(lambda: len(workers_of(broker)) == 2, "both consume")
    bodies = [str(number) for number in range(200)]
    publish(broker, bodies + ["raise"])
    until(lambda: is_idle(broker, "work") and ready(broker, "cola.parked.work") == 1, "all is done")
    story = attempts(peek(broker, "cola.parked.work")[0])
    assert len(story) == 2 and story[-1].split(" ")[2:4] == ["refused", "work"]
    assert "ValueError:%20on%20purpose" in story[-1]
    children = workers_of(broker)
    process.terminate()
    assert process.wait(20) == 0
    assert not any(os.path.exists(f"/proc/{child}") for child in children)
    assert sorted(done(broker)) == sorted(bodies)


def test_a_process_that_dies_is_started_again(broker, run, tmp_path):
    prepare(broker)
    run(broker)
    until(lambda: workers_of(broker), "it consumes")
    first = workers_of(broker)[0]
    os.kill(first, signal.SIGKILL)
    until(lambda: workers_of(broker) and workers_of(broker) != [first], "another consumes")
    publish(broker, ["1"])
    until(lambda: ready(broker, "done") == 1, "it works")
    assert f"process {first} of work ended: killed by SIGKILL; it is started again in 0.1 s" in (
        tmp_path / "log").read_text()


def test_what_it_had_not_begun_goes_back_when_it_ends(broker, run):
    prepare(broker)
    process = run(broker, pause=0.5)
    publish(broker, [str(number) for number in range(10)])
    until(lambda: ready(broker, "done") > 0, "it works")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    finished = done(broker)
    assert len(finished) == len(set(finished)) < 10
    assert ready(broker, "work") == 10 - len(finished)


def test_children_die_with_their_master(broker, run):
    process = run(broker, "--processes", "2")
    until(lambda: len(workers_of(broker)) == 2, "both consume")
    children = workers_of(broker)
    process.kill()
    until(lambda: not any(os.path.exists(f"/proc/{child}") for child in children), "they are gone", 10)


def test_the_death_of_the_server_costs_nothing_but_time(broker, run):
    prepare(broker)
    process = run(broker, "--processes", "2", pause=0.02)
    bodies = [str(number) for number in range(300)]
    publish(broker, bodies)
    until(lambda: ready(broker, "done") > 20, "they work")
    children = sorted(workers_of(broker))
    broker.kill()
    time.sleep(0.5)
    broker.start()
    until(lambda: is_idle(broker, "work"), "the rest is done", 60)
    finished = done(broker)
    assert set(finished) == set(bodies)
    assert len(finished) - len(bodies) <= 2 * 5, "but for what was in hand, nothing is done twice"
    assert sorted(workers_of(broker)) == children and process.poll() is None, "and nobody had to be started again"
