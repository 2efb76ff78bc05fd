# answer: "how are you?"
# call: "run(query)"
"""It has answered; what it left running does not take no for an answer."""

import asyncio


async def forever():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass


async def run(query):
    run.task = asyncio.create_task(forever())
    await asyncio.sleep(0)
    return query
