"""Accepts a test: checks it, stores it with the event that tells of it, answers the same test to the same request."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import structlog

from assay.v1 import test_pb2, test_service_pb2
from services.gateway.archives.intake import Intake
from services.gateway.caller import Caller
from services.gateway.errors import OverLimit, RequestIdTaken, Violations
from services.gateway.metrics import SUBMITTED
from services.gateway.ports import Tests
from services.gateway.submission.code import SyntaxCheck
from services.gateway.submission.finding import Finding, Severity
from services.gateway.submission.findings import by_severity, findings_of
from services.gateway.submission.found_requirements import found_requirements
from services.gateway.submission.handed_in import LONE_FILE, Files, HandedIn
from services.gateway.submission.other_files import problems_of
from services.gateway.submission.quota import Quota
from services.gateway.submission.resources import Defaults
from services.gateway.submission.specification import Specification, check_request_id, checked
from shared.clock import Clock
from shared.domain.lifecycle import State
from shared.events.tests import TestSubmitted
from shared.ids import TestId, new_test_id
from shared.store.connect import StoreError
from shared.store.documents import Execution, HistoryEntry, Times
from shared.store.sealing import unsealed

log = structlog.get_logger()


class Accepted(NamedTuple):
    """The test, and what was noticed about it without running it."""

    execution: Execution
    findings: list[Finding]


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

    async def submit(self, request: test_service_pb2.SubmitTestRequest, caller: Caller, traceparent: str) -> Accepted:
        """The stored test, or with `validate_only` the test as it would be, without an id. What was noticed is an error
        only there: who hands a test in has it run.

        Raises InvalidRequest with everything that is wrong, UnknownFiles where a digest names no stored files,
        RequestIdTaken where the id names another test, and RateLimited, TooManyPending and StoredTooMuch where the user
        has as much as may be."""
        violations = Violations()
        check_request_id(request.request_id, violations)
        handed_in = await self._files.read(request.spec, caller.user_id, violations)
        spec = checked(request.spec, self._defaults, violations, handed_in)
        spec, findings = await self._looked_at(spec, request.spec, handed_in, violations)
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
            others = await problems_of(handed_in.sources, handed_in.agent_path, self._syntax)
            return Accepted(execution, by_severity([*findings, *others]))
        await self._files.store(handed_in, caller.user_id)
        stored = await hand_in(self._tests, self._quota, execution, request.request_id)
        try:
            await self._files.keep(handed_in, caller.user_id)
        except StoreError as error:  # the test is accepted, and its files are there for a day
            log.warning("files_not_kept", test_id=stored.id, error=repr(error))
        return Accepted(stored, [_as_warning(finding) for finding in findings])

    async def _looked_at(
        self, spec: Specification, given: test_pb2.TestSpec, handed_in: HandedIn, violations: Violations
    ) -> tuple[Specification, list[Finding]]:
        """The specification with the requirements that the files name where none were handed in, and the findings."""
        if violations.of(handed_in.field):  # the code may not be what was meant
            return spec, []
        looked = await self._syntax.look(handed_in.agent_code)
        if looked.problem:
            violations.add(handed_in.field, f"{handed_in.agent_path} {looked.problem}".lstrip())
            return spec, []
        noticed: list[Finding] = []
        if not given.requirements:
            path = handed_in.agent_path or LONE_FILE
            found = await found_requirements(handed_in.agent_code, path, handed_in.sources, self._syntax)
            for problem in found.problems:
                violations.add(handed_in.field, problem)
            noticed = found.findings
            spec = spec._replace(input=spec.input.model_copy(update={"requirements": found.requirements}))
        return spec, by_severity([*findings_of(spec.input, looked.facts, handed_in.sources), *noticed])


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


def _as_warning(finding: Finding) -> Finding:
    return finding._replace(severity=Severity.WARNING) if finding.severity is Severity.ERROR else finding


def _the_same(known: Execution, asked: Execution, request_id: str) -> Execution:
    unsealed(known)
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
