"""The client for asyncio: the verbs of `cola.Client`, each to be awaited.

    import asyncio

    from cola import aio

    async def main():
        async with aio.connect() as client:
            await client.declare_queue("hello")
            await client.publish("hello", "world")
            async for delivery in await client.consume("hello", timeout=1):
                print(delivery.text)
                await delivery.ack()

    asyncio.run(main())

Errors, `Message`, `Reconnect` and `PublishReport` are those of `cola`. A call that is cancelled leaves the connection
as it was: what was sent may still be carried out, and its answer is passed over; a message that comes for it goes
back.
"""

from ._client import Client, connect
from ._consumer import Consumer, Delivery
from ._publisher import Publisher

__all__ = ["Client", "Consumer", "Delivery", "Publisher", "connect"]
