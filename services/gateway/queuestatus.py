"""How the queue stands: figures that cost the same whatever its length."""

from __future__ import annotations

import asyncio

from assay.v1 import queue_service_pb2
from services.gateway.caller import Caller
from services.gateway.ports import Capacity, Line
from services.gateway.translate import duration, timestamp
from shared.clock import Clock


class QueueStatus:
    """GetQueueStatus."""

    def __init__(self, line: Line, capacity: Capacity, clock: Clock) -> None:
        self._line = line
        self._capacity = capacity
        self._clock = clock

    async def status(self, caller: Caller) -> queue_service_pb2.QueueStatus:
        """The figures now, and the caller's part of them."""
        figures, occupancy, taken = await asyncio.gather(
            self._line.figures(), self._capacity.occupancy(), self._capacity.taken()
        )
        now = self._clock.now()
        age = (now - figures.oldest).total_seconds() if figures.oldest else None
        return queue_service_pb2.QueueStatus(
            pending=figures.pending,
            running=occupancy.running,
            capacity=occupancy.capacity,
            utilization=occupancy.running / occupancy.capacity if occupancy.capacity else 0.0,
            average_wait=duration(figures.average_wait_s or None),
            oldest_pending_age=duration(None if age is None else max(age, 0.0)),
            own_pending=await self._line.pending_of(caller.user_id) if figures.pending else 0,
            own_running=sum(1 for slot in taken if slot.user_id == caller.user_id),
            time=timestamp(now),
        )
