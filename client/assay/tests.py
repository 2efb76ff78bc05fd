"""A test as the SDK gives it: frozen values with Python's own types for time, made from the API's messages.

Owns names and meaning of the fields; knows nothing of connections or of how the messages look (translate.py does).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from assay.files import TestFile
from assay.findings import Finding
from assay.outcome import Cost, Failure, Result
from assay.plain import plain
from assay.specification import TestSpec


class TestState(StrEnum):
    """Where a test stands."""

    __test__ = False  # not a test class, whatever pytest makes of the name

    UNKNOWN = "UNKNOWN"  # a state that this version of the SDK does not know
    SUBMITTED = "SUBMITTED"
    QUEUED = "QUEUED"
    BUILDING = "BUILDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ARCHIVED = "ARCHIVED"

    @property
    def ended(self) -> bool:
        return self in _ENDED

    @property
    def waiting(self) -> bool:
        return self in (TestState.SUBMITTED, TestState.QUEUED)


_ENDED = frozenset({TestState.COMPLETED, TestState.FAILED, TestState.TIMED_OUT, TestState.ARCHIVED})


class TestOrder(StrEnum):
    """Order of a list of tests."""

    __test__ = False

    NEWEST = "NEWEST"
    OLDEST = "OLDEST"
    STATE = "STATE"
    RUN_TIME = "RUN_TIME"


class WatchEvent(StrEnum):
    """Why an update was sent."""

    UNKNOWN = "UNKNOWN"
    CURRENT = "CURRENT"
    STATE_CHANGED = "STATE_CHANGED"
    QUEUE_MOVED = "QUEUE_MOVED"
    CANCEL_REQUESTED = "CANCEL_REQUESTED"


class CancelOutcome(StrEnum):
    """What a cancellation met."""

    UNKNOWN = "UNKNOWN"
    REMOVED_FROM_QUEUE = "REMOVED_FROM_QUEUE"
    STOPPING = "STOPPING"
    ALREADY_ENDED = "ALREADY_ENDED"


@dataclass(frozen=True, slots=True)
class TestTimes:
    """When things happened, in UTC; None for what has not happened (yet)."""

    __test__ = False

    submitted: datetime | None = None
    queued: datetime | None = None
    scheduled: datetime | None = None
    build_started: datetime | None = None
    run_started: datetime | None = None
    ended: datetime | None = None
    archived: datetime | None = None
    deadline: datetime | None = None


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """The container or process that a test ran in."""

    runtime: str
    task_id: str
    exit_code: int | None
    stop_reason: str


@dataclass(frozen=True, slots=True)
class RetryLink:
    """The place of a test among its retries."""

    original_test_id: str
    retry_of: str
    retry_number: int


@dataclass(frozen=True, slots=True)
class Cancellation:
    """That somebody wants the test stopped."""

    requested: datetime | None
    requested_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class LogSummary:
    """What is known about the output without reading it."""

    lines: int = 0
    bytes: int = 0
    ended: bool = False
    complete: bool = False
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """Place of a waiting test; 1 is next."""

    position: int
    estimated_wait: timedelta | None


@dataclass(frozen=True, slots=True)
class StateChange:
    """One move of a test from state to state."""

    state: TestState
    time: datetime | None
    attempt: int
    moved_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Test:
    """A test: what was asked for, where it stands, what came of it."""

    __test__ = False

    id: str
    user_id: str
    spec: TestSpec
    state: TestState
    attempt: int = 0
    failure: Failure | None = None
    times: TestTimes = field(default_factory=TestTimes)
    result: Result | None = None
    task: TaskInfo | None = None
    retry: RetryLink | None = None
    cancellation: Cancellation | None = None
    logs: LogSummary = field(default_factory=LogSummary)
    package_id: str = ""
    queue_place: QueuePlace | None = None
    history: tuple[StateChange, ...] = ()
    cost: Cost | None = None
    """Known a moment after the end, where anything is charged."""
    project_files: tuple[TestFile, ...] = ()
    input_files: tuple[TestFile, ...] = ()
    output_files: tuple[TestFile, ...] = ()
    files_expire: datetime | None = None
    """When the content of `output_files` is removed."""
    findings: tuple[Finding, ...] = ()
    """What was noticed without running it: in the answer to a submission only."""

    @property
    def ended(self) -> bool:
        """True when nothing more will happen to it."""
        return self.state.ended

    @property
    def passed(self) -> bool:
        """True when the agent answered."""
        return self.state is TestState.COMPLETED or (
            self.state is TestState.ARCHIVED and self.result is not None and self.result.success
        )

    @property
    def response(self) -> Any:
        """The answer of the agent; None when there is none."""
        return self.result.response if self.result else None

    @property
    def files(self) -> tuple[TestFile, ...]:
        """Of its project, its inputs, and what the agent left in /work/out."""
        return (*self.project_files, *self.input_files, *self.output_files)

    @property
    def standing(self) -> tuple[object, ...]:
        """What makes one update of a watch differ from the one before."""
        return self.state, self.attempt, self.queue_place, self.cancellation

    def raise_for_failure(self) -> Test:
        """The test itself if it passed or has not ended. Raises TestFailed if it ended without an answer."""
        if self.ended and not self.passed:
            from assay.errors import TestFailed

            raise TestFailed(self)
        return self

    def to_dict(self) -> dict[str, Any]:
        """For JSON: times as ISO 8601 in UTC, durations as seconds in fields that end in `_s`, the answer decoded."""
        value: dict[str, Any] = plain(self)
        if not self.findings:
            del value["findings"]  # it would say that nothing is to be noticed about the test
        return value


@dataclass(frozen=True, slots=True)
class Update:
    """One message of a watch: the test as it stands, and why it was sent."""

    test: Test
    event: WatchEvent


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Answer to a cancellation."""

    test: Test
    outcome: CancelOutcome


@dataclass(frozen=True, slots=True)
class Archived:
    """How many tests were archived, and which of those that were named were not: they have not ended, are archived
    already, or there is none of that id."""

    count: int
    skipped: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        value: dict[str, Any] = plain(self)
        return value


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. `next_page_token` is empty on the last one, which a page without a test need not be.

    `totals` is there when asked for: all tests of the caller by state, whatever the conditions of the list."""

    tests: tuple[Test, ...]
    next_page_token: str
    totals: Mapping[TestState, int]
