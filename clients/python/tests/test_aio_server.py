"""The asyncio client against a real server, named by COLA_TEST_URL."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from pathlib import Path
from typing import Any, Awaitable, Callable, List

import pytest

import cola
from cola import aio

URL = os.environ.get("COLA_TEST_URL")
pytestmark = pytest.mark.skipif(URL is None, reason="COLA_TEST_URL names no server to test against")

LIMIT = 20.0
_numbers = itertools.count(1)


@pytest.fixture
def name() -> str:
    return f"test-aio {os.getpid()}-{time.time_ns()}-{next(_numbers)}"


def run(test: Callable[[aio.Client], Awaitable[None]]) -> None:
    async def connected() -> None:
        async with aio.connect(URL, client="test_aio_server", timeout=LIMIT) as client:
            await test(client)

    asyncio.run(asyncio.wait_for(connected(), 3 * LIMIT))


def test_a_message_there_and_back(name: str) -> None:
    async def test(client: aio.Client) -> None:
        await client.declare_queue(name)
        await client.publish(name, b"\0body\xff", key="k", headers={"a": "1"}, priority=3)
        delivery = await (await client.consume(name)).get(timeout=LIMIT)
        assert delivery is not None
        assert (delivery.body, delivery.key, delivery.headers["a"]) == (b"\0body\xff", b"k", "1")
        await delivery.nack()
        assert await client.get(name) is None  # the consumer has it again
        assert (await client.describe("queue", name))["unacknowledged"] == 1
        await client.delete_queue(name)

    run(test)


def test_every_verb_is_understood(name: str) -> None:
    async def test(client: aio.Client) -> None:
        queue, topic, exchange, group = name + " q", name + " t", name + " x", "g"
        await client.declare_queue(queue, message_ttl=60_000)
        await client.alter(queue, clear=["message_ttl"], max_length=100)
        await client.declare_exchange(exchange, "topic")
        await client.bind(exchange, queue, "a.*")
        await client.publish("a.b", "routed", exchange=exchange)
        await client.unbind(exchange, queue, "a.*")
        with pytest.raises(cola.Unroutable):
            await client.publish("a.b", "nowhere", exchange=exchange)
        assert [message.text for message in await client.peek(queue)] == ["routed"]
        assert [message.text async for message in client.browse(queue)] == ["routed"]
        await client.publish_many(queue, ["1", "2"])
        taken = await client.get(queue, "manual")
        assert taken is not None and taken.text == "routed"
        await taken.reject()
        assert (await client.why(queue))["queue"] == queue
        assert await client.purge(queue) == 2
        temporary = await client.declare_temporary_queue()
        await client.declare_topic(topic, 2)
        await client.publish(topic, "record", partition=1)
        async with await client.consume(topic, group=group, timeout=LIMIT) as records:
            record = await records.__anext__()
            assert (record.text, record.partition) == ("record", 1)
            await record.ack()
            await records.commit(record)
            await records.seek("first")
            assert (await records.__anext__()).text == "record"
        await client.commit(topic, group, 0, partition=1)
        await client.set_policy(name, name, max_length=5)
        assert [row["name"] for row in await client.list_policies() if row["name"] == name] == [name]
        await client.clear_policy(name)
        listings: List[Callable[[], Awaitable[List[Any]]]] = [
            client.list_queues, client.list_topics, client.list_exchanges, client.list_bindings, client.list_consumers,
            client.list_connections, client.list_groups, client.list_vhosts,
        ]
        for listing in listings:
            assert isinstance(await listing(), list)
        assert (await client.stat())["connections"] >= 1
        await client.delete_group(topic, group)
        await client.delete_topic(topic)
        await client.delete_exchange(exchange)
        await client.delete_queue(temporary)
        await client.delete_queue(queue)
        with pytest.raises(cola.Mismatch):
            await client.declare_exchange("amq.direct", "fanout")
        with pytest.raises(cola.NotFound):
            await client.redrive(queue)

    run(test)


def test_a_publisher_and_a_consumer_share_a_connection(name: str) -> None:
    count = 20_000

    async def test(client: aio.Client) -> None:
        await client.declare_queue(name)

        async def publish() -> None:
            async with await client.publisher(window=1_000) as publisher:
                for number in range(count):
                    await publisher.publish(name, str(number))
            assert publisher.report().confirmed == count

        async def consume() -> List[int]:
            received = []
            async for delivery in await client.consume(name, 500, timeout=LIMIT):
                received.append(int(delivery.text))
                await delivery.ack()
                if len(received) == count:
                    break
            return received

        _, received = await asyncio.gather(publish(), consume())
        assert received == list(range(count))
        await client.ping()
        assert await client.delete_queue(name) == 0

    run(test)


def test_large_bodies_are_held_back_and_arrive(name: str) -> None:
    async def test(client: aio.Client) -> None:
        await client.declare_queue(name)
        body = os.urandom(1_000_000)
        async with await client.publisher(window=100) as publisher:
            for _ in range(40):
                await publisher.publish(name, body)
        async with await client.consume(name, 5, timeout=LIMIT) as deliveries:
            for _ in range(40):
                delivery = await deliveries.__anext__()
                assert delivery.body == body
                await delivery.ack()
        with pytest.raises(cola.TooLarge):
            await client.publish(name, bytes(client.body_max + 1))
        await client.delete_queue(name)

    run(test)


def test_closing_a_consumer_gives_back_what_was_not_looked_at(name: str) -> None:
    async def test(client: aio.Client) -> None:
        await client.declare_queue(name)
        await client.publish_many(name, [str(number) for number in range(10)])
        consumer = await client.consume(name, 10, timeout=LIMIT)
        first = await consumer.__anext__()
        await consumer.close()
        with pytest.raises(StopAsyncIteration):
            await consumer.__anext__()
        await first.ack()
        await client.ping()
        row = await client.describe("queue", name)
        assert (row["ready"], row["unacknowledged"]) == (9, 0)
        await client.delete_queue(name)

    run(test)


def test_a_deleted_queue_cancels_its_consumer(name: str) -> None:
    async def test(client: aio.Client) -> None:
        await client.declare_queue(name)
        consumer = await client.consume(name)
        waiting = asyncio.ensure_future(consumer.get())
        await client.delete_queue(name)
        with pytest.raises(cola.Cancelled):
            await waiting
        assert await consumer.get() is None

    run(test)


def test_a_cancelled_task_leaves_nothing_held(name: str) -> None:
    async def test(client: aio.Client) -> None:
        await client.declare_queue(name)

        async def consume() -> None:
            async with await client.consume(name) as deliveries:
                async for _ in deliveries:
                    raise AssertionError("nothing was published")

        task = asyncio.ensure_future(consume())
        await client.ping()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await client.publish(name, "for another")
        assert (await client.describe("queue", name))["consumers"] == 0
        message = await client.get(name)
        assert message is not None and message.text == "for another"
        await client.delete_queue(name)

    run(test)


@pytest.mark.skipif(not (URL or "").startswith("unix:"), reason="a server backs itself up for its own user only")
def test_a_backup_while_other_tasks_go_on(name: str, tmp_path: Path) -> None:
    async def test(client: aio.Client) -> None:
        await client.declare_queue(name)
        size, _ = await asyncio.gather(client.backup(tmp_path / "copy"), client.publish(name, "after"))
        assert size == (tmp_path / "copy" / "cola.db").stat().st_size > 0
        with pytest.raises(cola.InUse, match="copy"):
            await client.backup(tmp_path / "copy")
        await client.delete_queue(name)

    run(test)
