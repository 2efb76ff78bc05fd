"""A steady flow of tests through all of Assay while something is killed, and what must be true of it afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from assay import AsyncAssay, Test
from shared.store.connect import Database
from tests.support.outcomes import LINES, most_at_once, passed_with_all_its_lines, spoken, talker
from tests.support.sandboxes import Sandboxes
from tests.support.until import until

PAUSE_S = 0.06
WITHIN_S = 120.0
CAPACITY = 10


@dataclass
class Flow:
    """Tests on their way."""

    client: AsyncAssay
    name: str
    count: int = 36
    ids: list[str] = field(default_factory=list)

    async def run(self, disturb: Callable[[], Awaitable[None]], *, when_submitted: int = 14) -> list[Test]:
        """Submits one test after the other, calls `disturb` in the middle, and waits for all to end."""
        async with asyncio.TaskGroup() as tasks:
            submitting = tasks.create_task(self._submit())
            await until(lambda: len(self.ids) >= when_submitted or submitting.done(), timeout=WITHIN_S)
            await disturb()
        return await asyncio.gather(*(self._ended(test_id) for test_id in self.ids))

    async def _submit(self) -> None:
        for number in range(self.count):
            query = f"{self.name} {number}"
            # The id makes a repeated call harmless: the SDK repeats it while nobody answers.
            test = await self.client.submit(talker(0.1), query, request_id=query.replace(" ", "-"))
            self.ids.append(test.id)
            await asyncio.sleep(PAUSE_S)

    async def _ended(self, test_id: str) -> Test:
        await until(lambda: self._is_over(test_id), timeout=WITHIN_S, what=f"the end of {test_id} and of its log")
        return await self.client.get(test_id)

    async def _is_over(self, test_id: str) -> bool:
        test = await self.client.get(test_id)
        return test.ended and test.logs.ended


async def nothing_is_lost_or_doubled(client: AsyncAssay, flow: Flow, tests: list[Test], *, attempts: int = 1) -> None:
    """Each test is there once, passed once, and has every line once and in order."""
    assert len(set(flow.ids)) == flow.count
    for test in tests:
        passed_with_all_its_lines(test, attempts=attempts)
    stored = [test async for test in client.list(page_size=100) if (test.spec.query or "").startswith(f"{flow.name} ")]
    assert sorted(test.id for test in stored) == sorted(flow.ids)
    assert most_at_once(tests) <= CAPACITY
    for test in tests:
        lines = [line async for line in client.logs(test.id)]
        last_attempt = [line.text for line in lines][-LINES:]
        assert last_attempt == spoken(test.spec.query or ""), (
            test.id,
            test.logs,
            [(line.seq, line.text) for line in lines],
        )
        assert len({line.seq for line in lines}) == len(lines)
        if test.attempt == 1:
            assert len(lines) == LINES, test.id


async def everything_is_at_rest(database: Database, sandboxes: Sandboxes) -> None:
    """No slot is held, nobody waits, every event was sent, and no sandbox is left."""

    async def at_rest() -> bool:
        assert await database["slots"].count_documents({}) == CAPACITY
        assert await database["slots"].count_documents({"test_id": {"$ne": None}}) == 0, "a slot is held"
        assert await database["queue"].count_documents({}) == 0, "somebody waits"
        assert await database["executions"].count_documents({"outbox.0": {"$exists": True}}) == 0, "an event is unsent"
        assert not [one for one in sandboxes.processes() if "bwrap" in one or "test_runner" in one], "a sandbox is left"
        # Two processes kept ready, of the fork server at work, have three cgroups each at most.
        assert len(sandboxes.groups()) <= 6, sandboxes.groups()
        return True

    await until(at_rest, timeout=40)
