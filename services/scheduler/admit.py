"""Takes submitted tests into the queue, many in one go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.scheduler.metrics import QUEUED
from services.scheduler.ports import Line, Tests
from services.scheduler.shares import Shares
from shared.clock import Clock
from shared.domain.lifecycle import State
from shared.events.tests import TestQueued
from shared.ids import TestId, UserId
from shared.store.batch import GroupCommit
from shared.store.documents import Execution, QueueEntry
from shared.store.executions import Move


@dataclass(frozen=True, slots=True)
class Arrival:
    """A submitted test."""

    test_id: TestId
    user_id: UserId
    priority: int
    traceparent: str


class Admission:
    """From SUBMITTED to QUEUED. The place in the queue is fixed here, once."""

    def __init__(self, tests: Tests, line: Line, clock: Clock, *, shares: Shares, wake: Callable[[], None]) -> None:
        self._tests = tests
        self._line = line
        self._clock = clock
        self._shares = shares
        self._wake = wake
        self.admit = GroupCommit("admit", self._admit_all)
        """Admits one arrival; False where the test was no longer SUBMITTED. Arrivals of a moment share their writes."""

    async def _admit_all(self, arrivals: Sequence[Arrival]) -> Sequence[bool | Exception]:
        ranks: dict[TestId, float] = {}
        lines: dict[tuple[UserId, int], list[Arrival]] = {}
        for arrival in arrivals:
            lines.setdefault((arrival.user_id, arrival.priority), []).append(arrival)
        for (user, priority), own in lines.items():
            reserved = await self._line.reserve(user, priority, len(own), weight=self._shares.weight(user))
            ranks.update(zip((arrival.test_id for arrival in own), reserved, strict=True))
        answers = await asyncio.gather(
            *(self._enqueue(arrival, ranks[arrival.test_id]) for arrival in arrivals), return_exceptions=True
        )
        return [answer if isinstance(answer, bool | Exception) else RuntimeError(repr(answer)) for answer in answers]

    async def _enqueue(self, arrival: Arrival, rank: float) -> bool:
        now = self._clock.now()
        telling = TestQueued(
            test_id=arrival.test_id, user_id=arrival.user_id, at=now, priority=arrival.priority, rank=rank
        )
        moved = await self._tests.move(
            Move(
                test_id=arrival.test_id,
                source=State.SUBMITTED,
                attempt=0,
                to=State.QUEUED,
                at=now,
                by="scheduler",
                telling=(telling,),
                set={"rank": rank, "times.queued": now},
                traceparent=arrival.traceparent,
            )
        )
        if not moved:
            return False
        # A crash here leaves a QUEUED test that is not in the queue; `restore` finds it.
        await self._line.add(
            QueueEntry(
                id=arrival.test_id,
                user_id=arrival.user_id,
                priority=arrival.priority,
                rank=rank,
                enqueued_at=now,
                traceparent=arrival.traceparent,
            )
        )
        QUEUED.inc()
        self._wake()
        return True

    async def restore(self, test: Execution) -> None:
        """Puts a QUEUED test back into its old place: it was requeued, or a crash kept it out."""
        await self._line.add(
            QueueEntry(
                id=test.id,
                user_id=test.user_id,
                priority=test.input.priority,
                rank=test.rank or 0.0,
                enqueued_at=test.times.queued or test.times.submitted,
                attempt=test.attempt,
                traceparent=test.traceparent,
            )
        )
        self._wake()
