"""Processes of workers: the durable twin of ``multiprocessing.Process(target=…)``."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any, Callable, List, Optional, Union

from . import _token as token
from . import _verbs as verbs
from ._client import Client, connect
from ._errors import ColaError
from ._worker import Worker, log
from ._worker_process import Stop, die_with_parent, serve, take_leave

AnyWorker = Worker[..., Any]

# Before a process is started again: so long after the first bad end in a row, twice as long after each further one, at
# most so long; and what was up for so long has failed never. Seconds.
_FIRST_PAUSE, _LONGEST_PAUSE, _PROVED_AFTER = 0.1, 60.0, 10.0


def run_workers(
    *workers: Union[AnyWorker, ModuleType],
    processes: int = 1,
    start_method: str = "fork",
    url: Optional[str] = None,
    grace: float = 30.0,
) -> None:
    """Runs workers, each in so many processes, until SIGTERM or SIGINT.

    A process that ends is started again, the later the more often it failed in a row. At the end each finishes the call
    that it is in, what else it was sent goes back, and what is left after ``grace`` seconds, or with a second signal,
    is killed. When this process dies the others die with it.

    As a worker of ``cola serve`` (mode ``client``) it needs no URL, and says of each process how it ended, so that
    what killed it is found out; one worker in one process is then run in this very process.

    - workers: functions with ``@cola.worker``, or modules, of which all are meant.
    - start_method: ``fork``, copies of this process, with all that it has loaded; or ``spawn``, clean interpreters,
      which import the module of the worker.
    - Raises ValueError: there is no worker, or none that can be run like that.
    """
    chosen = _all_of(workers)
    if processes < 1:
        raise ValueError(f"{processes} processes can do nothing; give 1 or more")
    if start_method not in ("fork", "spawn"):
        raise ValueError(f"start_method is 'fork' or 'spawn', not {start_method!r}")
    for worker in chosen:
        worker.queue  # the error comes here, and not in each process
    is_supervised = url is None and token.is_there()
    if is_supervised and len(chosen) * processes == 1:
        return _run_here(chosen[0])
    Master([worker for worker in chosen for _ in range(processes)], start_method, url, grace, is_supervised).run()


def workers_of(module: ModuleType) -> List[AnyWorker]:
    """In the order in which they stand there."""
    found: List[AnyWorker] = []
    for value in vars(module).values():
        if isinstance(value, Worker) and value not in found:
            found.append(value)
    return found


def _all_of(named: "tuple[Union[AnyWorker, ModuleType], ...]") -> List[AnyWorker]:
    chosen: List[AnyWorker] = []
    for each in named:
        if isinstance(each, ModuleType):
            found = workers_of(each)
            if not found:
                raise ValueError(f"module {each.__name__} has no worker; mark a function with @cola.worker(QUEUE)")
            chosen += found
        elif isinstance(each, Worker):
            chosen.append(each)
        else:
            raise ValueError(f"{each!r} is no worker; mark the function with @cola.worker(QUEUE)")
    if not chosen:
        raise ValueError("there is no worker to run; pass functions with @cola.worker(QUEUE), or modules")
    return chosen


def _vhost() -> Optional[str]:
    """The virtual host of the definition by which it runs."""
    return os.environ.get("COLA_VHOST") or None


def _run_here(worker: AnyWorker) -> None:
    stop = Stop()
    stop.listen()
    client = connect(client=worker.name, vhost=_vhost())
    serve(worker, client, stop)
    take_leave(client)


def _run_child(
    worker: AnyWorker, parent: int, url: Optional[str], given: Optional[str], inherited: Optional[Client]
) -> None:
    """- given: its token. inherited: a connection that is its parent's."""
    die_with_parent(parent)
    stop = Stop()
    stop.listen()
    # Ctrl-C goes to all of them; the parent says in which order they end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if inherited is not None:
        inherited._connection.leave_to_parent()
    client = connect(url, client=worker.name, vhost=_vhost(), token=given, reconnect=given is None)
    serve(worker, client, stop)
    take_leave(client)


@dataclass(eq=False)
class _Place:
    """One of the processes that there are to be."""

    worker: AnyWorker
    process: Optional[BaseProcess] = None
    started: float = 0.0
    next_start: float = 0.0
    failures: int = 0


class Master:
    """Starts processes, watches them, and ends them in order."""

    def __init__(
        self, workers: List[AnyWorker], start_method: str, url: Optional[str], grace: float, is_supervised: bool
    ) -> None:
        self._places = [_Place(worker) for worker in workers]
        context: Any = multiprocessing.get_context(start_method)
        self._make: Callable[..., BaseProcess] = context.Process
        self._forks = start_method == "fork"
        self._url = url
        self._grace = grace
        self._is_supervised = is_supervised
        self._client: Optional[Client] = None
        self._stop = Stop()

    def run(self) -> None:
        self._stop.listen()
        try:
            if self._is_supervised:
                self._client = connect(client="cola.run_workers")
            while not self._stop.asked:
                now = time.monotonic()
                for place in self._places:
                    if place.process is None and place.next_start <= now:
                        self._start(place, now)
                self._wait(min((p.next_start for p in self._places if p.process is None), default=None))
        finally:
            self._end_all()
            if self._client is not None:
                take_leave(self._client)

    def _start(self, place: _Place, now: float) -> None:
        worker = place.worker
        given: Optional[str] = None
        if self._client is not None:
            try:
                given = self._client._ask(verbs.child_token())
            except ColaError as problem:
                # While the worker is being stopped there is none, and the signal to end is on its way.
                if not problem.retryable or not self._client.is_open:
                    raise
                self._postpone(place, now)
                return
        args = (worker, os.getpid(), self._url, given, self._client if self._forks else None)
        place.process = self._make(target=_run_child, args=args, name=worker.name)
        place.process.start()
        place.started = now

    def _postpone(self, place: _Place, now: float) -> float:
        place.failures += 1
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(place.failures - 1, 30))
        place.next_start = now + pause
        return pause

    def _wait(self, until: Optional[float]) -> None:
        """Until a process has ended, this one is to end, or the time has come."""
        running = {place.process.sentinel: place for place in self._places if place.process is not None}
        timeout = None if until is None else max(0.0, until - time.monotonic())
        for ready in connection.wait([*running, self._stop.fileno()], timeout):
            if ready == self._stop.fileno():
                self._stop.clear()
            elif isinstance(ready, int):
                self._ended(running[ready])

    def _ended(self, place: _Place) -> None:
        process, place.process = place.process, None
        assert process is not None
        process.join()
        code, number = process.exitcode or 0, process.pid or 0
        process.close()
        if self._client is not None:
            self._client._ask(verbs.child_ended(number, code))
        if self._stop.asked:
            return
        now = time.monotonic()
        if now - place.started >= _PROVED_AFTER:
            place.failures = 0
        pause = self._postpone(place, now)
        how = f"exit code {code}" if code >= 0 else f"killed by {_name(-code)}"
        log.warning("process %d of %s ended: %s; it is started again in %.1f s", number, place.worker.name, how, pause)

    def _end_all(self) -> None:
        deadline = time.monotonic() + self._grace
        asked = self._stop.asked
        self._signal(signal.SIGTERM)
        while any(place.process is not None for place in self._places):
            if time.monotonic() >= deadline or self._stop.asked > max(1, asked):
                self._signal(signal.SIGKILL)
                deadline = time.monotonic() + 1
            try:
                self._wait(deadline)
            except ColaError:
                self._client = None  # nobody is left to tell

    def _signal(self, number: signal.Signals) -> None:
        for place in self._places:
            if place.process is not None and place.process.pid is not None:
                try:
                    os.kill(place.process.pid, number)
                except ProcessLookupError:
                    pass


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
