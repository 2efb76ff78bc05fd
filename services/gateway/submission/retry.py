"""Repeats a test: the same configuration, with another query if wanted, as the next link of the test's chain.

A retry of a retry joins the chain of the original. Numbers count over the whole chain; the store has an index that
gives each of them once, whoever else repeats a test of the chain at the same moment.
"""

from __future__ import annotations

import hashlib
from typing import Final

from assay.v1 import test_service_pb2
from services.gateway.archives.intake import Intake
from services.gateway.caller import Caller
from services.gateway.errors import NotInThatState, Violations
from services.gateway.fetch import fetch
from services.gateway.ports import Tests
from services.gateway.submission.quota import Quota
from services.gateway.submission.specification import check_query, check_request_id
from services.gateway.submission.submit import hand_in
from services.gateway.translate import BASIC
from shared.clock import Clock
from shared.domain.lifecycle import ENDED, State
from shared.errors import Unavailable
from shared.ids import new_test_id
from shared.store.documents import Chain, Execution, HistoryEntry, Times
from shared.store.executions import NumberTaken
from shared.store.sealing import unsealed

TRIES: Final = 20
"""So many others may take the next number before us."""


class Retry:
    """RetryTest and GetRetryChain."""

    def __init__(self, tests: Tests, quota: Quota, intake: Intake, clock: Clock) -> None:
        self._tests = tests
        self._quota = quota
        self._intake = intake
        self._clock = clock

    async def retry(self, request: test_service_pb2.RetryTestRequest, caller: Caller, traceparent: str) -> Execution:
        """The new test. Raises InvalidRequest, NoSuchTest, NotInThatState where the test has not ended,
        FilesGone where its files were removed, RequestIdTaken where the id names another test, and RateLimited and
        TooManyPending."""
        violations = Violations()
        check_request_id(request.request_id, violations)
        check_query(request.query, "query", violations)
        violations.raise_if_any()
        before = await fetch(self._tests, caller, request.test_id)
        if before.state not in ENDED:
            raise NotInThatState(
                f"The test is {before.state} and may still pass; wait for its end, or cancel it first.",
                state=before.state,
            )
        await self._intake.keep_on(before)
        for _ in range(TRIES):
            try:
                return await self._submit(before, request, traceparent)
            except NumberTaken:
                continue
        raise Unavailable("Many repeat a test of this chain at once; ask again in a moment.")

    async def chain(self, test_id: str, view: int, caller: Caller) -> list[Execution]:
        """The original and its retries by number, whichever of them `test_id` names. Raises NoSuchTest."""
        test = await fetch(self._tests, caller, test_id)
        original = test.chain.original_test_id if test.chain else test.id
        return await self._tests.chain(original, whole=view != BASIC)

    async def _submit(
        self, before: Execution, request: test_service_pb2.RetryTestRequest, traceparent: str
    ) -> Execution:
        original = before.chain.original_test_id if before.chain else before.id
        test_id, now = new_test_id(), self._clock.now()
        changed = {"query": request.query, "without_query": False} if request.HasField("query") else {}
        execution = Execution(
            id=test_id,
            user_id=before.user_id,  # an admin who repeats a user's test does it for the user
            agent_id=before.agent_id,
            agent_name=before.agent_name,
            labels=before.labels,
            input=unsealed(before).model_copy(update=changed),
            request_key=request.request_id or test_id,
            request_hash=_hash(request) if request.request_id else "",
            history=[HistoryEntry(state=State.SUBMITTED, at=now, by=before.user_id)],
            times=Times(submitted=now),
            chain=Chain(
                original_test_id=original,
                retry_of=before.id,
                retry_number=await self._tests.last_retry(original) + 1,
            ),
            traceparent=traceparent,
        )
        return await hand_in(self._tests, self._quota, execution, request.request_id)


def _hash(request: test_service_pb2.RetryTestRequest) -> str:
    """Names what was asked for; never what a submission with the same request id asked for."""
    asked = test_service_pb2.RetryTestRequest()
    asked.CopyFrom(request)
    asked.ClearField("request_id")
    return hashlib.sha256(b"retry\0" + asked.SerializeToString(deterministic=True)).hexdigest()
