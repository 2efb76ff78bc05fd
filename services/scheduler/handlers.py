"""What the scheduler does when it hears of something: decode, call one use case, return."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from services.scheduler.admit import Admission, Arrival
from services.scheduler.dispatch import Dispatch
from services.scheduler.ports import Tests
from services.scheduler.shares import Shares
from services.scheduler.withdraw import Withdrawal
from shared.bus.connect import Bus
from shared.domain.lifecycle import State
from shared.events.tests import (
    TestCancelRequested,
    TestCompleted,
    TestFailed,
    TestRequeued,
    TestSubmitted,
    TestTimedOut,
)
from shared.telemetry.tracing import current


def subscribe(bus: Bus, *, tests: Tests, admission: Admission, dispatch: Dispatch, withdrawal: Withdrawal) -> None:
    """Registers the scheduler's handlers."""

    async def on_test_submitted(event: TestSubmitted) -> None:
        await admission.admit(Arrival(event.test_id, event.user_id, event.priority, current()))

    async def on_test_cancel_requested(event: TestCancelRequested) -> None:
        await withdrawal.withdraw(event.test_id)

    async def on_test_requeued(event: TestRequeued) -> None:
        test = await tests.get(event.test_id)
        if test is not None and test.state is State.QUEUED:
            await admission.restore(test)
        await dispatch.release(event.test_id, event.attempt)  # when it is back in its place: nobody slips in before it

    async def on_test_completed(event: TestCompleted) -> None:
        await dispatch.release(event.test_id, event.attempt)

    async def on_test_failed(event: TestFailed) -> None:
        await dispatch.release(event.test_id, event.attempt)

    async def on_test_timed_out(event: TestTimedOut) -> None:
        await dispatch.release(event.test_id, event.attempt)

    bus.on(TestSubmitted, on_test_submitted)
    bus.on(TestCancelRequested, on_test_cancel_requested)
    bus.on(TestRequeued, on_test_requeued)
    bus.on(TestCompleted, on_test_completed)
    bus.on(TestFailed, on_test_failed)
    bus.on(TestTimedOut, on_test_timed_out)


def on_nudge(shares: Shares, dispatch: Dispatch) -> Callable[[], Awaitable[None]]:
    """What is done when an admin has changed capacity, pause or limits."""

    async def look() -> None:
        await shares.look()
        dispatch.look_again()

    return look
