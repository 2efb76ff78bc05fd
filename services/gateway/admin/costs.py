"""What tests cost, by day, user, agent or label: counters by day, added up by row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final

from assay.v1 import admin_service_pb2 as pb
from services.gateway.admin.period import Period, period
from services.gateway.admin.usage import check_user
from services.gateway.errors import Violations
from services.gateway.ports import Sums
from services.gateway.translate import api_cost
from shared.clock import Clock
from shared.domain.pricing import Charge
from shared.domain.usage import EVERYBODY, Kind, day
from shared.store.counters import Counter

USUAL: Final = timedelta(days=30)
LONGEST: Final = timedelta(days=366)
MOST_ROWS: Final = 1_000
LONGEST_KEY: Final = 63

_NAME_OF_ROW: Final[dict[int, Callable[[Counter], str]]] = {
    pb.COST_GROUPING_UNSPECIFIED: lambda counter: f"{counter.start:%Y-%m-%d}",
    pb.COST_GROUPING_DAY: lambda counter: f"{counter.start:%Y-%m-%d}",
    pb.COST_GROUPING_USER: lambda counter: counter.user,
    pb.COST_GROUPING_AGENT: lambda counter: counter.key,
    pb.COST_GROUPING_LABEL: lambda counter: counter.key.partition("=")[2],
}
_BY_DAY: Final = frozenset({pb.COST_GROUPING_UNSPECIFIED, pb.COST_GROUPING_DAY})


class CostReport:
    """GetCostReport."""

    def __init__(self, sums: Sums, clock: Clock) -> None:
        self._sums = sums
        self._clock = clock

    async def report(self, request: pb.GetCostReportRequest) -> pb.GetCostReportResponse:
        """Days in order, else the dearest first. Raises InvalidRequest."""
        violations = Violations()
        if request.group_by not in _NAME_OF_ROW:
            violations.add("group_by", "is not a value of CostGrouping")
        by_label = request.group_by == pb.COST_GROUPING_LABEL
        if by_label and not request.label_key:
            violations.add("label_key", "is needed to group by a label")
        if request.label_key and not by_label:
            violations.add("label_key", "goes with group_by LABEL only")
        if len(request.label_key) > LONGEST_KEY or "=" in request.label_key:
            violations.add("label_key", f"must be the key of a label, at most {LONGEST_KEY} characters")
        check_user(request.user_id, violations)
        wanted = period(request, self._clock.now(), USUAL, violations)
        wanted = Period(day(wanted.since), wanted.before)
        if wanted.before - wanted.since > LONGEST + timedelta(days=1):
            violations.add("from_time", f"is more than {LONGEST.days} days before to_time")
        violations.raise_if_any()
        counters = await self._counters(request, wanted)
        rows: dict[str, list[Counter]] = {}
        for counter in counters:
            rows.setdefault(_NAME_OF_ROW[request.group_by](counter), []).append(counter)
        made = [(name, _sum(found)) for name, found in rows.items()]
        if request.group_by not in _BY_DAY:
            made.sort(key=lambda row: (-row[1][1].total, -row[1][0], row[0]))
        return pb.GetCostReportResponse(
            rows=[_row(name, *figures) for name, figures in made[:MOST_ROWS]], total=_row("", *_sum(counters))
        )

    async def _counters(self, request: pb.GetCostReportRequest, wanted: Period) -> list[Counter]:
        user = request.user_id or EVERYBODY
        match request.group_by:
            case pb.COST_GROUPING_USER if not request.user_id:
                return await self._sums.of_users(*wanted)
            case pb.COST_GROUPING_AGENT:
                return await self._sums.steps(Kind.AGENT_DAY, user, *wanted)
            case pb.COST_GROUPING_LABEL:
                found = await self._sums.steps(Kind.LABEL_DAY, user, *wanted)
                return [counter for counter in found if counter.key.partition("=")[0] == request.label_key]
            case _:
                return await self._sums.steps(Kind.DAY, user, *wanted)


def _sum(counters: Iterable[Counter]) -> tuple[int, Charge]:
    tests, parts = 0, [0.0, 0.0, 0.0, 0.0]
    for counter in counters:
        tests += counter.tests
        parts = [have + more for have, more in zip(parts, counter.cost.charge(), strict=True)]
    return tests, Charge(*parts)


def _row(name: str, tests: int, charge: Charge) -> pb.CostRow:
    return pb.CostRow(key=name, test_count=tests, cost=api_cost(charge))
