"""Figures over many tests as the SDK gives them: an agent's statistics, usage and cost. Made by report_messages.py."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypedDict

from assay.outcome import Cost, TokenUsage
from assay.plain import plain


class ReportInterval(StrEnum):
    """Length of the steps of a usage report, in UTC."""

    HOUR = "HOUR"
    DAY = "DAY"


class CostGrouping(StrEnum):
    """What the rows of a cost report are."""

    DAY = "DAY"
    USER = "USER"
    AGENT = "AGENT"
    LABEL = "LABEL"


class UsageOptions(TypedDict, total=False):
    """Of which time, in which steps, of whom. Dates may be datetimes or how long ago; whole hours or days in UTC are
    counted.

    since: else 24 hours ago (by hour) or 30 days ago (by day). until: else now. user_id: else everybody.
    """

    since: datetime | timedelta
    until: datetime | timedelta
    interval: ReportInterval | str
    user_id: str


class CostOptions(TypedDict, total=False):
    """Of which time, by what, of whom. Dates may be datetimes or how long ago.

    since: cut to whole days in UTC; else 30 days ago. until: else now. user_id: else everybody.
    label_key: the label whose values are the rows, for `by="label"`.
    """

    since: datetime | timedelta
    until: datetime | timedelta
    by: CostGrouping | str
    label_key: str
    user_id: str


@dataclass(frozen=True, slots=True)
class Durations:
    """A duration over `count` tests. 95 of 100 are at most `p95`."""

    count: int
    mean: timedelta
    p50: timedelta
    p95: timedelta
    min: timedelta
    max: timedelta


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes over `count` tests. 95 of 100 are at most `p95`."""

    count: int
    mean: float
    p50: float
    p95: float
    min: float
    max: float


@dataclass(frozen=True, slots=True)
class AgentComparison:
    """One test by the mean of its agent's other tests: 1.2 is 20 % more. None where there is nothing to compare."""

    test_id: str
    run_ratio: float | None
    build_ratio: float | None
    peak_memory_ratio: float | None


@dataclass(frozen=True, slots=True)
class AgentStats:
    """How the tests of an agent went, `comparison.test_id` left out if there is a comparison.

    `ended` counts tests that ended, cancelled ones left out; `success_rate` is the share of them that passed, 0 to 1.
    What no test has is None. `build` is over the tests that had something to install. With `comparison`, the others of
    the agent: `last_submitted` is None then."""

    agent_id: str
    agent_name: str
    ended: int
    success_rate: float | None
    run: Durations | None
    build: Durations | None
    peak_memory_bytes: Sizes | None
    last_submitted: datetime | None
    comparison: AgentComparison | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON: durations as seconds in fields that end in `_s`."""
        value: dict[str, Any] = plain(self)
        return value


@dataclass(frozen=True, slots=True)
class UsageFigures:
    """Usage in one step of time, which begins at `start`, or in all of it.

    `failed` leaves cancelled tests out. `success_rate`: the share that passed of those that ended and were not
    cancelled, 0 to 1; None where none ended. `wait` is the time in the queue. `tokens`: as far as agents told."""

    start: datetime | None
    submitted: int
    completed: int
    failed: int
    timed_out: int
    cancelled: int
    success_rate: float | None
    run: Durations | None
    wait: Durations | None
    tokens: TokenUsage | None

    @property
    def empty(self) -> bool:
        """True when nothing was submitted and nothing ended."""
        return not (self.submitted or self.completed or self.failed or self.timed_out or self.cancelled)


@dataclass(frozen=True, slots=True)
class Usage:
    """Usage by step, oldest first, empty steps included, and all of it together."""

    steps: tuple[UsageFigures, ...]
    total: UsageFigures

    def to_dict(self) -> dict[str, Any]:
        """For JSON: times as ISO 8601 in UTC, durations as seconds in fields that end in `_s`."""
        value: dict[str, Any] = plain(self)
        return value


@dataclass(frozen=True, slots=True)
class CostRow:
    """What the tests of a day ("2026-01-31"), user, agent or label value cost; None where nothing is charged."""

    key: str
    tests: int
    cost: Cost | None


@dataclass(frozen=True, slots=True)
class CostReport:
    """Days in order, everything else the dearest first; and all of it together."""

    rows: tuple[CostRow, ...]
    total: CostRow

    @property
    def charged(self) -> bool:
        """False where nothing is charged, as in local mode."""
        return any(row.cost is not None and row.cost.total_usd > 0 for row in (self.total, *self.rows))

    def to_dict(self) -> dict[str, Any]:
        """For JSON: US dollars in fields that end in `_usd`."""
        value: dict[str, Any] = plain(self)
        return value
