"""Grants free slots to waiting tests. Wakes when something was queued or freed, and by itself now and then.

How many slots are free is remembered between passes, so that an arrival at a full house costs nothing. The memory may
be too low (another scheduler freed one: that one grants it) and never matters for safety: a slot is taken in the
store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from services.scheduler.metrics import GRANTED, WAIT_SECONDS
from services.scheduler.ports import Capacity, Line, Tests
from shared.clock import Clock
from shared.domain.fairness import furthest_ranks
from shared.domain.lifecycle import State
from shared.events.tests import TestScheduled
from shared.ids import TestId
from shared.store.batch import GroupCommit
from shared.store.documents import QueueEntry, Slot
from shared.store.executions import Move

log = structlog.get_logger()

PASS_LIMIT: Final = 32
"""Grants in one pass; the next pass follows at once."""
RECORD_S: Final = 0.5
"""The virtual time is written this often: a little late makes a newcomer's rank a little better, and nothing worse."""


class Dispatch:
    """From QUEUED to BUILDING, never beyond the capacity: the slot is taken before the test is moved."""

    def __init__(self, tests: Tests, line: Line, capacity: Capacity, clock: Clock) -> None:
        self._tests = tests
        self._line = line
        self._capacity = capacity
        self._clock = clock
        self._due = asyncio.Event()
        self._free: int | None = None
        """Free slots as far as we know; None where we have to look."""
        self._served: list[tuple[QueueEntry, float]] = []
        self._release = GroupCommit("release", self._release_all)

    def wake(self) -> None:
        """Something was queued: look soon."""
        self._due.set()

    def look_again(self) -> None:
        """Forgets how many slots are free, and looks soon."""
        self._free = None
        self._due.set()

    async def run(self, interval_s: float) -> None:
        """Dispatches until cancelled."""
        while True:
            try:
                async with asyncio.timeout(interval_s):
                    await self._due.wait()
            except TimeoutError:
                self._free = None
            self._due.clear()
            try:
                while await self.dispatch():
                    pass
            except Exception as error:  # noqa: BLE001 - the store is away; the timer tries again
                log.warning("dispatch_failed", error=repr(error))
                self._free = None
                await asyncio.sleep(0.5)

    async def dispatch(self) -> int:
        """One pass: as many grants as there are free slots and waiting tests; their number."""
        if self._free is None:
            self._free = await self._capacity.free()
        if self._free <= 0:
            return 0
        entries = await self._line.head(min(self._free, PASS_LIMIT))
        granted = await asyncio.gather(*(self._grant(entry) for entry in entries))
        return sum(granted)

    async def record(self) -> None:
        """Writes down how far the line has moved since the last time."""
        served, self._served = self._served, []
        if served:
            await self._line.granted(
                furthest_ranks((entry.priority, entry.rank) for entry, _ in served), [wait for _, wait in served]
            )

    async def release(self, test: TestId, attempt: int) -> None:
        """Frees the slot of an attempt that ended, and looks for the next test."""
        await self._release((test, attempt))

    async def _grant(self, entry: QueueEntry) -> bool:
        now = self._clock.now()
        attempt = entry.attempt + 1
        slot = await self._capacity.take(test=entry.id, user=entry.user_id, attempt=attempt, now=now)
        if slot is None:
            self._free = 0
            return False
        self._count(-1)
        telling = TestScheduled(test_id=entry.id, user_id=entry.user_id, attempt=attempt, at=now, slot=slot)
        moved = await self._tests.move(
            Move(
                test_id=entry.id,
                source=State.QUEUED,
                attempt=entry.attempt,
                to=State.BUILDING,
                at=now,
                by="scheduler",
                telling=(telling,),
                new_attempt=attempt,
                set={"times.scheduled": now, "slot": slot},
                traceparent=entry.traceparent,
            )
        )
        await self._line.remove(entry.id)
        if moved:
            wait_s = (now - entry.enqueued_at).total_seconds()
            GRANTED.inc()
            WAIT_SECONDS.observe(wait_s)
            self._served.append((entry, wait_s))
            return True
        await self._give_back(Slot(id=slot, test_id=entry.id, attempt=attempt))
        return False

    async def _give_back(self, slot: Slot) -> None:
        """Another scheduler granted the test, in another slot, or it was cancelled.

        Where it waits in a later attempt, the sweep restores it."""
        log.info("grant_was_lost", test_id=slot.test_id, slot=slot.id)
        await self._capacity.give_back([slot])
        self.look_again()

    async def _release_all(self, holders: Sequence[tuple[TestId, int]]) -> Sequence[Exception | None]:
        freed = await self._capacity.release_all(holders)
        if freed:
            self._count(freed)
            self.wake()
        return [None] * len(holders)

    def _count(self, change: int) -> None:
        if self._free is not None:
            self._free = max(0, self._free + change)
