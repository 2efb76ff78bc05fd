"""SetCapacity, PauseQueue, ResumeQueue: written to the store, which is where it holds; then schedulers are nudged."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from assay.v1 import queue_service_pb2
from services.gateway.caller import changed
from services.gateway.errors import InvalidRequest, Violation
from services.gateway.ports import Capacity
from services.gateway.queue.status import QueueStatus
from shared.clock import Clock
from shared.ids import UserId

log = structlog.get_logger()

MOST_SLOTS: Final = 10_000
LONGEST_REASON: Final = 500
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


class CapacityControl:
    """How many slots there are, and whether they are granted. Every call may be repeated."""

    def __init__(
        self, capacity: Capacity, queue: QueueStatus, clock: Clock, *, nudge: Callable[[], Awaitable[None]]
    ) -> None:
        self._capacity = capacity
        self._queue = queue
        self._clock = clock
        self._nudge = nudge

    async def set(self, slots: int, by: UserId) -> queue_service_pb2.QueueStatus:
        """Raises InvalidRequest."""
        if not 0 <= slots <= MOST_SLOTS:
            raise InvalidRequest([Violation("capacity", f"must be from 0 (none) to {MOST_SLOTS:,}")])
        before = (await self._capacity.pool()).capacity
        await self._capacity.resize(slots)
        changed("capacity", before, slots)
        return await self._done("capacity_set", by, capacity=slots)

    async def pause(self, reason: str, by: UserId) -> queue_service_pb2.QueueStatus:
        """No test is granted a slot any more when this returns. Raises InvalidRequest."""
        if len(reason) > LONGEST_REASON:
            raise InvalidRequest([Violation("reason", f"is longer than {LONGEST_REASON} characters")])
        if _CONTROL.search(reason):
            raise InvalidRequest([Violation("reason", "has a line break or another control character in it")])
        await self._capacity.pause(self._clock.now(), by, reason)
        return await self._done("queue_paused", by)

    async def resume(self, by: UserId) -> queue_service_pb2.QueueStatus:
        """Slots are granted again."""
        await self._capacity.resume()
        return await self._done("queue_resumed", by)

    async def _done(self, what: str, by: UserId, **more: int) -> queue_service_pb2.QueueStatus:
        log.info(what, by=by, **more)
        await self._nudge()
        return await self._queue.status(by)
