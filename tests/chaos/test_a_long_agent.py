"""An agent at work is nobody's but its own: it outlives those who started it and those who listen to it."""

from __future__ import annotations

import asyncio

import pytest

from assay import AsyncAssay, TestState
from tests.support.fleet import Fleet
from tests.support.flow import everything_is_at_rest
from tests.support.outcomes import lived_once
from tests.support.until import until

pytestmark = pytest.mark.slow

LONG = """
import os, time

def run(query):
    for number in range(10):
        print("second", number, flush=True)
        time.sleep(1)
    return {"query": query, "pid": os.getpid()}
"""


@pytest.mark.parametrize("names", [["orchestrator"], ["logstreamer"], ["orchestrator", "logstreamer", "scheduler"]])
async def test_its_answer_counts_although_a_service_was_killed_meanwhile(fleet: Fleet, names: list[str]) -> None:
    async with fleet.client() as client, fleet.store() as database:
        test = await client.submit(LONG, "long")
        await until(lambda: _said(client, test.id, 3), timeout=30)
        for name in names:
            fleet.services[name].kill()
        await asyncio.sleep(1)
        for name in names:
            fleet.services[name].start()
        for name in names:
            await fleet.services[name].until_ready()
        ended = await client.wait(test.id, timeout=60)
        assert (ended.state, ended.attempt) == (TestState.COMPLETED, 1), ended.failure
        assert ended.response["query"] == "long"
        assert ended.result is not None
        assert ended.result.metrics.run is not None
        assert 10 <= ended.result.metrics.run.total_seconds() < 15
        lived_once(ended)
        lines = [line async for line in client.logs(test.id, follow=True)]
        assert [line.text for line in lines] == [f"second {number}" for number in range(10)]
        assert (await client.get(test.id)).logs.complete
        await everything_is_at_rest(database, fleet.sandboxes)


async def test_one_that_was_cancelled_while_no_orchestrator_was_there_is_stopped_by_the_next(fleet: Fleet) -> None:
    async with fleet.client() as client, fleet.store() as database:
        test = await client.submit(LONG, "unwanted")
        await until(lambda: _said(client, test.id, 1), timeout=30)
        fleet.services["orchestrator"].kill()
        await client.cancel(test.id, "changed my mind")
        fleet.services["orchestrator"].start()
        await fleet.services["orchestrator"].until_ready()
        ended = await client.wait(test.id, timeout=30)
        assert ended.failure is not None
        assert (ended.failure.code, ended.attempt) == ("CANCELLED", 1)
        assert "changed my mind" in ended.failure.message
        await everything_is_at_rest(database, fleet.sandboxes)


async def _said(client: AsyncAssay, test_id: str, lines: int) -> bool:
    return len([line async for line in client.logs(test_id)]) >= lines
