"""Ends attempts: looks at tasks, collects the result, decides, moves the test, cleans up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from services.orchestrator.charges import Charge, Charges
from services.orchestrator.diagnosis import Evidence, StopCause, Verdict, judge
from services.orchestrator.endings import Endings
from services.orchestrator.harness_result import HarnessResult, read_result
from services.orchestrator.metrics import ENDED
from services.orchestrator.outputs import Kept, Outputs
from services.orchestrator.ports import Phase, Runtime, Sighting, Tests
from shared.clock import Clock
from shared.domain.failure import Failure
from shared.domain.lifecycle import ACTIVE, State
from shared.errors import Malformed, Unavailable
from shared.store.documents import (
    Execution,
)

log = structlog.get_logger()

BATCH: Final = 100  # ECS: at most 100 tasks a call (API reference, DescribeTasks)
_TRIES: Final = 3  # a phase move may come between the look and the write, and nothing else


class _TakenOver(Exception):
    """Another orchestrator looks after the task: our lease had run out."""


class Finish:
    """From a task that ended to a test that ended, or waits for its next attempt."""

    def __init__(
        self,
        tests: Tests,
        runtime: Runtime,
        charges: Charges,
        clock: Clock,
        *,
        owner: str,
        outputs: Outputs,
    ) -> None:
        self._tests = tests
        self._runtime = runtime
        self._charges = charges
        self._owner = owner
        self._outputs = outputs
        self._endings = Endings(clock, owner=owner)

    async def look(self, charges: Sequence[Charge]) -> None:
        """Looks at these tasks and ends the attempts of those that have stopped.

        One that cannot be ended now keeps nobody waiting: the next look tries again."""
        for start in range(0, len(charges), BATCH):
            batch = charges[start : start + BATCH]
            sightings = await self._sightings(batch)
            stopped = [
                (charge, sighting)
                for charge, sighting in zip(batch, sightings, strict=True)
                if sighting is not None and sighting.phase in {Phase.STOPPED, Phase.MISSING}
            ]
            answers = await asyncio.gather(*(self._end(*one) for one in stopped), return_exceptions=True)
            for (charge, _), answer in zip(stopped, answers, strict=True):
                if isinstance(answer, Exception):
                    log.warning("task_not_ended", test_id=charge.test_id, attempt=charge.attempt, error=repr(answer))

    async def _sightings(self, batch: Sequence[Charge]) -> Sequence[Sighting | None]:
        """What the runtime sees; None for what it cannot look at, which hides none of the others."""
        try:
            return await self._runtime.inspect([charge.handle for charge in batch])
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one of them; the next look tries again
            if len(batch) > 1:
                return [sighting for charge in batch for sighting in await self._sightings([charge])]
            log.warning("look_failed", test_id=batch[0].test_id, attempt=batch[0].attempt, error=repr(error))
            return [None]

    def expect(self, charge: Charge) -> None:
        """The task says that it is done."""
        self._runtime.ends_soon(charge.handle)

    async def never_started(self, test: Execution, failure: Failure) -> None:
        """Ends an attempt whose task could not be launched."""
        move = self._endings.never_started(test, failure)
        if await self._tests.move(move):
            ENDED.labels(move.to, failure.code).inc()

    async def _end(self, charge: Charge, sighting: Sighting) -> None:
        async with charge.lock:
            if self._charges.of_test(charge.test_id) is not charge:
                return  # ended already by another look
            result, problem = await self._result(charge)
            try:
                verdict = await self._settle(charge, sighting, result, problem)
            except _TakenOver:
                self._charges.drop(charge)
                log.warning("task_was_taken_over", test_id=charge.test_id, attempt=charge.attempt)
                return  # who has it now needs the result
            self._charges.end(charge)
        if verdict is None:
            log.warning("task_ended_for_somebody_else", test_id=charge.test_id, attempt=charge.attempt)
        else:
            code = verdict.failure.code if verdict.failure else ""
            ENDED.labels(verdict.to, code).inc()
            log.info("task_ended", test_id=charge.test_id, attempt=charge.attempt, state=verdict.to, code=code)
        await self._runtime.cleanup(charge.handle)

    async def _result(self, charge: Charge) -> tuple[HarnessResult | None, str]:
        raw = await self._runtime.collect(charge.handle)
        if raw is None:
            return None, ""
        try:
            return read_result(raw, nonce=charge.nonce), ""
        except Malformed as error:
            return None, str(error)

    async def _settle(
        self, charge: Charge, sighting: Sighting, result: HarnessResult | None, problem: str
    ) -> Verdict | None:
        """Decides and writes it; None where the attempt is over. Raises _TakenOver.

        An answer is written on what we remember. Anything else, and a write that lost a race, looks at the store first:
        another orchestrator may have told the task to stop."""
        test: Execution | None = charge.test
        if result is None or not result.success:
            test = await self._current(charge)
        kept: Kept | None = None
        for _ in range(_TRIES):
            if test is None or test.attempt != charge.attempt or test.state not in ACTIVE:
                return None
            cause = charge.told_to_stop or (StopCause.CANCEL if test.cancel else None)
            verdict = judge(
                Evidence(
                    attempt=charge.attempt,
                    timeout_s=test.input.timeout_s,
                    sighting=sighting,
                    result=result,
                    result_problem=problem,
                    state=test.state,
                    installs=cause is StopCause.CANCEL and result is None and await self._installs(test),
                    memory_mib=test.input.resources.memory_mib,
                    told_to_stop=cause,
                    cancelled_by=test.cancel.by if test.cancel else "",
                    cancel_reason=test.cancel.reason if test.cancel else "",
                )
            )
            if kept is None and verdict.to is not State.QUEUED:
                kept = await self._outputs.keep(charge, result)  # before the move: what it lists is there
            if await self._tests.move(self._endings.ending(test, verdict, sighting, result, kept or Kept())):
                return verdict
            test = await self._current(charge)
            if test is not None and test.lease is not None and test.lease.owner != self._owner:
                raise _TakenOver
            if test is not None and test.state in ACTIVE and (test.task is None or test.task.handle is None):
                raise Unavailable(f"the store has lost the launch of test {charge.test_id}; it is written again first")
        raise Unavailable(f"test {charge.test_id} could not be ended: its state changes under us")

    async def _installs(self, test: Execution) -> bool:
        """Whether it has requirements, which what we remember of it lacks."""
        whole = await self._tests.get(test.id)
        return whole is not None and bool(whole.input.requirements)

    async def _current(self, charge: Charge) -> Execution | None:
        return (await self._tests.get_many([charge.test_id])).get(charge.test_id)
