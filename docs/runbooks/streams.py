"""Shows each stream and each consumer: what waits to be handled, what is being handled, what came again.

Needs ASSAY_NATS_URL. Reads only.
"""

from __future__ import annotations

import asyncio

import nats

from shared.bus.streams import ALL
from shared.settings import CommonSettings


async def main() -> None:
    client = await nats.connect(CommonSettings().nats_url.get_secret_value())
    stream = client.jetstream()
    for name in (one.name for one in ALL):
        state = (await stream.stream_info(name)).state
        print(f"{name:<9} {state.messages} messages, {state.bytes >> 10} KiB")
        for consumer in await stream.consumers_info(name):
            print(
                f"  {consumer.name:<36} waiting {consumer.num_pending}, in hand {consumer.num_ack_pending}, "
                f"come again {consumer.num_redelivered}"
            )
    await client.close()


if __name__ == "__main__":
    asyncio.run(main())
