"""What the orchestrator does when it hears of something: decode, call one use case, return."""

from __future__ import annotations

from services.orchestrator.launch import Launch
from services.orchestrator.stop import Stop
from services.orchestrator.watch import Watch
from shared.bus.connect import Bus
from shared.events.tasks import HarnessPhase, TaskPhase
from shared.events.tests import TestCancelRequested, TestScheduled
from shared.telemetry.tracing import current


def subscribe(bus: Bus, *, launch: Launch, stop: Stop, watch: Watch) -> None:
    """Registers the orchestrator's handlers."""

    async def on_test_scheduled(event: TestScheduled) -> None:
        await launch.begin(event.test_id, event.user_id, event.attempt, current())

    async def on_test_cancel_requested(event: TestCancelRequested) -> None:
        await stop.requested(event.test_id)

    async def on_task_phase(event: TaskPhase) -> None:
        if event.phase is not HarnessPhase.BUILDING:  # `finished` says that it ran, too
            await watch.agent_runs(event.test_id, event.attempt, event.at, current())
        if event.phase is HarnessPhase.FINISHED:
            watch.agent_is_done(event.test_id, event.attempt)

    bus.on(TestScheduled, on_test_scheduled)
    bus.on(TestCancelRequested, on_test_cancel_requested)
    bus.on(TaskPhase, on_task_phase)
