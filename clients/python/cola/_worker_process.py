"""What a process of a worker does: messages in, calls of its function, until it is to end."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import sys
import threading
from multiprocessing import parent_process
from types import FrameType
from typing import Optional

from ._client import Client
from ._consumer import Consumer
from ._errors import Cancelled, ColaError, ConnectionLost, NotFound
from ._worker import Worker, log

# How long one that is without its connection waits for the next before it looks whether it is to end, seconds.
_PATIENCE = 1.0
_PR_SET_PDEATHSIG = 1


class Stop:
    """Whether this process was asked to end, and a descriptor that wakes whoever waits."""

    def __init__(self) -> None:
        self.asked = 0
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)

    def listen(self) -> None:
        """SIGTERM and SIGINT ask for the end from here on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: Optional[FrameType]) -> None:
        self.asked += 1
        try:
            self._writer.send(b"\0")
        except OSError:
            pass  # it is full: whoever waits wakes in any case

    def fileno(self) -> int:
        return self._reader.fileno()

    def clear(self) -> None:
        """Takes note of what woke whoever waited."""
        self._reader.recv(4096)


def serve(worker: "Worker[..., object]", client: Client, stop: Stop) -> None:
    """Calls the worker's function with what comes, until the process is to end or the server ends the consumer.

    The call under way is finished; what came and was not looked at goes back with the connection.

    - Raises ConnectionLost: with a client that does not reconnect. ColaError: the queue cannot be consumed.
    """
    consumer = _begin(worker, client)
    while not stop.asked:
        try:
            delivery = consumer.get(0.0 if client.is_open else _PATIENCE)
        except Cancelled as reason:
            log.info("%s ends: %s", worker.name, reason.sentence)
            return
        if delivery is None:
            if client.is_open:
                _wait(client, stop)
            continue
        try:
            worker.handle(delivery, client)
        except ConnectionLost as problem:
            if not client._session.reconnects:
                raise
            log.warning("%s: offset %d comes again: %s", worker.name, delivery.offset, problem.sentence)


def _begin(worker: "Worker[..., object]", client: Client) -> Consumer:
    # An ack that waits for company would be lost with the process, and its message called with again.
    def consume() -> Consumer:
        return client.consume(worker.queue, prefetch=worker.prefetch, ack_every=1)

    try:
        return consume()
    except NotFound:
        client.declare_queue(worker.queue)
        return consume()


def _wait(client: Client, stop: Stop) -> None:
    """Until something comes, or the process is to end."""
    poll = select.poll()
    poll.register(stop, select.POLLIN)
    try:
        poll.register(client._connection.fileno(), select.POLLIN)
    except ValueError:
        return  # lost meanwhile
    poll.poll()


def die_with_parent(parent: int) -> None:
    """From here on this process, a child of ``parent``, ends by force when that one is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    else:
        process = parent_process()
        if process is not None:
            threading.Thread(target=_end_after, args=(process.sentinel,), daemon=True).start()
    if os.getppid() != parent:
        os._exit(1)  # it was gone before


def _end_after(sentinel: int) -> None:
    select.select([sentinel], [], [])
    os._exit(1)


def take_leave(client: Client) -> None:
    try:
        client.close()
    except ColaError:
        pass
