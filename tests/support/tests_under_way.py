"""Waiting for what a test does, through the API as a user has it."""

from __future__ import annotations

from assay import AsyncAssay, Test, TestState
from tests.support.until import until

WITHIN_S = 120.0
SLEEPER = "import time\ndef run(query):\n    print('asleep', flush=True)\n    time.sleep(300)"


async def ended(client: AsyncAssay, test_id: str, *, within: float = WITHIN_S) -> Test:
    """The test with its end and the end of its output."""

    async def over() -> bool:
        test = await client.get(test_id)
        return test.ended and test.logs.ended

    await until(over, timeout=within, what=f"the end of {test_id} and of its log")
    return await client.get(test_id)


async def texts(client: AsyncAssay, test_id: str) -> list[str]:
    return [line.text async for line in client.logs(test_id)]


async def asleep(client: AsyncAssay) -> Test:
    """A test whose agent does nothing for long."""
    test = await client.submit(SLEEPER, "sleep")

    async def sleeps() -> bool:
        return (await client.get(test.id)).state is TestState.RUNNING and "asleep" in await texts(client, test.id)

    await until(sleeps, timeout=WITHIN_S, what="the agent sleeps")
    return test
