"""The asyncio client against a scripted server: pipelining, the window, cancellation, and the end of a connection."""

from __future__ import annotations

import asyncio
import inspect
import threading
from pathlib import Path
from typing import Any, Callable, Coroutine, List

import pytest

import cola
from cola import aio
from fake_server import LIMIT, FakeServer, Peer

Test = Callable[[aio.Client], Coroutine[Any, Any, None]]


def play(folder: Path, script: Callable[[Peer], None], test: Test, timeout: float = LIMIT) -> None:
    """Runs the test's client against the script."""

    async def run(url: str) -> None:
        async with aio.connect(url, timeout=timeout) as client:
            await test(client)

    with FakeServer(folder, script) as server:
        asyncio.run(asyncio.wait_for(run(server.url), 3 * LIMIT))


def parameters(function: Any) -> List[str]:
    return [str(parameter) for parameter in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("kind", ["Client", "Publisher", "Consumer", "Delivery"])
def test_the_verbs_are_those_of_the_blocking_client(kind: str) -> None:
    blocking, asynchronous = getattr(cola, kind), getattr(aio, kind)
    names = [name for name in vars(blocking) if not name.startswith("_") and name != "ack_is_due"]
    for name in names:
        ours, theirs = getattr(asynchronous, name), getattr(blocking, name)
        if inspect.isfunction(theirs):
            # Acks travel together with the turns of the loop, so there is nothing to set.
            expected = [one for one in parameters(theirs) if not one.startswith("ack_every")]
            assert parameters(ours) == expected, name
    assert len(names) >= 2
    expected = parameters(cola.connect)
    assert parameters(aio.connect) == expected


@pytest.mark.parametrize("client", [cola.Client, aio.Client])
def test_a_verb_looks_like_a_method_that_was_written_down(client: Any) -> None:
    assert str(inspect.signature(client.purge)) == "(self, name: 'str') -> 'int'"
    assert client.purge.__qualname__ == "Client.purge"
    assert "how many those were" in (inspect.getdoc(client.purge) or "")
    assert inspect.iscoroutinefunction(client.purge) == (client is aio.Client)
    with pytest.raises(TypeError, match="unexpected keyword"):
        inspect.signature(client.purge).bind(None, "q", force=True)


def test_calls_of_many_tasks_travel_together(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.expect(b"purge a t=2\npurge b t=3\npurge c t=4\n")
        peer.send(b"ok t=2 messages=1\nerr t=3 not_found final no\nok t=4 messages=3\n")
        peer.take_leave()

    async def test(client: aio.Client) -> None:
        found = await asyncio.gather(*map(client.purge, "abc"), return_exceptions=True)
        assert (found[0], found[2]) == (1, 3)
        assert isinstance(found[1], cola.NotFound)

    play(tmp_path, script, test)


def test_the_window_holds_publishers_back(tmp_path: Path) -> None:
    held = threading.Event()

    def script(peer: Peer) -> None:
        peer.welcome()
        for tag in range(2, 12):
            peer.expect(b"pub q 1 t=%d\nx\n" % tag)
        peer.socket.settimeout(0.3)
        with pytest.raises(OSError):
            raise AssertionError(f"more than the window: {peer.socket.recv(1)!r}")
        peer.socket.settimeout(LIMIT)
        held.set()
        peer.send(b"ok t=2-11\n")
        for tag in range(12, 17):
            peer.expect(b"pub q 1 t=%d\nx\n" % tag)
        peer.send(b"ok t=12-15\nerr t=16 full retry no room\n")
        peer.take_leave()

    async def test(client: aio.Client) -> None:
        publisher = await client.publisher(window=10)
        numbers = [await publisher.publish("q", "x") for _ in range(11)]
        assert held.is_set() and numbers == list(range(11))
        # Tasks share it, and its window.
        await asyncio.gather(*(publisher.publish("q", "x") for _ in range(4)))
        with pytest.raises(cola.PublishRefused, match="1 of 15 messages"):
            await publisher.flush()
        report = publisher.report()
        assert (report.confirmed, list(report.refused), len(report.unknown)) == (14, [14], 0)

    play(tmp_path, script, test)


def test_a_cancelled_publish_that_waits_has_sent_nothing(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.expect(b"pub q 1 t=2\n1\nping t=3\n")
        peer.send(b"ok t=2-3\n")
        peer.take_leave()

    async def test(client: aio.Client) -> None:
        publisher = await client.publisher(window=1)
        await publisher.publish("q", "1")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(publisher.publish("q", "2"), 0.05)
        await client.ping()
        assert (publisher.report().sent, publisher.report().confirmed) == (1, 1)

    play(tmp_path, script, test)


def test_the_answer_to_a_cancelled_call_is_passed_over(tmp_path: Path) -> None:
    cancelled = threading.Event()

    def script(peer: Peer) -> None:
        peer.welcome()
        peer.expect(b"purge a t=2\n")
        assert cancelled.wait(LIMIT)
        peer.expect(b"purge b t=3\n")
        peer.send(b"ok t=2 messages=1\nok t=3 messages=2\n")
        peer.take_leave()

    async def test(client: aio.Client) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.purge("a"), 0.1)
        cancelled.set()
        assert await client.purge("b") == 2

    play(tmp_path, script, test)


def test_a_message_for_a_cancelled_get_goes_back(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.expect(b"get q t=2 ack=manual\n")
        peer.expect(b"ping t=3\n")
        peer.send(b"ok t=2 delivery=7 offset=0 size=1\nx\n")
        peer.expect(b"fail 7 end=cancelled then=give-back\n")
        peer.send(b"ok t=3\n")
        peer.take_leave()

    async def test(client: aio.Client) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.get("q", "manual"), 0.1)
        await client.ping()

    play(tmp_path, script, test)


def test_messages_for_a_cancelled_consume_go_back(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.expect(b"consume q t=2 c=1 prefetch=5\n")
        peer.expect(b"cancel 1 t=3\nping t=4\n")
        peer.send(b"ok t=2\nmsg 1 1 0 1\nx\nok t=3\n")
        peer.expect(b"fail 1 end=cancelled then=give-back\n")
        peer.send(b"ok t=4\n")
        peer.take_leave()

    async def test(client: aio.Client) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.consume("q", 5), 0.1)
        await client.ping()

    play(tmp_path, script, test)


def test_a_cancelled_get_of_a_consumer_takes_nothing(tmp_path: Path) -> None:
    cancelled = threading.Event()

    def script(peer: Peer) -> None:
        peer.welcome()
        peer.expect(b"consume q t=2 c=1 prefetch=5\n")
        peer.send(b"ok t=2\n")
        assert cancelled.wait(LIMIT)
        peer.send(b"msg 1 1 0 1\nx\nmsg 1 2 1 1\ny\n")
        peer.expect(b"ack 1-2\n")  # neighbours, together
        peer.take_leave()

    async def test(client: aio.Client) -> None:
        consumer = await client.consume("q", 5)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(consumer.get(), 0.05)
        assert await consumer.get(timeout=0.05) is None
        cancelled.set()
        texts = []
        async for delivery in consumer:
            texts.append(delivery.text)
            await delivery.ack()
            if len(texts) == 2:
                break
        assert texts == ["x", "y"]
        with pytest.raises(ValueError, match="settled already"):
            await delivery.ack()

    play(tmp_path, script, test)


def test_no_answer_in_time_leaves_the_connection_open(tmp_path: Path) -> None:
    late = threading.Event()

    def script(peer: Peer) -> None:
        peer.welcome()
        peer.expect(b"ping t=2\n")
        assert late.wait(LIMIT)
        peer.send(b"ok t=2\n")
        peer.take_leave()

    async def test(client: aio.Client) -> None:
        with pytest.raises(cola.NoAnswer, match="no answer to ping"):
            await client.ping()
        assert client.is_open
        late.set()

    play(tmp_path, script, test, timeout=0.3)


@pytest.mark.parametrize(
    "last_words, reason", [(b"", "closed the connection"), (b"bye shutting_down soon\n", "said shutting_down")]
)
def test_a_lost_connection_tells_what_was_in_flight(tmp_path: Path, last_words: bytes, reason: str) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        for tag in range(2, 5):
            peer.expect(b"pub q 1 t=%d\nx\n" % tag)
        peer.send(b"ok t=2\n" + last_words)

    async def test(client: aio.Client) -> None:
        publisher = await client.publisher()
        for _ in range(3):
            await publisher.publish("q", "x")
        with pytest.raises(cola.ConnectionLost, match=reason) as caught:
            await publisher.flush()
        assert caught.value.in_flight == ("2 published messages, numbers 1 to 2",)
        assert list(publisher.report().unknown) == [1, 2]
        assert not client.is_open

    play(tmp_path, script, test)


def test_who_is_refused_is_told_why(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.line()
        peer.send(b"bye busy too many\n")

    async def connect(url: str) -> None:
        with pytest.raises(cola.Busy, match="too many"):
            await aio.connect(url)

    with FakeServer(tmp_path, script) as server:
        asyncio.run(connect(server.url))


@pytest.mark.parametrize("url", ["unix:///nowhere/cola.sock", "tcp://127.0.0.1:1"])
def test_where_nobody_listens_is_said(url: str) -> None:
    async def connect() -> None:
        with pytest.raises(cola.Unreachable, match="cola serve"):
            await aio.connect(url)

    asyncio.run(connect())


def test_a_silent_server_is_given_up_and_beats_are_sent(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome(heartbeat=1)
        assert peer.line().startswith(b"consume q t=2")
        assert peer.line() == b"beat\n"
        while peer.line() == b"beat\n":
            pass

    async def wait(url: str) -> None:
        client = await aio.connect(url, heartbeat=1)
        with pytest.raises(cola.ConnectionLost, match="nothing came"):
            await client.consume("q")
        await client.close()

    with FakeServer(tmp_path, script) as server:
        asyncio.run(asyncio.wait_for(wait(server.url), LIMIT))
