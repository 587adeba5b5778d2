"""Functions as workers: what becomes of a message is said by how its function ends."""

from __future__ import annotations

import logging
import os
import random
import sys
import traceback
from functools import update_wrapper
from importlib import import_module
from typing import TYPE_CHECKING, Any, Callable, Generic, Optional, Tuple, TypeVar

from ._client import Client
from ._consumer import Delivery
from ._errors import ColaError
from ._requests import Duration, milliseconds

if TYPE_CHECKING:
    from typing_extensions import ParamSpec

    _Parameters = ParamSpec("_Parameters")
else:
    _Parameters = TypeVar("_Parameters")

_Returned = TypeVar("_Returned")

log = logging.getLogger("cola.worker")

# What a message remembers of an attempt, bytes.
_STORY = 4096


class Retry(Exception):
    """Raised by a worker's function: not now, but again later.

    - delay: milliseconds, or a timedelta; None: as the worker has it after an exception.
    """

    def __init__(self, delay: Optional[Duration] = None, reason: str = "to be tried again") -> None:
        super().__init__(reason)
        self.delay = delay


class Reject(Exception):
    """Raised by a worker's function: never again. The message is a dead letter, or parked, with the reason."""

    def __init__(self, reason: str = "rejected") -> None:
        super().__init__(reason)


class Worker(Generic[_Parameters, _Returned]):
    """A function that is called with each message of a queue; made by ``worker``. It can still be called as it is."""

    def __init__(
        self,
        function: Callable[_Parameters, _Returned],
        queue: Optional[str],
        prefetch: Optional[int],
        attempts: Optional[int],
        delay: Optional[Duration],
        delay_most: Optional[Duration],
        result_queue: Optional[str],
    ) -> None:
        self.function = function
        self._queue = queue
        self._prefetch = prefetch
        self.attempts = 5 if attempts is None else attempts
        self.delay = milliseconds(1_000 if delay is None else delay)
        self.delay_most = milliseconds(3_600_000 if delay_most is None else delay_most)
        # Where nothing is said of this worker, the queue's own rule goes first.
        self.is_by_default = attempts is None and delay is None and delay_most is None
        self.result_queue = result_queue
        self.name: str = getattr(function, "__name__", "worker")
        update_wrapper(self, function)

    def __call__(self, *args: _Parameters.args, **named: _Parameters.kwargs) -> _Returned:
        return self.function(*args, **named)

    def __repr__(self) -> str:
        return f"<worker {self.name} of {self._queue or 'COLA_QUEUE'}>"

    def __reduce__(self) -> Tuple[Any, ...]:
        """By its name: in another process it is what its module has there."""
        module, path = self.function.__module__, self.function.__qualname__
        if "<" in path:
            raise ValueError(
                f"worker {path} is defined inside a function, where a clean interpreter does not find it; move it to "
                'the top of its module, or start its processes with start_method="fork"'
            )
        return _find, (module, path)

    @property
    def queue(self) -> str:
        """The queue that it is of; where its definition names none, ``COLA_QUEUE`` of the environment.

        - Raises ValueError: that is not set either.
        """
        name = self._queue or os.environ.get("COLA_QUEUE")
        if not name:
            raise ValueError(f'worker {self.name} has no queue; name one, as in @cola.worker("orders")')
        return name

    @property
    def prefetch(self) -> int:
        """Messages that a process has at hand at most."""
        return self._prefetch or int(os.environ.get("COLA_PREFETCH") or 10)

    def handle(self, delivery: Delivery, client: Client) -> None:
        """Calls the function, and settles the message by what it does.

        - Raises ConnectionLost: the message comes again, to this or another process.
        """
        try:
            result: Any = self.function(delivery)  # type: ignore[call-arg, arg-type]
            if self.result_queue is not None and result is not None:
                client.publish(self.result_queue, result, correlation_id=delivery.correlation_id)
        except Reject as refusal:
            log.info("%s rejects offset %d: %s", self.name, delivery.offset, refusal)
            delivery.fail(detail=_cut(str(refusal)))
        except Retry as again:
            self._fail(delivery, again.delay, str(again), "")
        except Exception as problem:
            if isinstance(problem, ColaError) and not client.is_open:
                raise
            log.warning("%s failed at offset %d", self.name, delivery.offset, exc_info=True)
            said = "".join(traceback.format_exception(type(problem), problem, problem.__traceback__)).rstrip()
            detail = "".join(traceback.format_exception_only(type(problem), problem)).strip()
            self._fail(delivery, None, detail, said)
        else:
            delivery.ack()

    def _fail(self, delivery: Delivery, delay: Optional[Duration], detail: str, output: str) -> None:
        delivery.fail(
            attempts=self.attempts,
            delay=self.pause(delivery) if delay is None else delay,
            detail=_cut(detail),
            output=_cut(output, at_end=True) or None,
            default=self.is_by_default and delay is None,
        )

    def pause(self, delivery: Delivery, chance: Callable[[], float] = random.random) -> int:
        """How long it waits for the next attempt: twice as long each time, and a tenth more or less. Milliseconds."""
        failures = min(delivery.releases or 0, 62)
        return int(min(self.delay_most, self.delay * 2**failures) * (0.9 + 0.2 * chance()))


def worker(
    queue: Optional[str] = None,
    *,
    prefetch: Optional[int] = None,
    attempts: Optional[int] = None,
    delay: Optional[Duration] = None,
    delay_most: Optional[Duration] = None,
    result_queue: Optional[str] = None,
) -> Callable[[Callable[_Parameters, _Returned]], Worker[_Parameters, _Returned]]:
    """Makes a function a worker: ``run_workers`` calls it with each message (a ``Delivery``) of the queue.

    When it returns the message is acknowledged. When it raises, the message remembers why and is tried again, the
    later the more attempts have failed; after the last it is a dead letter, or parked, with the story of them all.
    ``Retry`` says when, ``Reject`` that there is no use. A process that dies takes no other message with it.

    - queue: is made if there is none; None: that of the definition by which ``cola serve`` runs it (``COLA_QUEUE``).
    - prefetch: messages that a process has at hand, the one that the function is called with among them; None: as the
      definition by which it runs has it (``COLA_PREFETCH``), else 10.
    - attempts: so many may fail; 5 if not said. delay, delay_most: before the second one, and before any at most,
      milliseconds or a timedelta; a second and an hour. Where none of the three is said a ``retry`` of the queue holds.
      How often its process may die of a message, the worker's definition says (``retry``), or else the queue.
    - result_queue: gets what the function returns (text or bytes; None is nothing), with the ``correlation_id`` of the
      message. Published before the message is acknowledged: if the process dies in between, twice.
    """

    def make(function: Callable[_Parameters, _Returned]) -> Worker[_Parameters, _Returned]:
        return Worker(function, queue, prefetch, attempts, delay, delay_most, result_queue)

    return make


def _find(module: str, path: str) -> Any:
    found: Any = sys.modules.get(module) or import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    return found


def _cut(text: str, at_end: bool = False) -> str:
    """As much of it as a message remembers; of what ends with what matters, the end."""
    data = text.encode("utf-8", "replace")
    return (data[-_STORY:] if at_end else data[:_STORY]).decode("utf-8", "ignore")
