"""Fixtures, and the settings that say how long the tests take. See README.md for all environment variables."""
from __future__ import annotations

import os
import pathlib
import sys
from typing import Callable, Iterator, List

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import amqp  # noqa: E402
import broker as broker_module  # noqa: E402
import kafka_wire  # noqa: E402
import native  # noqa: E402

# Servers run beside one another, and AMQP and Kafka have a port each by default.
os.environ.setdefault("COLA_AMQP", "127.0.0.1:0")
os.environ.setdefault("COLA_KAFKA", "127.0.0.1:0")

LONG = os.environ.get("COLA_LONG") == "1"


def setting(name: str, short: int, long: int) -> int:
    """A count from the environment, else one of two defaults (`COLA_LONG=1` takes the long one)."""
    return int(os.environ.get(name) or (long if LONG else short))


def seed() -> int:
    """`COLA_SEED`, to run one failure again with the same choices. Threads still interleave as they like."""
    return int(os.environ.get("COLA_SEED") or 1)


def time_factor() -> float:
    """What stated times are multiplied with before they are asserted: test machines are shared and noisy."""
    return float(os.environ.get("COLA_TIME_FACTOR") or 5)


@pytest.fixture
def new_broker() -> Iterator[Callable[..., broker_module.Broker]]:
    """Makes brokers (not started yet), and ends and deletes them after the test."""
    made: List[broker_module.Broker] = []

    def make(*arguments: str, environment=None, folder=None) -> broker_module.Broker:
        made.append(broker_module.Broker(folder or broker_module.new_folder(), arguments, environment))
        return made[-1]

    yield make
    for broker in made:
        broker.remove()


@pytest.fixture
def broker(new_broker: Callable[..., broker_module.Broker]) -> broker_module.Broker:
    """A running broker of this test alone."""
    started = new_broker()
    started.start()
    return started


@pytest.fixture(scope="module")
def shared_broker() -> Iterator[broker_module.Broker]:
    """A running broker for all tests of a file; each test uses names of its own."""
    started = broker_module.Broker(broker_module.new_folder())
    try:
        started.start()
        yield started
        assert started.runs(), "the broker died during the tests; %s" % started.stderr()
    finally:
        started.remove()


@pytest.fixture
def connection(shared_broker: broker_module.Broker) -> Iterator[native.Connection]:
    """An administrator's connection to the shared broker."""
    with native.Connection(shared_broker.unix) as opened:
        yield opened


@pytest.fixture(scope="module")
def amqp_address(request) -> amqp.Address:
    """Where AMQP is spoken: at the shared broker, or where `AMQP_ADDRESS` says."""
    return amqp.elsewhere() or amqp.address(request.getfixturevalue("shared_broker").amqp)


@pytest.fixture
def client(amqp_address: amqp.Address):
    """A pika connection of the test's own."""
    opened = amqp.connect(amqp_address)
    yield opened
    if opened.is_open:
        opened.close()


@pytest.fixture
def channel(client):
    return client.channel()


@pytest.fixture
def wire(amqp_address: amqp.Address) -> Iterator[amqp.Wire]:
    """A raw connection with channel 1 open."""
    with amqp.Wire(amqp_address) as opened:
        yield opened.open()


@pytest.fixture(scope="module")
def kafka_address(request) -> kafka_wire.Address:
    """Where Kafka's protocol is spoken: at the shared broker, or where `KAFKA_ADDRESS` says."""
    return kafka_wire.elsewhere() or kafka_wire.of(request.getfixturevalue("shared_broker"))


@pytest.fixture
def kafka(kafka_address: kafka_wire.Address) -> Iterator[kafka_wire.Wire]:
    """A raw connection of the test's own."""
    with kafka_wire.Wire(kafka_address) as opened:
        yield opened
