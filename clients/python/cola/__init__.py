"""Client of the Cola message broker.

    import cola

    with cola.connect() as client:
        client.declare_queue("hello")
        client.publish("hello", "world")
        for delivery in client.consume("hello", timeout=1):
            print(delivery.text)
            delivery.ack()
"""

from ._client import Client, connect
from ._confirms import PublishRefused, PublishReport
from ._consumer import Consumer, Delivery
from ._errors import (
    AccessRefused,
    Blocked,
    Busy,
    Cancelled,
    ColaError,
    ConnectionLost,
    Damaged,
    Full,
    InUse,
    LimitReached,
    Locked,
    Misconfigured,
    Mismatch,
    NoAnswer,
    NotFound,
    ProtocolViolation,
    ShuttingDown,
    StaleDelivery,
    TooLarge,
    Unauthenticated,
    UnknownDelivery,
    Unreachable,
    Unroutable,
)
from ._message import Message
from ._publisher import Publisher
from ._queue import JoinableQueue, Queue, SimpleQueue
from ._reconnect import Reconnect
from ._worker import Reject, Retry, Worker, worker
from ._workers import run_workers

__version__ = "0.1.0"

__all__ = [
    "AccessRefused",
    "Blocked",
    "Busy",
    "Cancelled",
    "Client",
    "ColaError",
    "ConnectionLost",
    "Consumer",
    "Damaged",
    "Delivery",
    "Full",
    "InUse",
    "JoinableQueue",
    "LimitReached",
    "Locked",
    "Message",
    "Misconfigured",
    "Mismatch",
    "NoAnswer",
    "NotFound",
    "ProtocolViolation",
    "PublishRefused",
    "PublishReport",
    "Publisher",
    "Queue",
    "Reconnect",
    "Reject",
    "Retry",
    "ShuttingDown",
    "SimpleQueue",
    "StaleDelivery",
    "TooLarge",
    "Unauthenticated",
    "UnknownDelivery",
    "Unreachable",
    "Unroutable",
    "Worker",
    "connect",
    "run_workers",
    "worker",
]
