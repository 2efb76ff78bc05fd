"""Usage by hour and day: counters as they lie there, added up for the total."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import reduce
from typing import Final

from assay.v1 import admin_service_pb2 as pb
from assay.v1 import test_pb2
from services.gateway.admin.period import Period, period
from services.gateway.errors import Violations
from services.gateway.figures import api_distribution
from services.gateway.ports import Sums
from services.gateway.translate import timestamp
from shared.clock import Clock
from shared.domain.distribution import Distribution
from shared.domain.usage import EVERYBODY, Kind, day, hour
from shared.ids import USER_ID
from shared.store.counters import Counter

MOST_STEPS: Final = 1_000
_MS: Final = 0.001
_STEPS: Final = {
    pb.REPORT_INTERVAL_UNSPECIFIED: (Kind.DAY, timedelta(days=1), timedelta(days=30)),
    pb.REPORT_INTERVAL_DAY: (Kind.DAY, timedelta(days=1), timedelta(days=30)),
    pb.REPORT_INTERVAL_HOUR: (Kind.HOUR, timedelta(hours=1), timedelta(hours=24)),
}


class UsageReport:
    """GetUsage, and the figures of GetSystemHealth."""

    def __init__(self, sums: Sums, clock: Clock) -> None:
        self._sums = sums
        self._clock = clock

    async def report(self, request: pb.GetUsageRequest) -> pb.GetUsageResponse:
        """One step for each hour or day, empty ones included. Raises InvalidRequest."""
        violations = Violations()
        if request.interval not in _STEPS:
            violations.add("interval", "is not a value of ReportInterval")
        kind, step, usual = _STEPS.get(request.interval, _STEPS[pb.REPORT_INTERVAL_DAY])
        check_user(request.user_id, violations)
        wanted = period(request, self._clock.now(), usual, violations)
        since = (hour if kind is Kind.HOUR else day)(wanted.since)
        if (wanted.before - since) / step > MOST_STEPS:
            violations.add("from_time", f"gives more than {MOST_STEPS} steps; ask for less time or for longer steps")
        violations.raise_if_any()
        found = await self._sums.steps(kind, request.user_id or EVERYBODY, since, wanted.before)
        by_start = {counter.start: counter for counter in found}
        starts = _starts(Period(since, wanted.before), step)
        return pb.GetUsageResponse(
            steps=[_figures(start, [by_start[start]] if start in by_start else []) for start in starts],
            total=_figures(since, found),
        )

    async def last_hour(self) -> pb.UsageFigures:
        """What everybody did since the beginning of the hour before this one: one hour to two."""
        now = self._clock.now()
        since = hour(now) - timedelta(hours=1)
        return _figures(since, await self._sums.steps(Kind.HOUR, EVERYBODY, since, now))


def check_user(user_id: str, violations: Violations) -> None:
    """Empty, or what a user id looks like."""
    if user_id and not USER_ID.fullmatch(user_id):
        violations.add("user_id", "must be 1 to 64 letters, digits, _ and -")


def _starts(wanted: Period, step: timedelta) -> Iterable[datetime]:
    steps = math.ceil((wanted.before - wanted.since) / step)
    return (wanted.since + number * step for number in range(steps))  # none beyond the last: time may end there


def _figures(start: datetime, counters: list[Counter]) -> pb.UsageFigures:
    completed, failed, timed_out = (
        sum(getattr(counter, name) for counter in counters) for name in ("completed", "failed", "timed_out")
    )
    ended = completed + failed + timed_out
    tokens_in = sum(counter.input_tokens for counter in counters)
    tokens_out = sum(counter.output_tokens for counter in counters)
    none = Distribution()
    return pb.UsageFigures(
        start_time=timestamp(start),
        submitted_count=sum(counter.submitted for counter in counters),
        completed_count=completed,
        failed_count=failed,
        timed_out_count=timed_out,
        cancelled_count=sum(counter.cancelled for counter in counters),
        success_rate=completed / ended if ended else None,
        run_seconds=api_distribution(
            reduce(Distribution.plus, (counter.run_ms.distribution() for counter in counters), none), unit=_MS
        ),
        queue_seconds=api_distribution(
            reduce(Distribution.plus, (counter.queue_ms.distribution() for counter in counters), none), unit=_MS
        ),
        usage=test_pb2.TokenUsage(input_tokens=tokens_in, output_tokens=tokens_out)
        if tokens_in or tokens_out
        else None,
    )
