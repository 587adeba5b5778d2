"""aio-pika (on aiormq and pamqp). Prints `ok CHECK` or `not ok CHECK` for each thing a broker must do for it."""
import asyncio
import sys

import aio_pika
from aio_pika import DeliveryMode, ExchangeType, Message
from aio_pika.exceptions import ChannelNotFoundEntity, DeliveryError


def check(name, good, why=""):
    print("%s %s" % ("ok" if good else "not ok", name) + ("" if good else "\n# %s" % why), flush=True)


async def main(url):
    connection = await aio_pika.connect_robust(url, timeout=10)
    check("connect", True)
    channel = await connection.channel(on_return_raises=True)
    await channel.set_qos(prefetch_count=2)
    check("qos", True)
    queue = await channel.declare_queue("aio-pika", durable=True, arguments={"x-max-length": 100})
    await queue.purge()
    exchange = await channel.declare_exchange("aio-pika-topic", ExchangeType.TOPIC, auto_delete=True)
    await queue.bind(exchange, "a.#")
    check("declare", queue.declaration_result.message_count >= 0)

    confirmed = await exchange.publish(
        Message(b"one", delivery_mode=DeliveryMode.PERSISTENT, headers={"n": 1, "s": "text", "t": {"deep": [1, True]}},
                message_id="m1", correlation_id="c1", priority=3, expiration=60), "a.b")
    check("confirm", confirmed is not None and type(confirmed).__name__ == "Ack", confirmed)
    try:
        await channel.default_exchange.publish(Message(b"lost"), "nobody-has-this")
        check("return", False, "no DeliveryError")
    except DeliveryError as error:
        check("return", error.message.body == b"lost", error)

    message = await queue.get(timeout=5)
    check("get", message.body == b"one" and message.message_id == "m1", message)
    check("properties", message.headers == {"n": 1, "s": "text", "t": {"deep": [1, True]}} and message.priority == 3
          and message.expiration == 60, (message.headers, message.priority, message.expiration))
    await message.nack(requeue=True)
    again = await queue.get(timeout=5)
    check("requeue", again.redelivered and again.body == b"one", again)
    await again.ack()
    check("get-empty", await queue.get(fail=False) is None)

    await asyncio.gather(*(exchange.publish(Message(b"%d" % n), "a.x") for n in range(500)))
    bodies = []
    async with queue.iterator() as messages:
        async for message in messages:
            async with message.process():
                bodies.append(message.body)
            if len(bodies) == 100:
                break
    # The 400 oldest were dropped for the length of the queue.
    check("consume", bodies == [b"%d" % n for n in range(400, 500)], bodies[:3])

    other = await connection.channel(publisher_confirms=False)
    async with other.transaction():
        await other.default_exchange.publish(Message(b"in"), "aio-pika")
    transaction = other.transaction()
    await transaction.select()
    await other.default_exchange.publish(Message(b"out"), "aio-pika")
    await transaction.rollback()
    found = [await queue.get(fail=False, no_ack=True) for _ in range(2)]
    check("transaction", found[0] is not None and found[0].body == b"in" and found[1] is None, found)

    try:
        await (await connection.channel()).declare_queue("aio-pika-none", passive=True)
        check("error", False, "no error")
    except ChannelNotFoundEntity:
        check("error", True)

    await queue.delete(if_empty=False)
    await connection.close()
    check("close", True)


asyncio.run(asyncio.wait_for(main("amqp://guest:guest@%s:%s/" % (sys.argv[1], sys.argv[2])), 60))
