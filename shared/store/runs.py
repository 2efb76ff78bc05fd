"""How the tests of an agent ended, one by one: what a history in figures shows of each, and nothing else is read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from pymongo import DESCENDING

from shared.domain.failure import FailureCode
from shared.domain.lifecycle import ENDED
from shared.ids import TestId, UserId
from shared.store.connect import Database

_FIELDS: Final = {
    "failure.code": 1,
    "times.submitted": 1,
    "result.metrics.run_ms": 1,
    "result.metrics.peak_memory_bytes": 1,
}
_FAILURES: Final = sorted(code for code in FailureCode if code is not FailureCode.CANCELLED)
_ENDED: Final = sorted(ENDED)


class Run(NamedTuple):
    """A test that has ended. What it never had is empty or None."""

    test_id: TestId
    failure_code: str
    submitted: datetime
    run_ms: float | None
    peak_memory_bytes: int | None


class Runs:
    """The tests of agents that have ended, archived ones included."""

    def __init__(self, database: Database) -> None:
        self._tests = database["executions"]

    async def newest(self, user: UserId, agent_id: str, limit: int) -> list[Run]:
        """At most `limit` of this user's agent, newest first."""
        where = {"user_id": user, "agent_id": agent_id, "state": {"$in": _ENDED}}
        cursor = self._tests.find(where, _FIELDS, hint="user_agent_state").sort("_id", DESCENDING).limit(limit)
        return [_run(found) async for found in cursor]

    async def last_failure(self, user: UserId, agent_id: str) -> Run | None:
        """The newest of this user's agent that failed; to be cancelled is no failure of the agent."""
        where = {"user_id": user, "agent_id": agent_id, "failure.code": {"$in": _FAILURES}, "state": {"$in": _ENDED}}
        found = await self._tests.find_one(where, _FIELDS, sort=[("_id", DESCENDING)], hint="user_agent_failure")
        return _run(found) if found else None


def _run(found: Mapping[str, Any]) -> Run:
    metrics = (found.get("result") or {}).get("metrics") or {}
    return Run(
        found["_id"],
        (found.get("failure") or {}).get("code", ""),
        found["times"]["submitted"],
        metrics.get("run_ms"),
        metrics.get("peak_memory_bytes"),
    )
