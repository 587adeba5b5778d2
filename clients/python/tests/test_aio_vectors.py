"""The shared answers through both connections: what a socket brings is what reaches the client, or it is refused."""

from __future__ import annotations

import asyncio
import socket
from typing import List

import pytest

from cola import ConnectionLost
from cola._answers import Event
from cola._connection import Connection, deadline_of
from cola._message import Message
from cola.aio._connection import Connection as AsyncConnection
from test_answer_vectors import expected, fields
from vectors import Vector, name_of, raw, vectors

LIMIT = 10.0
STEPS = (1, 4096)


def through_blocking(data: bytes, step: int) -> List[Event]:
    """The events that reach what is behind a blocking connection.

    - Raises ConnectionLost: the bytes are not the protocol.
    """
    ours, theirs = socket.socketpair()
    heard: List[Event] = []
    with ours, theirs:
        theirs.settimeout(LIMIT)
        connection = Connection(ours, "the server", Message)
        connection._conversation.heard = heard.append  # type: ignore[method-assign,assignment]
        for at in range(0, len(data), step):
            theirs.sendall(data[at : at + step])
            connection.read_what_is_there()
            if not connection.is_open:
                break
        connection.wait(lambda: bool(heard), deadline_of(LIMIT))
    return heard


def through_asyncio(data: bytes, step: int) -> List[Event]:
    async def run() -> List[Event]:
        ours, theirs = socket.socketpair()
        heard: List[Event] = []
        with theirs:
            theirs.setblocking(False)
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(
                lambda: AsyncConnection("the server", Message), sock=ours
            )
            connection._conversation.heard = heard.append  # type: ignore[method-assign,assignment]
            for at in range(0, len(data), step):
                if not connection.is_open:
                    break
                try:
                    await loop.sock_sendall(theirs, data[at : at + step])
                except OSError:
                    break  # it has closed
            try:
                await asyncio.wait_for(connection.wait(lambda: bool(heard), None), LIMIT)
            finally:
                connection.lose("the test is over")
                await connection.ended()
        return heard

    return asyncio.run(run())


THROUGH = pytest.mark.parametrize("through", [through_blocking, through_asyncio])


@THROUGH
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("vector", vectors("answers"), ids=name_of)
def test_each_vector_of_answers_reaches_the_client(through: object, step: int, vector: Vector) -> None:
    assert callable(through)
    assert [fields(event) for event in through(raw(vector), step)] == [expected(vector)]


@THROUGH
@pytest.mark.parametrize("vector", vectors("broken_answers"), ids=name_of)
def test_each_vector_of_broken_answers_ends_the_connection(through: object, vector: Vector) -> None:
    assert callable(through)
    with pytest.raises(ConnectionLost, match="does not speak the protocol"):
        through(raw(vector), 65_536)
