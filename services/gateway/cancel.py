"""Asks for a test to be stopped.

Who holds the test stops it: the scheduler while it waits, the orchestrator when it has a slot.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final, NamedTuple

from assay.v1 import test_service_pb2
from services.gateway.caller import Caller
from services.gateway.errors import InvalidRequest, Violation
from services.gateway.fetch import fetch
from services.gateway.ports import Tests
from services.gateway.streams.live import Live
from shared.clock import Clock
from shared.domain.lifecycle import ENDED, WAITING
from shared.events.tests import TestCancelRequested
from shared.store.documents import Cancel, Execution

LONGEST_REASON: Final = 500
PATIENCE_S: Final = 1.0
"""How long the answer waits for a waiting test to have left the queue; usually some milliseconds."""

_REMOVED: Final = test_service_pb2.CANCEL_OUTCOME_REMOVED_FROM_QUEUE
_STOPPING: Final = test_service_pb2.CANCEL_OUTCOME_STOPPING
_ENDED: Final = test_service_pb2.CANCEL_OUTCOME_ALREADY_ENDED


class Cancelled(NamedTuple):
    """The test as it stands now, and what the cancellation met."""

    execution: Execution
    outcome: test_service_pb2.CancelOutcome.ValueType


class Cancellation:
    """CancelTest."""

    def __init__(self, tests: Tests, live: Live, clock: Clock, *, patience_s: float = PATIENCE_S) -> None:
        self._tests = tests
        self._live = live
        self._clock = clock
        self._patience_s = patience_s

    async def cancel(self, test_id: str, reason: str, caller: Caller, traceparent: str) -> Cancelled:
        """Harmless when repeated. Raises NoSuchTest."""
        if len(reason) > LONGEST_REASON or "\0" in reason:
            raise InvalidRequest([Violation("reason", f"must be at most {LONGEST_REASON} characters, without NUL")])
        execution = await fetch(self._tests, caller, test_id)
        if execution.state in ENDED:
            return Cancelled(execution, _ENDED)
        async with contextlib.AsyncExitStack() as stack:
            follower = None
            if execution.state in WAITING:
                follower = await stack.enter_async_context(
                    self._live.following(execution.id, execution.user_id, lines=False)
                )
            execution = await self._ask(execution, reason, caller, traceparent)
            if follower is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._patience_s):
                        while execution.state in WAITING:
                            sight = (await follower.news()).sight
                            execution = sight.execution if sight is not None else execution
        return Cancelled(execution, _outcome(execution))

    async def _ask(self, execution: Execution, reason: str, caller: Caller, traceparent: str) -> Execution:
        now = self._clock.now()
        asked = await self._tests.change(
            execution.id,
            where={"state": {"$nin": sorted(ENDED)}, "cancel.requested_at": None},
            set={"cancel": Cancel(requested_at=now, by=caller.user_id, reason=reason).model_dump()},
            telling=[
                TestCancelRequested(
                    test_id=execution.id,
                    user_id=execution.user_id,
                    attempt=execution.attempt,
                    at=now,
                    by=caller.user_id,
                    reason=reason,
                )
            ],
            traceparent=traceparent,
        )
        # It ended meanwhile, or somebody had asked before: either way it is as it stands.
        return asked or await fetch(self._tests, caller, execution.id)


def _outcome(execution: Execution) -> test_service_pb2.CancelOutcome.ValueType:
    if execution.cancel is None:  # it ended before the request was written
        return _ENDED
    # Also a test that is tried again waits: nothing of it runs then.
    last = next(entry.state for entry in reversed(execution.history) if entry.state not in ENDED)
    return _REMOVED if last in WAITING and execution.state in ENDED else _STOPPING
