"""Grants free slots to waiting tests. Wakes when something was queued or freed, and by itself now and then.

How many slots are free and who holds how many is remembered between passes, so that an arrival at a full house costs
nothing. The memory may be too low (another scheduler freed one: that one grants it) and never matters for safety: a
slot is taken in the store, and whose user may hold so many only is counted there before it is used.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog

from services.scheduler.maxima import at_maximum, within_maxima
from services.scheduler.metrics import GRANTED, PUT_OFF, WAIT_SECONDS
from services.scheduler.ports import Capacity, Line, Tests
from services.scheduler.shares import Shares
from shared.clock import Clock
from shared.domain.fairness import furthest_ranks
from shared.domain.lifecycle import State
from shared.events.tests import TestScheduled
from shared.ids import TestId, UserId
from shared.store.batch import GroupCommit
from shared.store.documents import QueueEntry, Slot
from shared.store.executions import Move
from shared.store.queue import Spell

log = structlog.get_logger()

PASS_LIMIT: Final = 32
"""Grants in one pass; the next pass follows at once."""
RECORD_S: Final = 0.5
"""The virtual time is written this often: a little late makes a newcomer's rank a little better, and nothing worse."""
PUT_OFF_S: Final = (0.05, 0.25)
"""So long, by chance, a user is left out for whom two schedulers took a slot at once: so that they do not again."""
MOST_REMEMBERED: Final = 10_000


class Dispatch:
    """From QUEUED to BUILDING, never beyond the capacity: the slot is taken before the test is moved."""

    def __init__(self, tests: Tests, line: Line, capacity: Capacity, clock: Clock, *, shares: Shares) -> None:
        self._tests = tests
        self._line = line
        self._capacity = capacity
        self._clock = clock
        self._shares = shares
        self._due = asyncio.Event()
        self._free: int | None = None
        """Free slots as far as we know; None where we have to look."""
        self._held: Counter[UserId] | None = None
        """Slots of each user as far as we know, where anybody has a maximum; None where we have to look."""
        self._put_off: set[UserId] = set()
        self._again_at = float("inf")
        self._served: list[tuple[QueueEntry, Spell]] = []
        self._granted: dict[tuple[TestId, int], datetime] = {}
        self._holds: list[Spell] = []
        self._release = GroupCommit("release", self._release_all)

    def wake(self) -> None:
        """Something was queued: look soon."""
        self._due.set()

    def look_again(self) -> None:
        """Forgets how many slots are free and who holds them, and looks soon."""
        self._forget()
        self._due.set()

    async def run(self, interval_s: float) -> None:
        """Dispatches until cancelled."""
        while True:
            try:
                async with asyncio.timeout(min(interval_s, max(0.0, self._again_at - time.monotonic()))):
                    await self._due.wait()
            except TimeoutError:
                self._forget()
            self._due.clear()
            if time.monotonic() >= self._again_at:
                self._forget()
            try:
                while await self.dispatch():
                    pass
            except Exception as error:  # noqa: BLE001 - the store is away; the timer tries again
                log.warning("dispatch_failed", error=repr(error))
                self._forget()
                await asyncio.sleep(0.5)

    async def dispatch(self) -> int:
        """One pass: as many grants as there are free slots and waiting tests; their number."""
        if self._free is None:
            self._free = await self._capacity.free()
        if not self._free:  # none, or the queue is paused
            return 0
        entries = await self._next(min(self._free, PASS_LIMIT))
        granted = await asyncio.gather(*(self._grant(entry) for entry in entries))
        return sum(granted)

    async def record(self) -> None:
        """Writes down how far the line has moved since the last time, and how long slots were held."""
        served, self._served = self._served, []
        if served:
            await self._line.granted(
                furthest_ranks((entry.priority, entry.rank) for entry, _ in served), [wait for _, wait in served]
            )
        holds, self._holds = self._holds, []
        if holds:
            await self._line.released(holds)

    async def release(self, test: TestId, attempt: int) -> None:
        """Frees the slot of an attempt that ended, and looks for the next test."""
        await self._release((test, attempt))

    async def _next(self, limit: int) -> list[QueueEntry]:
        """Who gets the next slots. A user with as many as he may hold is left out, and lets the others go first."""
        if not self._shares.limited:
            return await self._line.head(limit)
        if self._held is None:
            self._held = await self._capacity.holders()
        maximum = self._shares.max_running
        entries = await self._line.head(limit, without=at_maximum(self._held, maximum) | self._put_off)
        return within_maxima(entries, self._held, maximum)

    async def _grant(self, entry: QueueEntry) -> bool:
        now = self._clock.now()
        attempt = entry.attempt + 1
        number = await self._capacity.take(test=entry.id, user=entry.user_id, attempt=attempt, now=now)
        if number is None:
            self._free = None  # somebody else was faster, or the queue was paused
            return False
        self._count(-1, entry.user_id)
        slot = Slot(id=number, test_id=entry.id, attempt=attempt)
        if not await self._may_hold(entry.user_id):
            await self._leave_out(slot, entry.user_id)
            return False
        telling = TestScheduled(test_id=entry.id, user_id=entry.user_id, attempt=attempt, at=now, slot=number)
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
                set={"times.scheduled": now, "slot": number},
                traceparent=entry.traceparent,
            )
        )
        await self._line.remove(entry.id)
        if moved:
            self._remember(entry, attempt, now)
            return True
        await self._give_back(slot)
        return False

    async def _may_hold(self, user: UserId) -> bool:
        """Whether all slots of this user, the one just taken among them, are as many as he may hold.

        Of several who take at once the last one counts all of them: it gives its slot back, and others may, too."""
        maximum = self._shares.max_running(user)
        return not maximum or await self._capacity.held_by(user) <= maximum

    async def _leave_out(self, slot: Slot, user: UserId) -> None:
        PUT_OFF.inc()
        self._put_off.add(user)
        self._again_at = min(self._again_at, time.monotonic() + random.uniform(*PUT_OFF_S))
        if await self._capacity.give_back([slot]):
            self._count(+1)
        self.wake()  # others may have the slot

    async def _give_back(self, slot: Slot) -> None:
        """Another scheduler granted the test, in another slot, or it was cancelled.

        Where it waits in a later attempt, the sweep restores it."""
        log.info("grant_was_lost", test_id=slot.test_id, slot=slot.id)
        await self._capacity.give_back([slot])
        self.look_again()

    async def _release_all(self, holders: Sequence[tuple[TestId, int]]) -> Sequence[Exception | None]:
        freed = await self._capacity.release_all(holders)
        now = self._clock.now()
        for holder in holders:
            if (since := self._granted.pop(holder, None)) is not None:
                self._holds.append(Spell(now, (now - since).total_seconds()))
        if freed:
            self._count(freed)
            self._held = None
            self.wake()
        return [None] * len(holders)

    def _remember(self, entry: QueueEntry, attempt: int, now: datetime) -> None:
        wait = Spell(now, (now - entry.enqueued_at).total_seconds())
        GRANTED.inc()
        WAIT_SECONDS.observe(wait.seconds)
        self._served.append((entry, wait))
        self._granted[entry.id, attempt] = now
        if len(self._granted) > MOST_REMEMBERED:  # another scheduler hears of their ends
            del self._granted[next(iter(self._granted))]

    def _forget(self) -> None:
        self._free = self._held = None
        self._put_off.clear()
        self._again_at = float("inf")

    def _count(self, change: int, user: UserId | None = None) -> None:
        if self._free is not None:
            self._free = max(0, self._free + change)
        if self._held is not None and user is not None:
            self._held[user] -= change
