"""Tells tasks to stop: cancelled ones, and those past their deadline."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from datetime import timedelta

import structlog

from services.orchestrator.charges import Charge, Charges
from services.orchestrator.diagnosis import StopCause
from services.orchestrator.ports import Handle, Runtime, Tests
from shared.clock import Clock
from shared.domain.lifecycle import ACTIVE
from shared.ids import TestId
from shared.store.documents import Execution

log = structlog.get_logger()


class Stop:
    """Asks first; after the grace time the runtime does not ask."""

    def __init__(self, tests: Tests, runtime: Runtime, charges: Charges, clock: Clock, *, grace: timedelta) -> None:
        self._tests = tests
        self._runtime = runtime
        self._charges = charges
        self._clock = clock
        self._grace = grace

    async def requested(self, test_id: TestId) -> None:
        """Somebody wants this test stopped.

        Any orchestrator can tell the task; the one that looks after it ends the test."""
        charge = self._charges.of_test(test_id)
        if charge is not None:
            await self.cancel(charge)
            return
        test = await self._tests.get(test_id)
        if test and test.cancel and test.state in ACTIVE and test.task and test.task.handle:
            await self._runtime.stop(test.task.handle, grace_s=self._grace.total_seconds())

    async def cancel(self, charge: Charge) -> None:
        """Stops a task of ours because its test was cancelled."""
        if charge.told_to_stop is None:
            await self._tell(charge, StopCause.CANCEL)

    async def overdue(self, charges: Iterable[Charge]) -> None:
        """Stops what is past its deadline, and ends what was told to stop and did not."""
        now = self._clock.now()
        for charge in charges:
            if charge.told_to_stop is None and now >= charge.deadline:
                await self._each(charge, self._tell(charge, StopCause.DEADLINE))
            elif charge.stop_by is not None and now >= charge.stop_by:
                log.warning("task_did_not_stop", test_id=charge.test_id, attempt=charge.attempt)
                charge.stop_by = now + self._grace
                await self._each(charge, self._runtime.stop(charge.handle, grace_s=0))

    async def reconcile(self) -> list[TestId]:
        """Heals lost events: cancels what was cancelled, lets go of what is no longer ours.

        Answers with the tests whose launch the store has lost (a crash of the database): they are to be adopted."""
        lost: list[TestId] = []
        charges = list(self._charges)
        current = await self._tests.get_many(charge.test_id for charge in charges) if charges else {}
        for charge in charges:
            if charge.lock.locked() or self._charges.of_test(charge.test_id) is not charge:
                continue  # it was ended while we looked
            test = current.get(charge.test_id)
            if test is None or test.attempt != charge.attempt or test.state not in ACTIVE:
                log.warning("task_is_no_longer_ours", test_id=charge.test_id, attempt=charge.attempt)
                self._charges.drop(charge)
                await self._each(charge, self.end(charge.handle))
            elif test.task is None or test.task.handle is None:
                log.warning("launch_was_lost", test_id=charge.test_id, attempt=charge.attempt)
                self._charges.drop(charge)
                lost.append(charge.test_id)
            elif test.cancel is not None:
                await self._each(charge, self.cancel(charge))
        return lost

    async def abandoned(self, limit: int) -> None:
        """Stops what the scheduler took from an orchestrator that went away, where no next attempt will do it."""
        for test in await self._tests.abandoned(self._runtime.name, limit):
            await self._each(test, self._put_away(test))

    async def _put_away(self, test: Execution) -> None:
        assert test.task is not None
        assert test.task.abandoned is not None
        await self.end(test.task.abandoned)
        await self._tests.change(
            test.id,
            where={"attempt": test.attempt, "task.abandoned": test.task.abandoned},
            set={},
            unset=("task.abandoned",),
            brief=True,
            durable=False,
        )
        log.info("abandoned_task_stopped", test_id=test.id, attempt=test.attempt)

    async def end(self, handle: Handle) -> None:
        """Ends a task at once and frees what it held."""
        await self._runtime.stop(handle, grace_s=0)
        await self._runtime.cleanup(handle)

    async def _each(self, of: Charge | Execution, work: Awaitable[None]) -> None:
        """Does `work` for one task: where that fails, it keeps none of the others from being stopped."""
        test = of.test if isinstance(of, Charge) else of
        try:
            await work
        except Exception as error:  # noqa: BLE001 - the next round tries again
            log.warning("task_not_stopped", test_id=test.id, attempt=test.attempt, error=repr(error))

    async def _tell(self, charge: Charge, cause: StopCause) -> None:
        charge.told_to_stop = cause
        charge.stop_by = self._clock.now() + 2 * self._grace + timedelta(seconds=5)
        log.info("task_told_to_stop", test_id=charge.test_id, attempt=charge.attempt, cause=cause)
        await self._runtime.stop(charge.handle, grace_s=self._grace.total_seconds())
