"""What the log streamer does when it hears of something: decode, call one use case, return."""

from __future__ import annotations

from services.logstreamer.roster import Roster
from shared.bus.connect import Bus
from shared.events.tasks import TaskStarted, TaskStopped


def subscribe(bus: Bus, roster: Roster) -> None:
    """Registers the log streamer's handlers."""

    async def on_task_started(event: TaskStarted) -> None:
        await roster.claim_new(event.test_id, event.attempt, event.log_source)

    async def on_task_stopped(event: TaskStopped) -> None:
        roster.stopped(event.test_id, event.attempt)

    bus.on(TaskStarted, on_task_started)
    bus.on(TaskStopped, on_task_stopped)
