"""The Python client over the death and return of a real server: what goes on, what is repeated, what is in doubt."""
from __future__ import annotations

import asyncio
import concurrent.futures
import pickle
import sys
import threading
import time

import pytest

from broker import REPOSITORY, halt

sys.path.insert(0, str(REPOSITORY / "clients" / "python"))

import cola  # noqa: E402
from cola import aio  # noqa: E402
from cola._outbox import Put  # noqa: E402

LIMIT = 30.0
QUICKLY = cola.Reconnect(first=0.02, most=0.2, give_up_after=LIMIT)


@pytest.fixture
def client(broker):
    with cola.connect(broker.unix, reconnect=QUICKLY, timeout=LIMIT) as connected:
        yield connected


def restart(broker):
    broker.kill()
    broker.start()


def while_away(broker, act):
    """What `act` returns, which begins while the killed server is away."""
    broker.kill()
    with concurrent.futures.ThreadPoolExecutor() as threads:
        result = threads.submit(act)
        time.sleep(0.3)
        assert not result.done()
        broker.start()  # by this thread: a server ends with the thread that started it
        return result.result(LIMIT)


def test_what_only_looks_is_asked_once_more(broker, client):
    client.declare_queue("q")
    client.publish("q", "kept")
    restart(broker)
    assert client.list_queues()[0]["ready"] == 1
    restart(broker)
    assert client.declare_queue("q") == 1


def test_without_reconnect_a_lost_connection_stays_lost(broker):
    with cola.connect(broker.unix) as client:
        restart(broker)
        for _ in range(2):
            with pytest.raises(cola.ConnectionLost):
                client.list_queues()


def test_a_publish_in_doubt_is_told_and_the_next_goes_on(broker, client):
    client.declare_queue("q")
    restart(broker)
    with pytest.raises(cola.ConnectionLost) as caught:
        client.publish("q", "perhaps")
    assert caught.value.in_flight == ("publish 7 bytes to 'q'",)
    client.publish("q", "surely")
    assert [message.text for message in client.peek("q", count=5)] == ["surely"]


def test_a_publish_with_retry_is_stored_once(broker, client):
    client.declare_queue("q", deduplication_window=60_000)
    assert client.publish("q", "1", message_id="one", retry=True)
    assert while_away(broker, lambda: client.publish("q", "2", message_id="two", retry=True))
    assert not client.publish("q", "1", message_id="one", retry=True)
    assert [message.text for message in client.peek("q", count=5)] == ["1", "2"]
    with pytest.raises(ValueError, match="message_id"):
        client.publish("q", "3", retry=True)


def test_it_gives_up_when_the_policy_says_so(broker):
    soon = cola.Reconnect(first=0.01, most=0.05, give_up_after=0.3)
    with cola.connect(broker.unix, reconnect=soon, timeout=LIMIT) as client:
        broker.kill()
        with pytest.raises(cola.Unreachable, match="cola serve"):
            client.list_queues()
        broker.start()
        assert client.list_queues() == []


def test_a_consumer_is_taken_up_again_and_old_deliveries_are_stale(broker, client):
    client.declare_queue("q")
    client.publish_many("q", ["0", "1", "2"])
    consumer = client.consume("q", prefetch=1, timeout=LIMIT)
    lost = next(consumer)
    assert lost.text == "0"
    again = while_away(broker, lambda: next(consumer))
    assert (again.text, again.redelivered) == ("0", True)
    for settle in (lost.ack, lost.nack, lost.reject):
        lost._is_settled = False
        with pytest.raises(cola.StaleDelivery, match="gives the message to a consumer again"):
            settle()
    again.ack()
    for expected in ("1", "2"):
        delivery = next(consumer)
        assert delivery.text == expected
        delivery.ack()
    client.ping()
    assert client.list_queues()[0]["messages"] == 0


def test_a_consumer_that_waits_for_a_while_returns_in_time(broker, client):
    client.declare_queue("q")
    consumer = client.consume("q")
    broker.kill()
    begun = time.monotonic()
    assert consumer.get(timeout=0.5) is None
    assert 0.5 <= time.monotonic() - begun < LIMIT / 2


def test_reading_a_topic_goes_on_without_repeating(broker, client):
    client.declare_topic("t", 3)
    for number in range(300):
        client.publish("t", str(number), partition=number % 3)
    records = client.consume("t", 10, start="first", timeout=LIMIT)
    texts = []
    for record in records:
        texts.append(int(record.text))
        if len(texts) == 150:
            restart(broker)
        record.ack()  # of the lost connection there is nothing to say
        if len(texts) == 300:
            break
    assert sorted(texts) == list(range(300))
    assert records.get(timeout=0.3) is None


def test_a_publisher_with_retry_leaves_no_hole_and_nothing_twice(broker, client):
    client.declare_queue("q", deduplication_window=60_000)
    with client.publisher(window=200, retry=True) as publisher:
        for number in range(3_000):
            if number in (1_000, 2_000):
                restart(broker)
            publisher.publish("q", str(number), message_id=str(number))
        with pytest.raises(ValueError, match="message_id"):
            publisher.publish("q", "without")
    report = publisher.report()
    assert (report.sent, report.confirmed, list(report.unknown)) == (3_000, 3_000, [])
    texts = [int(delivery.text) for delivery in client.consume("q", ack="auto", timeout=0.5)]
    assert texts == list(range(3_000))


def test_a_publisher_without_retry_ends_and_says_which_are_in_doubt(broker, client):
    client.declare_queue("q")
    publisher = client.publisher(window=100)
    for number in range(50):
        publisher.publish("q", str(number))
    publisher.flush()
    broker.kill()
    with pytest.raises(cola.ConnectionLost, match="numbers 50 to"):
        for number in range(50, 1_000):
            publisher.publish("q", str(number))
    unknown = publisher.report().unknown
    assert unknown.start == 50 and publisher.report().confirmed == 50
    broker.start()
    with client.publisher() as another:
        another.publish("q", "after")
    assert client.declare_queue("q") == 51


# cola.Queue


def test_a_waiting_get_outlasts_the_server(broker):
    tasks = cola.Queue(name="tasks", url=broker.unix)
    got = []
    thread = threading.Thread(target=lambda: got.append(tasks.get(timeout=LIMIT)))
    thread.start()
    time.sleep(0.2)
    restart(broker)
    with cola.connect(broker.unix) as client:
        client.publish("tasks", pickle.dumps("after"))
    thread.join(LIMIT)
    assert got == ["after"]
    tasks.close()


@pytest.mark.parametrize("maxsize", (0, 5_000))
def test_puts_with_retry_arrive_once_and_in_order(broker, maxsize):
    tasks = cola.Queue(maxsize, name="tasks", url=broker.unix, retry=True)
    for number in range(600):
        if number in (200, 400):
            restart(broker)
        tasks.put(number)
    assert tasks.qsize() == 600
    assert [tasks.get(timeout=LIMIT) for _ in range(600)] == list(range(600))
    tasks.close()


def test_puts_without_retry_say_how_many_are_in_doubt(broker):
    tasks = cola.Queue(name="tasks", url=broker.unix)
    tasks.put("confirmed")
    tasks.flush()
    halt(broker.pid)  # so that it confirms nothing more
    for number in range(500):
        tasks.put(number)
    with pytest.raises(cola.NoAnswer, match="500 objects"):  # all of them are on their way
        tasks.flush(0.1)
    broker.kill()
    with pytest.raises(cola.ConnectionLost, match="500 objects put into the queue 'tasks'"):
        tasks.flush()
    broker.start()
    tasks.put("after")
    assert [tasks.get(timeout=LIMIT), tasks.get(timeout=LIMIT)] == ["confirmed", "after"]
    tasks.close()


@pytest.mark.parametrize("reconnect", (QUICKLY, False))
def test_what_is_in_doubt_is_told_before_that_no_server_answers(broker, reconnect):
    tasks = cola.Queue(name="tasks", url=broker.unix, reconnect=reconnect)
    tasks.put("confirmed")
    tasks.flush()
    halt(broker.pid)
    for number in range(500):
        tasks.put(number)
    with pytest.raises(cola.NoAnswer, match="500 objects"):
        tasks.flush(0.1)
    # Of what is put while the connection is being lost some is behind the loss, and waits to be sent.
    outbox = tasks._link.outbox
    lose = outbox.lost

    def lost(connection):
        lose(connection)
        outbox.add(Put(pickle.dumps("behind the loss"), None))

    outbox.lost = lost
    broker.kill()
    with pytest.raises(cola.ConnectionLost, match="500 objects put into the queue 'tasks'"):
        tasks.flush()
    outbox.lost = lose
    broker.start()
    tasks.put("after")
    assert [tasks.get(timeout=LIMIT) for _ in range(3)] == ["confirmed", "behind the loss", "after"]
    tasks.close()


def test_an_object_that_was_not_done_when_the_server_died_is_stale(broker):
    tasks = cola.JoinableQueue(name="tasks", url=broker.unix)
    tasks.put(1)
    tasks.flush()
    assert tasks.get(timeout=LIMIT) == 1
    restart(broker)
    assert tasks.get(timeout=LIMIT) == 1
    with pytest.raises(cola.StaleDelivery, match="may be done twice"):
        tasks.task_done()
    tasks.task_done()
    tasks.join()
    tasks.close()


def test_without_a_name_a_queue_ends_with_its_server(broker):
    tasks = cola.Queue(url=broker.unix)
    restart(broker)
    with pytest.raises(cola.NotFound, match="give a queue a name"):
        tasks.get(timeout=LIMIT)


def test_a_policy_waits_longer_and_longer_up_to_a_cap():
    policy = cola.Reconnect(first=1, factor=2, most=5, jitter=0.5)
    waits = policy.waits(lambda: 0.0)
    assert [next(waits) for _ in range(5)] == [1, 2, 4, 5, 5]
    waits = policy.waits(lambda: 1.0)
    assert [next(waits) for _ in range(4)] == [0.5, 1, 2, 2.5]
    with pytest.raises(ValueError, match="first > 0"):
        cola.Reconnect(first=0)


# cola.aio


def run(broker, test):
    async def connected():
        async with aio.connect(broker.unix, reconnect=QUICKLY, timeout=LIMIT) as client:
            await test(client)

    asyncio.run(asyncio.wait_for(connected(), 2 * LIMIT))


async def soon(broker):
    """Kills the server, and starts it again while other tasks run."""
    broker.kill()
    await asyncio.sleep(0.2)
    broker.start()


def test_asyncio_calls_and_publishes_go_on(broker):
    async def test(client):
        await client.declare_queue("q", deduplication_window=60_000)
        restart(broker)
        await asyncio.sleep(0.1)  # the loop hears of it
        assert (await client.list_queues())[0]["ready"] == 0
        returned = await asyncio.gather(
            soon(broker), *(client.publish("q", str(n), message_id=str(n), retry=True) for n in range(50)))
        assert returned[1:] == [True] * 50
        assert await client.declare_queue("q", deduplication_window=60_000) == 50

    run(broker, test)


def test_asyncio_publish_in_doubt_is_told(broker):
    async def test(client):
        await client.declare_queue("q")
        publisher = await client.publisher()
        for number in range(3):
            await publisher.publish("q", str(number))
        broker.kill()
        with pytest.raises(cola.ConnectionLost) as caught:
            await publisher.flush()
        assert caught.value.in_flight == ("3 published messages, numbers 0 to 2",)
        broker.start()
        await client.publish("q", "after")

    run(broker, test)


def test_asyncio_publisher_with_retry_leaves_no_hole_and_nothing_twice(broker):
    async def test(client):
        await client.declare_queue("q", deduplication_window=60_000)
        async with await client.publisher(window=200, retry=True) as publisher:
            for number in range(3_000):
                if number in (1_000, 2_000):
                    restart(broker)
                await publisher.publish("q", str(number), message_id=str(number))
        assert publisher.report().confirmed == 3_000
        texts = [int(delivery.text) async for delivery in await client.consume("q", ack="auto", timeout=0.5)]
        assert texts == list(range(3_000))

    run(broker, test)


def test_asyncio_consumer_is_taken_up_again_and_old_deliveries_are_stale(broker):
    async def test(client):
        await client.declare_queue("q")
        await client.publish_many("q", ["0", "1"])
        consumer = await client.consume("q", prefetch=1, timeout=LIMIT)
        lost = await consumer.__anext__()
        waiting = asyncio.ensure_future(consumer.__anext__())
        await soon(broker)
        again = await waiting
        assert (again.text, again.redelivered) == ("0", True)
        with pytest.raises(cola.StaleDelivery):
            await lost.ack()
        await again.ack()
        assert (await consumer.__anext__()).text == "1"
        broker.kill()
        assert await consumer.get(timeout=0.3) is None

    run(broker, test)


def test_asyncio_reading_a_topic_goes_on_without_repeating(broker):
    async def test(client):
        await client.declare_topic("t", 3)
        for number in range(300):
            await client.publish("t", str(number), partition=number % 3)
        records = await client.consume("t", 10, start="first", timeout=LIMIT)
        texts = []
        async for record in records:
            texts.append(int(record.text))
            if len(texts) == 150:
                restart(broker)
            await record.ack()
            if len(texts) == 300:
                break
        assert sorted(texts) == list(range(300))
        assert await records.get(timeout=0.3) is None

    run(broker, test)
