"""Two hundred tests at once: all end right, each once, with every line, within the capacity, and fair to two users."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from assay import AsyncAssay, Test
from shared.ids import UserId
from shared.store.connect import connected
from shared.store.slots import Slots
from tests.e2e.conftest import key_of
from tests.support.local_mode import LocalMode
from tests.support.outcomes import (
    LINES,
    granted_in_order,
    most_at_once,
    passed_with_all_its_lines,
    spoken,
    talker,
)
from tests.support.until import until

pytestmark = pytest.mark.slow

CAPACITY = 10
FIRST, SECOND = 150, 50
WITHIN_S = 120.0


async def sampled(server: LocalMode, seen: list[int]) -> None:
    """Counts slots in use, in the store itself, until cancelled."""
    async with connected(server.mongo_url, "assay", service="test") as database:
        slots = Slots(database)
        while True:
            seen.append((await slots.occupancy()).running)
            await asyncio.sleep(0.01)


@pytest.fixture
async def second(server: LocalMode) -> AsyncIterator[AsyncAssay]:
    """Somebody who comes when the queue is long."""
    async with AsyncAssay(server.known["address"], await key_of(server, "second")) as client:
        yield client


async def submitted(client: AsyncAssay, name: str, count: int) -> list[str]:
    tests = await asyncio.gather(*(client.submit(talker(), f"{name} {number}") for number in range(count)))
    return [test.id for test in tests]


async def drained(client: AsyncAssay, test_id: str) -> Test:
    """The test with its end and the end of its output."""
    await client.wait(test_id, timeout=WITHIN_S)
    await until(lambda: _logs_ended(client, test_id), timeout=30)
    return await client.get(test_id)


async def _logs_ended(client: AsyncAssay, test_id: str) -> bool:
    return (await client.get(test_id)).logs.ended


async def test_two_hundred_at_once(server: LocalMode, client: AsyncAssay, second: AsyncAssay) -> None:
    running: list[int] = []
    async with asyncio.TaskGroup() as tasks:
        sampling = tasks.create_task(sampled(server, running))
        first_ids = await submitted(client, "first", FIRST)
        second_ids = await submitted(second, "second", SECOND)
        first = await asyncio.gather(*(drained(client, test_id) for test_id in first_ids))
        later = await asyncio.gather(*(drained(second, test_id) for test_id in second_ids))
        sampling.cancel()

    everything = [*first, *later]
    assert len({test.id for test in everything}) == FIRST + SECOND
    for test in everything:
        passed_with_all_its_lines(test)
        assert test.logs.lines == LINES
    assert Counter(test.spec.query for test in everything).most_common(1)[0][1] == 1

    assert max(running) <= CAPACITY
    assert max(running) > 1, "nothing ran side by side"
    assert most_at_once(everything) <= CAPACITY

    # While both wait they take turns: the second user's fifty are through long before the first one's rest.
    order = granted_in_order(everything)
    begun = order.index(UserId("second"))
    done = len(order) - 1 - order[::-1].index(UserId("second"))
    between = Counter(order[begun : done + 1])
    assert between["second"] == SECOND
    assert between["dev"] <= SECOND + 2 * CAPACITY, between

    for test in everything[:: len(everything) // 10]:
        said = [line async for line in (client.logs(test.id))]
        assert [line.text for line in said] == spoken(test.spec.query or "")
        assert [line.seq for line in said] == list(range(1, LINES + 1))
    status = await client.queue_status()
    assert (status.running, status.pending) == (0, 0)
