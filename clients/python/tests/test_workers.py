"""Functions as workers, without a server: what becomes of a message, and what cannot be run."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import types
from datetime import timedelta
from pathlib import Path
from typing import Any, List, Optional, Tuple

import pytest

import cola
from cola import _token as tokens
from cola._worker import Worker


class Settled(cola.Delivery):
    """A delivery that notes what becomes of it."""

    def __init__(self, body: bytes, releases: Optional[int] = None) -> None:
        super().__init__(1, 1, 7)
        self.body, self.releases = body, releases
        self.fate: List[Tuple[str, Any]] = []

    def ack(self) -> None:
        self.fate.append(("ack", None))

    def fail(self, **story: Any) -> None:  # type: ignore[override]
        self.fate.append(("fail", story))


class Results:
    """The part of a client that a worker uses."""

    is_open = True

    def __init__(self) -> None:
        self.published: List[Tuple[str, Any, Any]] = []

    def publish(self, queue: str, body: Any, correlation_id: Any = None) -> None:
        self.published.append((queue, body, correlation_id))


def fate(worker: "Worker[Any, Any]", body: str = "x", releases: Optional[int] = None) -> "Tuple[str, Any]":
    delivery = Settled(body.encode(), releases)
    worker.handle(delivery, Results())  # type: ignore[arg-type]
    assert len(delivery.fate) == 1
    return delivery.fate[0]


@cola.worker("doubles")
def double(number: int) -> int:
    """Twice as much."""
    return 2 * number


def test_it_is_still_a_function() -> None:
    assert double(21) == 42
    assert (double.name, double.__doc__, double.queue) == ("double", "Twice as much.", "doubles")
    assert repr(double) == "<worker double of doubles>"


def test_returning_is_an_acknowledgement() -> None:
    assert fate(cola.worker("q")(lambda message: None)) == ("ack", None)


def test_an_exception_is_another_attempt_with_its_story() -> None:
    def work(message: cola.Delivery) -> None:
        raise KeyError(message.text)

    verb, story = fate(cola.worker("q", attempts=3, delay=100)(work), "ä")
    assert verb == "fail" and story["attempts"] == 3 and 90 <= story["delay"] <= 110
    assert story["detail"] == "KeyError: 'ä'" and story["output"].startswith("Traceback")
    assert not story["default"] and fate(cola.worker("q")(work))[1]["default"], "then the queue's own rule goes first"


def test_an_exception_while_the_server_is_away_ends_no_process() -> None:
    """It is the function's own; whether the message still is this connection's, ``fail`` finds out."""

    class Away(Results):
        is_open = False

    @cola.worker("work")
    def broken(message: cola.Delivery) -> None:
        raise ValueError("no such thing")

    delivery = Settled(b"x", None)
    broken.handle(delivery, Away())  # type: ignore[arg-type]
    assert [what for what, _ in delivery.fate] == ["fail"]


def test_each_pause_is_twice_the_last_up_to_a_cap() -> None:
    worker = cola.worker("q", delay=timedelta(seconds=1), delay_most=3000)(lambda message: None)
    assert [worker.pause(Settled(b"", count), lambda: 0.5) for count in (None, 0, 1, 2, 99)] == [
        1000, 1000, 2000, 3000, 3000]


def test_retry_says_when_and_reject_that_there_is_no_use() -> None:
    def later(message: cola.Delivery) -> None:
        raise cola.Retry(timedelta(seconds=2), "busy")

    def never(message: cola.Delivery) -> None:
        raise cola.Reject("no picture")

    told = {"attempts": 5, "delay": timedelta(seconds=2), "detail": "busy", "output": None, "default": False}
    assert fate(cola.worker("q")(later)) == ("fail", told)
    assert fate(cola.worker("q")(never)) == ("fail", {"detail": "no picture"})


def test_a_story_is_cut_where_a_message_would_not_take_it() -> None:
    def work(message: cola.Delivery) -> None:
        raise ValueError("ü" * 10_000)

    _, story = fate(cola.worker("q")(work))
    assert len(story["detail"].encode()) <= 4096 and story["detail"].startswith("ValueError: ü")
    assert len(story["output"].encode()) <= 4096 and story["output"].endswith("ü")


def test_what_it_returns_is_published_before_the_acknowledgement() -> None:
    worker, results = cola.worker("q", result_queue="r")(lambda message: message.text.upper()), Results()
    delivery = Settled(b"a")
    delivery.header_pairs = [(b"cola-correlation-id", b"7")]
    worker.handle(delivery, results)  # type: ignore[arg-type]
    assert results.published == [("r", "A", "7")] and delivery.fate == [("ack", None)]


def test_another_process_finds_it_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(double)) is double
    with pytest.raises(ValueError, match="inside a function"):
        pickle.dumps(cola.worker("q")(lambda message: None))


def test_the_queue_may_be_that_of_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = cola.worker()(lambda message: None)
    with pytest.raises(ValueError, match="has no queue"):
        worker.queue
    monkeypatch.setenv("COLA_QUEUE", "pictures")
    assert worker.queue == "pictures" and worker.prefetch == 10
    monkeypatch.setenv("COLA_PREFETCH", "3")
    assert worker.prefetch == 3 and cola.worker(prefetch=7)(print).prefetch == 7


@pytest.mark.parametrize(
    "arguments, options, sentence",
    [
        ((), {}, "no worker to run"),
        ((print,), {}, "is no worker"),
        ((types.ModuleType("empty"),), {}, "module empty has no worker"),
        ((double,), {"processes": 0}, "0 processes"),
        ((double,), {"start_method": "thread"}, "'fork' or 'spawn'"),
    ],
)
def test_what_cannot_be_run_is_said_at_once(arguments: Any, options: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        cola.run_workers(*arguments, **options)


def command(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    words = [sys.executable, "-m", "cola", *arguments]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["worker", "nowhere"], "there is no module 'nowhere'"),
        (["worker", "tasks:missing"], "has no worker 'missing'; it has work"),
        (["worker", "tasks", "--processes", "0"], "0 processes"),
        (["worker", "tasks", "--processes", "many"], "invalid int value"),
        (["worker", "tasks", "--start-method", "thread"], "invalid choice"),
        (["worker"], "MODULE"),
        ([], "COMMAND"),
    ],
)
def test_the_command_says_what_is_wrong_with_it(tmp_path: Path, arguments: List[str], sentence: str) -> None:
    (tmp_path / "tasks.py").write_text('import cola\n\n@cola.worker("q")\ndef work(message):\n    pass\n')
    result = command(tmp_path, *arguments)
    assert result.returncode == 64 and sentence in result.stderr and "Traceback" not in result.stderr


def test_a_module_that_lacks_something_says_what(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("import not_there\n")
    result = command(tmp_path, "worker", "tasks")
    assert result.returncode == 1 and "No module named 'not_there'" in result.stderr


# The token


def given(monkeypatch: pytest.MonkeyPatch, content: bytes) -> int:
    descriptor = os.memfd_create("token")
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    monkeypatch.setenv("COLA_TOKEN_FD", str(descriptor))
    return descriptor


@pytest.mark.skipif(sys.platform != "linux", reason="files in memory are Linux's")
def test_a_token_is_taken_once_and_its_descriptor_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    descriptor = given(monkeypatch, b"5e" * 32)
    assert tokens.take() == "5e" * 32
    assert "COLA_TOKEN_FD" not in os.environ and tokens.take() is None
    with pytest.raises(OSError):
        os.fstat(descriptor)


@pytest.mark.skipif(sys.platform != "linux", reason="files in memory are Linux's")
def test_of_those_who_share_a_descriptor_the_first_has_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    copy = os.dup(given(monkeypatch, b"5e" * 32))
    assert tokens.take() is not None
    monkeypatch.setenv("COLA_TOKEN_FD", str(copy))
    assert tokens.take() is None


@pytest.mark.skipif(sys.platform != "linux", reason="files in memory are Linux's")
def test_what_is_no_token_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    descriptor = given(monkeypatch, b"something else")
    assert tokens.take() is None
    os.close(descriptor)
    for nonsense in ("", "x", "-1", "999999"):
        monkeypatch.setenv("COLA_TOKEN_FD", nonsense)
        assert tokens.take() is None
