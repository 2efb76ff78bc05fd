"""Ends tests that wait and that somebody wants stopped."""

from __future__ import annotations

from services.scheduler.ports import Line, Tests
from shared.clock import Clock
from shared.domain.failure import Failure, FailureCode, Stage
from shared.domain.lifecycle import WAITING, State
from shared.events.tests import TestFailed
from shared.ids import TestId
from shared.store.documents import FailureDoc
from shared.store.executions import Move

_TRIES = 3  # the test may be admitted between the look and the move; it cannot be so often


class Withdrawal:
    """From SUBMITTED or QUEUED to FAILED with code CANCELLED.

    What already holds a slot is the orchestrator's to stop."""

    def __init__(self, tests: Tests, line: Line, clock: Clock) -> None:
        self._tests = tests
        self._line = line
        self._clock = clock

    async def withdraw(self, test_id: TestId) -> bool:
        """Ends the test where it waits and was cancelled; False where there is nothing to do here."""
        for _ in range(_TRIES):
            test = await self._tests.get(test_id)
            if test is None or test.cancel is None or test.state not in WAITING:
                return False
            now = self._clock.now()
            message = f"Cancelled by {test.cancel.by} while it waited" + (
                f": {test.cancel.reason}" if test.cancel.reason else "."
            )
            failure = Failure.of(FailureCode.CANCELLED, message, stage=Stage.QUEUE)
            moved = await self._tests.move(
                Move(
                    test_id=test_id,
                    source=test.state,
                    attempt=test.attempt,
                    to=State.FAILED,
                    at=now,
                    by="scheduler",
                    reason=message,
                    telling=(
                        TestFailed(
                            test_id=test_id,
                            user_id=test.user_id,
                            attempt=test.attempt,
                            at=now,
                            code=failure.code,
                            stage=failure.stage,
                            message=message,
                        ),
                    ),
                    set={
                        "failure": FailureDoc.of(failure).model_dump(exclude_none=True),
                        "times.finished": now,
                        # It never ran in this attempt, so there is nothing to read, and that is all of it.
                        "logs.ended": True,
                        "logs.complete": True,
                        "logs.expected": 0,
                    },
                    unset=("logs.until", "lease"),
                    traceparent=test.traceparent,
                )
            )
            if moved:
                await self._line.remove(test_id)
                return True
        return False
