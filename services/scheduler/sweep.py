"""Looks by itself, without an event, for what got lost:

the reason why losing every event costs seconds and never a test."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from services.scheduler.admit import Admission, Arrival
from services.scheduler.claims import is_abandoned, void_claims
from services.scheduler.dispatch import Dispatch
from services.scheduler.metrics import ABANDONED
from services.scheduler.ports import Capacity, Line, Tests
from services.scheduler.shares import Shares
from services.scheduler.withdraw import Withdrawal
from shared.clock import Clock
from shared.domain.failure import Failure, FailureCode
from shared.domain.lifecycle import MAX_ATTEMPTS, State
from shared.events.base import Event
from shared.events.tests import TestFailed, TestRequeued
from shared.store.documents import Execution, FailureDoc
from shared.store.executions import Move

log = structlog.get_logger()

UNSEEN: Final = timedelta(seconds=2)
"""A test that has been SUBMITTED for longer was missed by the event."""
LIMIT: Final = 500
EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Sweep:
    """Everything the scheduler checks on its timer."""

    def __init__(
        self,
        tests: Tests,
        line: Line,
        capacity: Capacity,
        clock: Clock,
        *,
        admission: Admission,
        dispatch: Dispatch,
        withdrawal: Withdrawal,
        shares: Shares,
        silence: timedelta,
    ) -> None:
        self._tests = tests
        self._line = line
        self._capacity = capacity
        self._clock = clock
        self._admission = admission
        self._dispatch = dispatch
        self._withdrawal = withdrawal
        self._shares = shares
        self._silence = silence
        self._seen_until = EVER
        """Up to which age the QUEUED tests were checked; the next round goes on from there."""

    async def sweep(self) -> None:
        """One round."""
        await self._shares.look()
        await self._capacity.agree()
        for test_id in await self._tests.waiting_but_unwanted(LIMIT):
            await self._withdrawal.withdraw(test_id)
        await self._admit_unseen()
        await self._restore_missing()
        await self._check_claims()
        self._dispatch.look_again()

    async def _admit_unseen(self) -> None:
        unseen = await self._tests.stale(State.SUBMITTED, self._clock.now() - UNSEEN, LIMIT)
        await asyncio.gather(
            *(
                self._admission.admit(Arrival(test.id, test.user_id, test.input.priority, test.traceparent))
                for test in unseen
            )
        )
        if unseen:
            log.info("unseen_tests_admitted", tests=len(unseen))

    async def _restore_missing(self) -> None:
        """QUEUED tests must be in the queue. Looks at some of them each round, from the oldest to the newest and then
        from the oldest again: old tests of a low priority may wait for days, and must not hide the others."""
        before = self._clock.now() - UNSEEN
        found = await self._tests.stale(State.QUEUED, before, LIMIT, since=self._seen_until)
        self._seen_until = found[-1].times.submitted if len(found) == LIMIT else EVER
        if found and self._seen_until == found[0].times.submitted:  # so many of one moment
            self._seen_until += timedelta(milliseconds=1)
        queued = {test.id: test for test in found}
        missing = await self._line.missing(queued)
        if not missing:
            return
        now_queued = await self._tests.get_many(missing)
        for test in now_queued.values():
            if test.state is State.QUEUED:
                log.warning("queued_test_was_not_in_the_queue", test_id=test.id)
                await self._admission.restore(test)

    async def _check_claims(self) -> None:
        taken = await self._capacity.taken()
        tests = await self._tests.get_many(slot.test_id for slot in taken if slot.test_id is not None)
        now = self._clock.now()
        for test in tests.values():
            if is_abandoned(test, now, silence=self._silence):
                await self._give_up(test)
        void = void_claims(taken, tests, now)
        if void:
            log.warning("void_claims_released", tests=[slot.test_id for slot in void])
            await self._capacity.give_back(void)

    async def _give_up(self, test: Execution) -> None:
        """Takes a claim back. Whoever begins the next attempt stops what may still run of this one."""
        now = self._clock.now()
        failure = _why_lost(test, self._silence)
        again = failure.retryable and test.attempt < MAX_ATTEMPTS
        ids: dict[str, Any] = {"test_id": test.id, "user_id": test.user_id, "attempt": test.attempt, "at": now}
        telling: Event
        fields: dict[str, Any] = {}
        unset = ["lease", "task.handle"]
        if again:
            telling = TestRequeued(code=failure.code, message=failure.message, **ids)
            # Its output is that of this attempt: whoever followed it in the next one would seal that one's log with it.
            unset += ["times.started", "task.log_source", "logs.until"]
        else:
            telling = TestFailed(code=failure.code, stage=failure.stage, message=failure.message, **ids)
            fields |= {"failure": FailureDoc.of(failure).model_dump(exclude_none=True), "times.finished": now}
        if test.task is None or test.task.log_source is None:
            fields |= {"logs.ended": True, "logs.complete": True, "logs.expected": 0}
        if test.task and test.task.handle:
            fields["task.abandoned"] = test.task.handle
        moved = await self._tests.move(
            Move(
                test_id=test.id,
                source=test.state,
                attempt=test.attempt,
                to=State.QUEUED if again else State.FAILED,
                at=now,
                by="scheduler",
                reason=failure.message,
                telling=(telling,),
                set=fields,
                unset=tuple(unset),
                # Not if an orchestrator has come back since we looked.
                guard={"lease.until": test.lease.until} if test.lease else {"lease": None},
                traceparent=test.traceparent,
            )
        )
        if moved:
            ABANDONED.inc()
            log.warning("claim_was_abandoned", test_id=test.id, attempt=test.attempt, again=again)


def _why_lost(test: Execution, silence: timedelta) -> Failure:
    if test.cancel is not None:
        return Failure.of(
            FailureCode.CANCELLED, f"Cancelled by {test.cancel.by}; no orchestrator was there to stop it."
        )
    return Failure.of(FailureCode.TASK_LOST, f"No orchestrator has looked after it for {silence.total_seconds():g} s.")
