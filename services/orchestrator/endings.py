"""What ends an attempt in the store: one move, with all that is known then, and the events that tell of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from services.orchestrator.diagnosis import Verdict
from services.orchestrator.harness_result import HarnessResult
from services.orchestrator.outputs import Kept
from services.orchestrator.ports import Sighting
from shared.clock import Clock
from shared.domain.failure import Failure
from shared.domain.lifecycle import MAX_ATTEMPTS, State
from shared.events.base import Event
from shared.events.tasks import TaskStopped
from shared.events.tests import (
    EventFile,
    TestCompleted,
    TestFailed,
    TestFilesStored,
    TestRequeued,
    TestRunning,
    TestTimedOut,
)
from shared.store.documents import (
    AgentError,
    Conversion,
    EntryPoint,
    Execution,
    FailureDoc,
    Metrics,
    Result,
    Usage,
)
from shared.store.executions import Move

_NOTHING_TO_READ: Final = {"logs.ended": True, "logs.complete": True, "logs.expected": 0}


class Endings:
    """Makes the moves of one orchestrator. Asks nobody."""

    def __init__(self, clock: Clock, *, owner: str) -> None:
        self._clock = clock
        self._owner = owner

    def ending(
        self, test: Execution, verdict: Verdict, sighting: Sighting, result: HarnessResult | None, kept: Kept
    ) -> Move:
        """The move after a task that ended, and what goes with it: the result, the files that were kept, the news."""
        now = self._clock.now()
        run_ms = result.phases.run_ms if result else None
        telling: list[Event] = [
            TaskStopped(
                test_id=test.id,
                user_id=test.user_id,
                attempt=test.attempt,
                at=now,
                exit_code=sighting.exit_code,
                stop_reason=sighting.stop_reason,
            )
        ]
        extra: dict[str, Any] = {
            "task.exit_code": sighting.exit_code,
            "task.stop_reason": sighting.stop_reason or "",
        }
        via = None
        # The phase mark may still be on its way; that the agent answered says as much.
        if verdict.to is State.COMPLETED and test.state is State.BUILDING:
            via = State.RUNNING
            started = now - timedelta(milliseconds=run_ms or 0)
            extra["times.started"] = test.times.started = started
            telling.append(TestRunning(test_id=test.id, user_id=test.user_id, attempt=test.attempt, at=started))
        if kept.files:
            extra["output_files"] = [file.model_dump() for file in kept.files]
            extra["output_expires_at"] = kept.expires_at
            telling.append(_files_stored(test, kept, now))
        telling.append(_telling(test, verdict, now, run_ms=run_ms))
        if verdict.to is not State.QUEUED:
            metrics = _metrics(test, result, total_ms=_ms(now - test.times.submitted))
            extra["result"] = Result(
                success=verdict.to is State.COMPLETED,
                response_json=result.response_json if result and verdict.to is State.COMPLETED else "",
                metrics=metrics,
                usage=Usage(**result.usage.model_dump()) if result and result.usage else None,
                entry=EntryPoint(**result.entry.model_dump()) if result and result.entry else None,
                conversions=[Conversion(**one.model_dump()) for one in result.conversions] if result else [],
                files_left_out=list(kept.left_out),
                resolved=result.resolved if result else [],
                built_from_source=result.built_from_source if result else [],
                python=result.python if result else "",
            ).model_dump(exclude_none=True)
        move = self._move(test, test.state, verdict, extra=extra, telling=telling, via=via, result=result)
        # A crash of the database may have lost the launch, and with it where the output is: nobody would read it.
        return replace(move, guard={**move.guard, "task.handle": {"$ne": None}})

    def never_started(self, test: Execution, failure: Failure) -> Move:
        """The move after a launch that failed: to the next attempt, where that may help and there is one."""
        again = failure.retryable and test.attempt < MAX_ATTEMPTS and test.cancel is None
        verdict = Verdict(State.QUEUED if again else State.FAILED, failure)
        return self._move(
            test,
            test.state,
            verdict,
            extra={} if again else dict(_NOTHING_TO_READ),
            telling=[_telling(test, verdict, self._clock.now(), run_ms=None)],
        )

    def _move(
        self,
        test: Execution,
        source: State,
        verdict: Verdict,
        *,
        extra: dict[str, Any],
        telling: Sequence[Event],
        via: State | None = None,
        result: HarnessResult | None = None,
    ) -> Move:
        now = self._clock.now()
        ended = verdict.to is not State.QUEUED
        fields = dict(extra)
        if ended:
            fields["times.finished"] = now
        if ended and verdict.failure is not None:
            agent_error = AgentError(**result.error.model_dump()) if result and result.error else None
            fields["failure"] = FailureDoc.of(verdict.failure, agent_error).model_dump(exclude_none=True)
        return Move(
            test_id=test.id,
            source=source,
            attempt=test.attempt,
            to=verdict.to,
            via=via,
            at=now,
            by="orchestrator",
            reason=f"{verdict.failure.code}: {verdict.failure.message}"[:500] if verdict.failure else "",
            telling=tuple(telling),
            set=fields,
            unset=("lease",) if ended else ("lease", "task.handle", "task.log_source", "logs.until", "times.started"),
            guard={"lease.owner": self._owner},
            traceparent=test.traceparent,
        )


def _telling(test: Execution, verdict: Verdict, now: datetime, *, run_ms: float | None) -> Event:
    ids: dict[str, Any] = {"test_id": test.id, "user_id": test.user_id, "attempt": test.attempt, "at": now}
    failure = verdict.failure
    if failure is None:
        return TestCompleted(run_ms=run_ms, **ids)
    if verdict.to is State.QUEUED:
        return TestRequeued(code=failure.code, message=failure.message, **ids)
    if verdict.to is State.TIMED_OUT:
        return TestTimedOut(message=failure.message, **ids)
    return TestFailed(code=failure.code, stage=failure.stage, message=failure.message, **ids)


def _files_stored(test: Execution, kept: Kept, now: datetime) -> TestFilesStored:
    return TestFilesStored(
        test_id=test.id,
        user_id=test.user_id,
        attempt=test.attempt,
        at=now,
        files=tuple(EventFile(path=file.path, size=file.size, sha256=file.sha256) for file in kept.files),
    )


def _metrics(test: Execution, result: HarnessResult | None, *, total_ms: float) -> Metrics:
    times = test.times
    return Metrics(
        queue_ms=_ms(times.scheduled - times.submitted) if times.scheduled else None,
        build_ms=_ms(times.started - times.build_started) if times.started and times.build_started else None,
        run_ms=result.phases.run_ms if result else None,
        total_ms=total_ms,
        cpu_s=result.cpu_s if result else None,
        peak_memory_bytes=result.peak_memory_bytes if result else None,
    )


def _ms(span: timedelta) -> float:
    return round(span.total_seconds() * 1000, 3)
