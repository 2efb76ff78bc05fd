"""Publishes the queue's figures as metrics."""

from __future__ import annotations

from services.scheduler.metrics import CAPACITY, PAUSED, PENDING, RUNNING
from shared.clock import Clock
from shared.store.queue import Queue
from shared.store.slots import Slots


async def publish_figures(line: Queue, slots: Slots, clock: Clock) -> None:
    """Reads queue length, occupancy and whether it is paused once and sets the gauges."""
    PENDING.set((await line.figures(clock.now())).pending)
    occupancy = await slots.occupancy()
    RUNNING.set(occupancy.running)
    CAPACITY.set(occupancy.capacity)
    PAUSED.set((await slots.pool()).paused)
