"""What tests cost, by day, user, agent or label: counters by day, added up by row in the store."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from assay.v1 import admin_service_pb2 as pb
from services.gateway.admin.period import Period, period
from services.gateway.admin.usage import check_user
from services.gateway.errors import Violations
from services.gateway.ports import Sums
from services.gateway.translate import api_cost
from shared.clock import Clock
from shared.domain.usage import day
from shared.store.counters import Grouping, Row

USUAL: Final = timedelta(days=30)
LONGEST: Final = timedelta(days=366)
MOST_ROWS: Final = 1_000
LONGEST_KEY: Final = 63

_GROUPINGS: Final = {
    pb.COST_GROUPING_UNSPECIFIED: Grouping.DAY,
    pb.COST_GROUPING_DAY: Grouping.DAY,
    pb.COST_GROUPING_USER: Grouping.USER,
    pb.COST_GROUPING_AGENT: Grouping.AGENT,
    pb.COST_GROUPING_LABEL: Grouping.LABEL,
}


class CostReport:
    """GetCostReport."""

    def __init__(self, sums: Sums, clock: Clock) -> None:
        self._sums = sums
        self._clock = clock

    async def report(self, request: pb.GetCostReportRequest) -> pb.GetCostReportResponse:
        """Days in order, else the dearest first. Raises InvalidRequest."""
        violations = Violations()
        if request.group_by not in _GROUPINGS:
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
        found = await self._sums.costs(
            _GROUPINGS[request.group_by],
            request.user_id or None,
            *wanted,
            label=request.label_key,
            most=MOST_ROWS,
        )
        return pb.GetCostReportResponse(rows=map(_row, found.rows), total=_row(found.total))


def _row(found: Row) -> pb.CostRow:
    return pb.CostRow(key=found.key, test_count=found.tests, cost=api_cost(found.charge))
