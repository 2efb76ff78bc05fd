"""Grants free slots to waiting tests. Wakes when something was queued or freed, and by itself now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from services.scheduler.metrics import GRANTED, WAIT_SECONDS
from services.scheduler.order import Grant, plan
from services.scheduler.ports import Capacity, Line, Tests
from shared.clock import Clock
from shared.domain.lifecycle import State
from shared.events.tests import TestScheduled
from shared.ids import TestId
from shared.store.batch import GroupCommit
from shared.store.documents import QueueEntry
from shared.store.executions import Move

log = structlog.get_logger()

PASS_LIMIT: Final = 100
"""Grants in one pass; the next pass follows at once."""


class Dispatch:
    """From QUEUED to BUILDING, never beyond the capacity: the slot is taken before the test is moved."""

    def __init__(self, tests: Tests, line: Line, capacity: Capacity, clock: Clock) -> None:
        self._tests = tests
        self._line = line
        self._capacity = capacity
        self._clock = clock
        self._due = asyncio.Event()
        self._release = GroupCommit("release", self._release_all)

    def wake(self) -> None:
        """Something changed: look soon."""
        self._due.set()

    async def run(self, interval_s: float) -> None:
        """Dispatches until cancelled."""
        while True:
            try:
                async with asyncio.timeout(interval_s):
                    await self._due.wait()
            except TimeoutError:
                pass
            self._due.clear()
            try:
                while await self.dispatch():
                    pass
            except Exception as error:  # noqa: BLE001 - the store is away; the timer tries again
                log.warning("dispatch_failed", error=repr(error))
                await asyncio.sleep(0.5)

    async def dispatch(self) -> int:
        """One pass: as many grants as there are free slots and waiting tests; the number of entries dealt with."""
        free, waiting = await asyncio.gather(self._capacity.free(PASS_LIMIT), self._line.head(PASS_LIMIT))
        grants = plan(free, waiting)
        if not grants:
            return 0
        granted = await asyncio.gather(*(self._grant(grant) for grant in grants))
        served = [grant.entry for grant, ok in zip(grants, granted, strict=True) if ok]
        if served:
            await self._record(served)
        return len(served)

    async def release(self, test: TestId, attempt: int) -> None:
        """Frees the slot of an attempt that ended, and looks for the next test."""
        if await self._release((test, attempt)):
            self.wake()

    async def _grant(self, grant: Grant) -> bool:
        slot, entry = grant
        now = self._clock.now()
        attempt = entry.attempt + 1
        if not await self._capacity.take(slot, test=entry.id, user=entry.user_id, attempt=attempt, now=now):
            return False
        moved = await self._tests.move(
            Move(
                test_id=entry.id,
                source=State.QUEUED,
                attempt=entry.attempt,
                to=State.BUILDING,
                at=now,
                by="scheduler",
                telling=(TestScheduled(test_id=entry.id, user_id=entry.user_id, attempt=attempt, at=now, slot=slot),),
                new_attempt=attempt,
                set={"times.scheduled": now},
                traceparent=entry.traceparent,
            )
        )
        await self._line.remove(entry.id)
        if moved:
            return True
        # Another scheduler granted it, or it was cancelled. If it is QUEUED in a later attempt, the sweep restores it.
        log.info("grant_was_lost", test_id=entry.id, slot=slot)
        await self._capacity.release_all([(entry.id, attempt)] if await self._holds_nothing(entry.id, attempt) else [])
        self.wake()
        return False

    async def _holds_nothing(self, test_id: TestId, attempt: int) -> bool:
        test = await self._tests.get(test_id)
        return test is None or not (test.state in {State.BUILDING, State.RUNNING} and test.attempt == attempt)

    async def _record(self, served: Sequence[QueueEntry]) -> None:
        now = self._clock.now()
        waits = [(now - entry.enqueued_at).total_seconds() for entry in served]
        GRANTED.inc(len(served))
        for wait in waits:
            WAIT_SECONDS.observe(wait)
        await self._line.granted(max(entry.rank for entry in served), waits)

    async def _release_all(self, holders: Sequence[tuple[TestId, int]]) -> Sequence[bool | Exception]:
        freed = await self._capacity.release_all(holders)
        return [freed > 0] * len(holders)
