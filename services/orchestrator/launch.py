"""Launches the task of a test that was granted a slot, and takes tasks over from an orchestrator that went away.

The order is what makes a crash harmless: first the intent (with the nonce), then the launch, which is idempotent by
its token, then the handle. A crash between any two of them is healed by doing the rest again.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import structlog

from services.orchestrator.charges import Charge, Charges
from services.orchestrator.contents import Contents
from services.orchestrator.finish import Finish
from services.orchestrator.metrics import ADOPTED, LAUNCH_SECONDS, LAUNCHED
from services.orchestrator.outputs import OutputLimits
from services.orchestrator.ports import Launched, LaunchFailed, LaunchUnsettled, LogLimits, Runtime, TaskSpec, Tests
from services.orchestrator.specification import effective_model, specification
from services.orchestrator.stop import Stop
from shared.clock import Clock
from shared.domain.facets import of_provider
from shared.domain.failure import Failure, FailureCode
from shared.domain.lifecycle import ACTIVE, State
from shared.events.tasks import TaskStarted
from shared.events.tests import TestBuilding
from shared.ids import TestId, UserId, launch_token
from shared.store.documents import Execution, ModelSetting

log = structlog.get_logger()

SOONEST_AGAIN: Final = timedelta(seconds=3)
LATEST_AGAIN: Final = timedelta(seconds=20)


class Launch:
    """From a granted slot to a running task under our care."""

    def __init__(
        self,
        tests: Tests,
        runtime: Runtime,
        charges: Charges,
        finish: Finish,
        stop: Stop,
        clock: Clock,
        *,
        owner: str,
        lease: timedelta,
        start_limit: timedelta,
        contents: Contents,
        output_limits: OutputLimits,
        log_limits: LogLimits | None = None,
        default_model: ModelSetting | None = None,
    ) -> None:
        self._tests = tests
        self._runtime = runtime
        self._charges = charges
        self._finish = finish
        self._stop = stop
        self._clock = clock
        self._owner = owner
        self._lease = lease
        self._start_limit = start_limit
        self._default_model = default_model
        self._contents = contents
        self._output_limits = output_limits
        self._log_limits = log_limits
        self._under_way: set[tuple[TestId, int]] = set()

    @property
    def under_way(self) -> set[TestId]:
        """Tests whose launch has begun here and not ended: their leases are renewed, too."""
        return {test_id for test_id, _ in self._under_way}

    async def begin(self, test_id: TestId, user_id: UserId, attempt: int, traceparent: str) -> bool:
        """Launches this attempt, or goes on with a launch of ours that broke; False where somebody looks after it."""
        now = self._clock.now()
        intent: dict[str, Any] = {
            "lease": {"owner": self._owner, "until": now + self._lease},
            "task.runtime": self._runtime.name,
            "task.launch_token": launch_token(test_id, attempt),
            "task.nonce": secrets.token_hex(16),
            "times.build_started": now,
        }
        test = await self._tests.change(
            test_id,
            where={"state": State.BUILDING, "attempt": attempt, "lease": None},
            set=intent,
            telling=[
                TestBuilding(test_id=test_id, user_id=user_id, attempt=attempt, at=now, runtime=self._runtime.name)
            ],
            traceparent=traceparent,
        )
        if test is None:
            # The store went away between our intent and the record of the launch, and this is the event once more.
            return not self._has(test_id, attempt) and await self.adopt(test_id, also_own=True)
        await self._launch(test)
        return True

    async def adopt(self, test_id: TestId, *, also_own: bool = False) -> bool:
        """Takes a task over whose lease ran out (or is our own, from before a restart); False where there is none."""
        now = self._clock.now()
        lapsed: dict[str, Any] = {"lease.until": {"$lt": now}}
        test = await self._tests.change(
            test_id,
            where={
                "state": {"$in": sorted(ACTIVE)},
                **({"$or": [lapsed, {"lease.owner": self._owner}]} if also_own else lapsed),
            },
            set={"lease": {"owner": self._owner, "until": now + self._lease}},
        )
        if test is None or self._has(test_id, test.attempt):
            return False  # ours all the time, only that we were too slow to say so
        ADOPTED.inc()
        log.info("task_adopted", test_id=test_id, attempt=test.attempt, launched=bool(test.task and test.task.handle))
        if test.task is not None and test.task.handle is not None:
            await self._look_after(test)
        else:
            await self._launch(test, repeated=True)
        return True

    def _has(self, test_id: TestId, attempt: int) -> bool:
        return self._charges.of_test(test_id, attempt) is not None or (test_id, attempt) in self._under_way

    async def _launch(self, test: Execution, *, repeated: bool = False) -> None:
        """Launches. `repeated` says that somebody may have done so before, and died before it was written down."""
        assert test.task is not None
        if test.cancel is not None:
            if repeated:
                await self._stop.end(self._runtime.handle_of(self._spec(test, repeated=True)))
            await self._finish.never_started(
                test, Failure.of(FailureCode.CANCELLED, "Cancelled before it was launched.")
            )
            return
        if test.input.sealed is not None:
            await self._leave(test, test.input.sealed.key)
            return
        if test.input.secret_refs and not self._runtime.gives_secrets:
            message = f"The {self._runtime.name} runtime has no secret store."
            await self._finish.never_started(test, Failure.of(FailureCode.CREDENTIALS_INVALID, message))
            return
        self._under_way.add((test.id, test.attempt))
        try:
            launched = await self._ask(test, repeated=repeated)
            if launched is not None:
                await self._record(test, launched)
        finally:
            self._under_way.discard((test.id, test.attempt))

    async def _leave(self, test: Execution, key: str) -> None:
        """Lets the lease run out: another orchestrator may have the key, or this one gets it back. However long that
        takes, the test waits in its slot and does not fail: nothing was tried."""
        waited = self._clock.now() - (test.times.build_started or self._clock.now())
        log.error("launch_waits_for_key", test_id=test.id, attempt=test.attempt, key=key)
        await self._tests.renew([test.id], self._owner, self._clock.now() + pause_before_again(waited))

    def _spec(self, test: Execution, *, repeated: bool) -> TaskSpec:
        return specification(
            test,
            default_model=self._default_model,
            limits=self._output_limits,
            log_limits=self._log_limits,
            repeated=repeated,
        )

    async def _with_contents(self, spec: TaskSpec) -> TaskSpec:
        if not (spec.project or spec.inputs):
            return spec
        return replace(spec, contents=await self._contents.of(spec))

    async def _ask(self, test: Execution, *, repeated: bool) -> Launched | None:
        """Launches; None where that failed and the attempt has ended with it, or where it is to be done again."""
        try:
            if test.task and test.task.abandoned is not None:
                await self._stop.end(test.task.abandoned)
            with LAUNCH_SECONDS.time():
                spec = await self._with_contents(self._spec(test, repeated=repeated))
                launched = await self._runtime.launch(spec)
        except LaunchFailed as error:
            log.warning("launch_failed", test_id=test.id, attempt=test.attempt, code=error.code, error=str(error))
            await self._finish.never_started(test, Failure.of(error.code, str(error)))
            return None
        except LaunchUnsettled as error:
            await self._again(test, error)
            return None
        except Exception as error:
            log.error("launch_broke", test_id=test.id, attempt=test.attempt, exc_info=error)
            await self._finish.never_started(test, Failure.of(FailureCode.TASK_START_FAILED, f"{error!r}"))
            return None
        LAUNCHED.labels(self._runtime.name).inc()
        return launched

    async def _again(self, test: Execution, error: LaunchUnsettled) -> None:
        """Lets the lease run out in a moment: then the sweep, ours or another orchestrator's, makes the launch again.

        To end the attempt instead would use up all three within seconds, or leave a task that runs beside the next
        one's. Gives up at the start limit."""
        now = self._clock.now()
        began = test.times.build_started or now
        if now - began < self._start_limit:
            pause = pause_before_again(now - began)
            log.warning("launch_unsettled", test_id=test.id, code=error.code, error=str(error), again_in=str(pause))
            await self._tests.renew([test.id], self._owner, now + pause)
            return
        log.error("launch_given_up", test_id=test.id, attempt=test.attempt, code=error.code, error=str(error))
        await self._stop.end(self._runtime.handle_of(self._spec(test, repeated=True)))
        await self._finish.never_started(test, Failure.of(error.code, str(error)))

    async def _record(self, test: Execution, launched: Launched) -> None:
        now = self._clock.now()
        model = effective_model(test.input.model, self._default_model)
        stored = await self._tests.change(
            test.id,
            where={"attempt": test.attempt, "lease.owner": self._owner},
            set={
                # What the operator added: a retry and a package are about what was tested.
                **({"input.model": model.model_dump()} if model and model != test.input.model else {}),
                "task.handle": dict(launched.handle),
                "task.log_source": dict(launched.log_source),
                "times.deadline": now + self._start_limit + timedelta(seconds=test.input.timeout_s),
                "logs.until": now,  # nobody reads it yet
                "logs.follower": "",
                "logs.ended": False,
                "logs.complete": False,
            },
            unset=("task.abandoned",),
            facets=[of_provider(model.provider)] if model and model != test.input.model else [],
            telling=[
                TaskStarted(
                    test_id=test.id,
                    user_id=test.user_id,
                    attempt=test.attempt,
                    at=now,
                    runtime=self._runtime.name,
                    log_source=dict(launched.log_source),
                )
            ],
            traceparent=test.traceparent,
            brief=True,
            durable=False,  # lost, it is found again by the token
        )
        if stored is None:
            await self._forsake(test, launched)
        else:
            await self._look_after(stored)

    async def _forsake(self, test: Execution, launched: Launched) -> None:
        """Our lease ran out meanwhile. Whoever has this attempt now finds the task by its token; where the attempt is
        over, nobody would."""
        log.warning("launched_for_somebody_else", test_id=test.id, attempt=test.attempt)
        now = await self._tests.get(test.id)
        if now is None or now.attempt != test.attempt or now.state not in ACTIVE:
            await self._stop.end(launched.handle)

    async def _look_after(self, test: Execution) -> None:
        assert test.task is not None
        assert test.task.handle is not None
        charge = Charge(
            test=test,
            handle=test.task.handle,
            deadline=test.times.deadline or self._clock.now() + self._start_limit,
        )
        self._charges.take(charge)
        if test.cancel is not None:
            await self._stop.cancel(charge)
        await self._finish.look([charge])  # it may have ended before we began to watch


def pause_before_again(since_begun: timedelta) -> timedelta:
    """How long to wait before a launch that did not settle is made again: longer the longer it has not."""
    return min(max(since_begun / 4, SOONEST_AGAIN), LATEST_AGAIN)
