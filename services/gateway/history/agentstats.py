"""How the tests of an agent went so far, and one of them against the others."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from assay.v1 import test_service_pb2 as pb
from services.gateway.caller import Caller
from services.gateway.errors import InvalidRequest, NoSuchAgent, Violation, Violations
from services.gateway.fetch import fetch
from services.gateway.figures import api_distribution
from services.gateway.history.scope import check_user_id, scope
from services.gateway.ports import Past, Sums, Tests
from services.gateway.translate import timestamp
from shared.domain.distribution import Distribution
from shared.domain.failure import FailureCode
from shared.domain.lifecycle import ENDED
from shared.domain.usage import EVERYBODY
from shared.ids import UserId
from shared.store.counters import Counter
from shared.store.documents import Execution
from shared.store.listing import Order, Wanted

_MS: Final = 0.001
_OUTCOMES: Final = {
    None: "completed",
    FailureCode.TIMED_OUT: "timed_out",
    FailureCode.CANCELLED: "cancelled",  # which says nothing of the agent
}


class AgentStats:
    """GetAgentStats. An agent is known by its id and its user: two users may have one of the same name."""

    def __init__(self, tests: Tests, past: Past, sums: Sums) -> None:
        self._tests = tests
        self._past = past
        self._sums = sums

    async def stats(self, request: pb.GetAgentStatsRequest, caller: Caller) -> pb.GetAgentStatsResponse:
        """The agent of `agent_id` or of the test, without the test. Raises InvalidRequest, Forbidden, NoSuchTest,
        NoSuchAgent."""
        if not request.agent_id and not request.test_id:
            raise InvalidRequest([Violation("agent_id", "is empty; name an agent, or a test of it")])
        violations = Violations()
        check_user_id(request.user_id, "user_id", violations)
        violations.raise_if_any()
        owner = scope(request.user_id, caller, "agents")
        test = await fetch(self._tests, caller, request.test_id) if request.test_id else None
        agent_id = request.agent_id or (test.agent_id if test else "")
        if test is not None and test.agent_id != agent_id:
            raise InvalidRequest([Violation("test_id", f"is a test of the agent {test.agent_id!r}, not of this one")])
        if test is not None and owner not in {None, test.user_id}:
            raise InvalidRequest([Violation("test_id", f"is a test of another user than {owner!r}")])
        user = test.user_id if test else (owner or EVERYBODY)
        found, includes_test = await self._sums.agent(user, agent_id, test.id if test else None)
        if found is None:
            return await self._not_counted(agent_id, test, owner)
        if test is None:
            return pb.GetAgentStatsResponse(stats=api_stats(found))
        run, build, memory = (
            spread.distribution() for spread in (found.run_ms, found.build_ms, found.peak_memory_bytes)
        )
        counted = {"completed": found.completed, "failed": found.failed, "timed_out": found.timed_out}
        if includes_test and test.state not in ENDED:  # it has ended since it was read
            test = await fetch(self._tests, caller, test.id)
        mine = _Figures(test)
        if includes_test and mine.outcome in counted:
            counted[mine.outcome] -= 1
            run, build, memory = mine.taken_out_of(run, build, memory)
        return pb.GetAgentStatsResponse(
            stats=_stats(found, counted, run, build, memory, newest=None),  # it may be the test itself
            comparison=pb.AgentComparison(
                test_id=test.id,
                run_ratio=_ratio(mine.run_ms, run),
                build_ratio=_ratio(mine.build_ms, build),
                peak_memory_ratio=_ratio(mine.memory, memory),
            ),
        )

    async def _not_counted(
        self, agent_id: str, test: Execution | None, owner: UserId | None
    ) -> pb.GetAgentStatsResponse:
        """Counted a moment after it was handed in: the first test of an agent has no others yet."""
        first = test
        if first is None:
            wanted = Wanted(owner, agent_id=agent_id)
            tests = (await self._past.page(wanted, Order.NEWEST, None, 1)).tests
            if not tests:
                raise NoSuchAgent(agent_id)
            (first,) = tests
        return pb.GetAgentStatsResponse(
            stats=pb.AgentStats(
                agent_id=agent_id,
                agent_name=first.agent_name,
                last_submit_time=timestamp(first.times.submitted) if test is None else None,
            ),
            comparison=pb.AgentComparison(test_id=test.id) if test else None,
        )


class _Figures:
    """What the test itself has added to the counters, by the rules of `domain.usage`."""

    def __init__(self, test: Execution) -> None:
        metrics = test.result.metrics if test.result else None
        code = test.failure.code if test.failure else None
        self.outcome = _OUTCOMES.get(code, "failed")
        self.run_ms = metrics.run_ms if metrics else None
        self.build_ms = metrics.build_ms if metrics and test.input.requirements else None
        self.memory = metrics.peak_memory_bytes if metrics else None

    def taken_out_of(
        self, run: Distribution, build: Distribution, memory: Distribution
    ) -> tuple[Distribution, Distribution, Distribution]:
        return (
            run if self.run_ms is None else run.without(self.run_ms),
            build if self.build_ms is None else build.without(self.build_ms),
            memory if self.memory is None else memory.without(self.memory),
        )


def api_stats(found: Counter) -> pb.AgentStats:
    """All tests of an agent."""
    counted = {"completed": found.completed, "failed": found.failed, "timed_out": found.timed_out}
    spreads = (found.run_ms, found.build_ms, found.peak_memory_bytes)
    run, build, memory = (spread.distribution() for spread in spreads)
    return _stats(found, counted, run, build, memory, newest=found.last_submitted)


def _stats(
    found: Counter,
    counted: dict[str, int],
    run: Distribution,
    build: Distribution,
    memory: Distribution,
    *,
    newest: datetime | None,
) -> pb.AgentStats:
    ended = sum(counted.values())
    return pb.AgentStats(
        agent_id=found.key,
        agent_name=found.agent_name,
        ended_count=ended,
        success_rate=counted["completed"] / ended if ended else 0.0,
        run_seconds=api_distribution(run, unit=_MS),
        build_seconds=api_distribution(build, unit=_MS),
        peak_memory_bytes=api_distribution(memory),
        last_submit_time=timestamp(newest),
    )


def _ratio(value: float | None, others: Distribution) -> float | None:
    """The value by the mean of the others; None without either."""
    if value is None or others.count <= 0 or others.mean <= 0:
        return None
    return value / others.mean
