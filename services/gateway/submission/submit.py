"""Accepts a test: checks it, stores it with the event that tells of it, answers the same test to the same request."""

from __future__ import annotations

import hashlib

from assay.v1 import test_pb2, test_service_pb2
from services.gateway.archives.intake import Intake
from services.gateway.caller import Caller
from services.gateway.errors import OverLimit, RequestIdTaken, Violations
from services.gateway.metrics import SUBMITTED
from services.gateway.ports import SyntaxCheck, Tests
from services.gateway.submission.handed_in import Files, HandedIn
from services.gateway.submission.quota import Quota
from services.gateway.submission.resources import Defaults
from services.gateway.submission.specification import check_request_id, checked
from shared.clock import Clock
from shared.domain.lifecycle import State
from shared.events.tests import TestSubmitted
from shared.ids import TestId, new_test_id
from shared.store.connect import StoreError
from shared.store.documents import Execution, HistoryEntry, Times


class Submission:
    """SubmitTest."""

    def __init__(
        self, tests: Tests, quota: Quota, intake: Intake, syntax: SyntaxCheck, clock: Clock, defaults: Defaults
    ) -> None:
        self._tests = tests
        self._quota = quota
        self._files = Files(intake)
        self._syntax = syntax
        self._clock = clock
        self._defaults = defaults

    async def submit(self, request: test_service_pb2.SubmitTestRequest, caller: Caller, traceparent: str) -> Execution:
        """The stored test, or with `validate_only` the test as it would be, without an id.

        Raises InvalidRequest with everything that is wrong, UnknownFiles where a digest names no stored files,
        RequestIdTaken where the id names another test, and RateLimited, TooManyPending and StoredTooMuch where the user
        has as much as may be."""
        violations = Violations()
        check_request_id(request.request_id, violations)
        handed_in = await self._files.read(request.spec, caller.user_id, violations)
        spec = checked(request.spec, self._defaults, violations, handed_in)
        if not violations.of(handed_in.field):
            problem = await self._syntax.problem(handed_in.agent_code)
            if problem:
                violations.add(handed_in.field, f"{handed_in.agent_path} {problem}".lstrip())
        violations.raise_if_any()
        test_id = TestId("") if request.validate_only else new_test_id()
        now = self._clock.now()
        execution = Execution(
            id=test_id,
            user_id=caller.user_id,
            agent_id=spec.agent_id,
            agent_name=spec.agent_name,
            labels=spec.labels,
            input=spec.input,
            request_key=request.request_id or test_id,
            request_hash=_hash(request.spec, handed_in) if request.request_id else "",
            history=[HistoryEntry(state=State.SUBMITTED, at=now, by=caller.user_id)],
            times=Times(submitted=now),
            traceparent=traceparent,
        )
        if request.validate_only:
            return execution
        await self._files.keep(handed_in, caller.user_id)
        return await hand_in(self._tests, self._quota, execution, request.request_id)


async def hand_in(tests: Tests, quota: Quota, execution: Execution, request_id: str) -> Execution:
    """Stores a new test and tells of it; the test that is there already where the same was asked for before.

    A request that is repeated uses up no quota, and is answered where there is none left. Raises RequestIdTaken where
    the id names another test, RateLimited and TooManyPending."""
    user, test_id = execution.user_id, execution.id
    telling = TestSubmitted(
        test_id=test_id, user_id=user, at=execution.times.submitted, priority=execution.input.priority
    )
    try:
        await quota.enter(user, test_id, execution.times.submitted)
        stored = await tests.submit(execution, telling)
    except OverLimit:
        known = await tests.of_request(user, request_id) if request_id else None
        if known is None:
            raise
        return _the_same(known, execution, request_id)
    except Exception:
        # Not where the caller went away: his test is stored all the same.
        if await _is_absent(tests, test_id):
            await quota.leave(user, test_id)
        raise
    if not stored.created:
        await quota.leave(user, test_id)
        return _the_same(stored.execution, execution, request_id)
    SUBMITTED.inc()
    return stored.execution


async def _is_absent(tests: Tests, test_id: TestId) -> bool:
    """Whether the test is not stored; False where that cannot be told."""
    try:
        return await tests.get(test_id) is None
    except StoreError:
        return False


def _the_same(known: Execution, asked: Execution, request_id: str) -> Execution:
    if known.request_hash != asked.request_hash:
        raise RequestIdTaken(request_id, known.id)
    return known


def _hash(spec: test_pb2.TestSpec, handed_in: HandedIn) -> str:
    """Names what was asked for, as it was asked for: a default that changes later does not make it another request.

    Files go in by their digest, however they came: archives of the same files differ in their bytes."""
    if handed_in.project is not None or handed_in.inputs is not None:
        asked = test_pb2.TestSpec()
        asked.CopyFrom(spec)
        if handed_in.project is not None:
            asked.project.digest = handed_in.project.ref.digest
        if handed_in.inputs is not None:
            asked.inputs.digest = handed_in.inputs.ref.digest
        spec = asked
    return hashlib.sha256(spec.SerializeToString(deterministic=True)).hexdigest()
