"""Publishes the queue's figures as metrics."""

from __future__ import annotations

from services.scheduler.metrics import CAPACITY, PENDING, RUNNING
from shared.store.queue import Queue
from shared.store.slots import Slots


async def publish_figures(line: Queue, slots: Slots) -> None:
    """Reads queue length and occupancy once and sets the gauges."""
    PENDING.set((await line.figures()).pending)
    occupancy = await slots.occupancy()
    RUNNING.set(occupancy.running)
    CAPACITY.set(occupancy.capacity)
