"""Accepts a test: checks it, stores it with the event that tells of it, answers the same test to the same request."""

from __future__ import annotations

import hashlib

from assay.v1 import test_service_pb2
from services.gateway.caller import Caller
from services.gateway.errors import RequestIdTaken, Violations
from services.gateway.metrics import SUBMITTED
from services.gateway.ports import SyntaxCheck, Tests
from services.gateway.resources import Defaults
from services.gateway.specification import check_request_id, checked
from shared.clock import Clock
from shared.domain.lifecycle import State
from shared.events.tests import TestSubmitted
from shared.ids import TestId, new_test_id
from shared.store.documents import Execution, HistoryEntry, Times


class Submission:
    """SubmitTest."""

    def __init__(self, tests: Tests, syntax: SyntaxCheck, clock: Clock, defaults: Defaults) -> None:
        self._tests = tests
        self._syntax = syntax
        self._clock = clock
        self._defaults = defaults

    async def submit(self, request: test_service_pb2.SubmitTestRequest, caller: Caller, traceparent: str) -> Execution:
        """The stored test, or with `validate_only` the test as it would be, without an id.

        Raises InvalidRequest with everything that is wrong, and RequestIdTaken where the id names another test."""
        violations = Violations()
        check_request_id(request.request_id, violations)
        spec = checked(request.spec, self._defaults, violations)
        if not any(bad.field == "spec.agent_code" for bad in violations.found):
            problem = await self._syntax.problem(request.spec.agent_code)
            if problem:
                violations.add("spec.agent_code", problem)
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
            request_hash=_hash(request) if request.request_id else "",
            history=[HistoryEntry(state=State.SUBMITTED, at=now, by=caller.user_id)],
            times=Times(submitted=now),
            traceparent=traceparent,
        )
        if request.validate_only:
            return execution
        return await hand_in(self._tests, execution, request.request_id)


async def hand_in(tests: Tests, execution: Execution, request_id: str) -> Execution:
    """Stores a new test and tells of it; the test that is there already where the same was asked for before.

    Raises RequestIdTaken where the id names another test."""
    telling = TestSubmitted(
        test_id=execution.id,
        user_id=execution.user_id,
        at=execution.times.submitted,
        priority=execution.input.priority,
    )
    stored = await tests.submit(execution, telling)
    if stored.created:
        SUBMITTED.inc()
    elif stored.execution.request_hash != execution.request_hash:
        raise RequestIdTaken(request_id, stored.execution.id)
    return stored.execution


def _hash(request: test_service_pb2.SubmitTestRequest) -> str:
    """Names what was asked for, as it was asked for: a default that changes later does not make it another request."""
    return hashlib.sha256(request.spec.SerializeToString(deterministic=True)).hexdigest()
