"""How the queue stands: figures that cost the same whatever its length."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from assay.v1 import queue_service_pb2
from services.gateway.ports import Capacity, Line
from services.gateway.translate import duration, timestamp
from shared.clock import Clock
from shared.ids import UserId
from shared.store.queue import Figures
from shared.store.slots import Pool


@dataclass(frozen=True, slots=True)
class QueueSight:
    """The queue at one moment. `pending` has those users only whose it was looked for."""

    figures: Figures
    pool: Pool
    running: Mapping[UserId, int]
    pending: Mapping[UserId, int]
    at: datetime

    def status(self, user: UserId) -> queue_service_pb2.QueueStatus:
        """As this user sees it."""
        running, capacity, oldest = sum(self.running.values()), self.pool.capacity, self.figures.oldest
        return queue_service_pb2.QueueStatus(
            pending=self.figures.pending,
            running=running,
            capacity=capacity,
            utilization=running / capacity if capacity else 0.0,
            average_wait=duration(self.figures.average_wait_s),
            oldest_pending_age=duration(max((self.at - oldest).total_seconds(), 0.0)) if oldest else None,
            paused=self.pool.paused,
            pause_reason=self.pool.pause_reason,
            own_pending=self.pending[user],
            own_running=self.running.get(user, 0),
            time=timestamp(self.at),
        )


class QueueStatus:
    """GetQueueStatus, and what WatchQueue looks at."""

    def __init__(self, line: Line, capacity: Capacity, clock: Clock) -> None:
        self._line = line
        self._capacity = capacity
        self._clock = clock

    async def status(self, user: UserId) -> queue_service_pb2.QueueStatus:
        """The figures now, and this user's part of them."""
        return (await self.look([user])).status(user)

    async def look(self, users: Collection[UserId]) -> QueueSight:
        """One look for all of these users."""
        now = self._clock.now()
        figures, pool, running = await asyncio.gather(
            self._line.figures(now), self._capacity.pool(), self._capacity.holders()
        )
        pending = dict.fromkeys(users, 0)
        if figures.pending:
            counts = await asyncio.gather(*(self._line.pending_of(user) for user in pending))
            pending = dict(zip(pending, counts, strict=True))
        return QueueSight(figures, pool, running, pending, now)
