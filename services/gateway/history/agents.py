"""ListAgents: the agents of a user, or of everybody, with their figures and newest runs."""

from __future__ import annotations

import asyncio
import struct
from datetime import UTC, datetime, timedelta
from typing import Final

from assay.v1 import test_service_pb2 as pb
from services.gateway.caller import Caller
from services.gateway.errors import Violations
from services.gateway.history.agentstats import api_stats
from services.gateway.history.scope import check_user_id, scope
from services.gateway.paging import ENTRIES, foreign, sealed, unsealed
from services.gateway.ports import AgentRuns, Sums
from services.gateway.translate import STATES, duration, timestamp
from shared.domain.failure import FailureCode
from shared.domain.lifecycle import State
from shared.ids import UserId
from shared.store.counters import AgentPlace, Counter
from shared.store.runs import Run

MOST_RUNS: Final = 100
AT_ONCE: Final = 8
"""Agents whose runs are read at the same time."""
_WHEN: Final = struct.Struct(">q")
_MS: Final = timedelta(milliseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def ended_as(failure_code: str) -> State:
    """How a test ended, also where it was archived since."""
    if not failure_code:
        return State.COMPLETED
    return State.TIMED_OUT if failure_code == FailureCode.TIMED_OUT else State.FAILED


class Agents:
    """The agents that have tests. One is known by its id and its user: two users may have one of the same name."""

    def __init__(self, sums: Sums, runs: AgentRuns) -> None:
        self._sums = sums
        self._runs = runs

    async def page(self, request: pb.ListAgentsRequest, caller: Caller) -> pb.ListAgentsResponse:
        """The one with the newest test first. Raises InvalidRequest, Forbidden."""
        user = _user(request, caller)
        seal = f"agents\0{user or ''}".encode()
        size = ENTRIES.of(request.page_size)
        found = await self._sums.agents(user, _place(unsealed(request.page_token, seal)), size + 1)
        turns = asyncio.Semaphore(AT_ONCE)
        agents = await asyncio.gather(*(self._agent(counter, request.runs, turns) for counter in found[:size]))
        return pb.ListAgentsResponse(
            agents=agents, next_page_token=sealed(seal, _noted(found[size - 1])) if len(found) > size else ""
        )

    async def _agent(self, counter: Counter, runs: int, turns: asyncio.Semaphore) -> pb.Agent:
        user = UserId(counter.user)
        async with turns:
            newest = await self._runs.newest(user, counter.key, runs) if runs else []
            # Those that were read may tell already; a failure that is older has to be looked for.
            failure = next((run for run in newest if _failed(run)), None)
            if failure is None and (counter.failed or counter.timed_out):
                failure = await self._runs.last_failure(user, counter.key)
        return pb.Agent(
            stats=api_stats(counter),
            last_failure=_message(failure) if failure else None,
            runs=[_message(run) for run in newest],
            user_id=counter.user,
        )


def _failed(run: Run) -> bool:
    return run.failure_code not in {"", FailureCode.CANCELLED}


def _message(run: Run) -> pb.AgentRun:
    return pb.AgentRun(
        test_id=run.test_id,
        state=STATES[ended_as(run.failure_code)],
        failure_code=run.failure_code,
        submit_time=timestamp(run.submitted),
        run_duration=None if run.run_ms is None else duration(run.run_ms / 1000),
        peak_memory_bytes=run.peak_memory_bytes or 0,
    )


def _user(request: pb.ListAgentsRequest, caller: Caller) -> UserId | None:
    """Whose agents are meant; None: everybody's."""
    violations = Violations()
    ENTRIES.check(request.page_size, violations)
    if not 0 <= request.runs <= MOST_RUNS:
        violations.add("runs", f"must be from 0 to {MOST_RUNS}")
    check_user_id(request.user_id, "user_id", violations)
    violations.raise_if_any()
    return scope(request.user_id, caller, "agents")


def _noted(counter: Counter) -> bytes:
    return _WHEN.pack(((counter.last_submitted or _EPOCH) - _EPOCH) // _MS) + f"{counter.user}\0{counter.key}".encode()


def _place(noted: bytes | None) -> AgentPlace | None:
    if noted is None:
        return None
    try:
        (when,) = _WHEN.unpack(noted[: _WHEN.size])
        user, agent_id = noted[_WHEN.size :].decode().split("\0", 1)
        return AgentPlace(_EPOCH + when * _MS, user, agent_id)
    except (struct.error, ValueError, OverflowError):
        raise foreign() from None
