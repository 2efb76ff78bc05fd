"""Facts about the life of a test."""

from __future__ import annotations

from typing import ClassVar

from shared.domain.failure import FailureCode, Stage
from shared.events.base import Event


class TestSubmitted(Event):
    """A test was accepted and stored."""

    type: ClassVar[str] = "test.submitted"
    told_by: ClassVar[str] = "gateway"
    priority: int


class TestCancelRequested(Event):
    """Somebody wants the test to stop."""

    type: ClassVar[str] = "test.cancel_requested"
    told_by: ClassVar[str] = "gateway"
    by: str
    reason: str = ""


class TestQueued(Event):
    """The test has its place in the queue."""

    type: ClassVar[str] = "test.queued"
    told_by: ClassVar[str] = "scheduler"
    priority: int
    rank: float


class TestScheduled(Event):
    """A slot was granted: the test is BUILDING, attempt `attempt` begins."""

    type: ClassVar[str] = "test.scheduled"
    told_by: ClassVar[str] = "scheduler"
    slot: int


class TestBuilding(Event):
    """An orchestrator took the test up and is about to launch its task."""

    type: ClassVar[str] = "test.building"
    told_by: ClassVar[str] = "orchestrator"
    runtime: str


class TestRunning(Event):
    """The agent's own code runs."""

    type: ClassVar[str] = "test.running"
    told_by: ClassVar[str] = "orchestrator"


class TestCompleted(Event):
    """The agent answered; the answer is stored."""

    type: ClassVar[str] = "test.completed"
    told_by: ClassVar[str] = "orchestrator"
    run_ms: float | None = None


class TestFailed(Event):
    """The test ended without an answer."""

    type: ClassVar[str] = "test.failed"
    told_by: ClassVar[str] = "orchestrator"
    code: FailureCode
    stage: Stage
    message: str


class TestTimedOut(Event):
    """The agent did not answer within its time limit."""

    type: ClassVar[str] = "test.timed_out"
    told_by: ClassVar[str] = "orchestrator"
    message: str


class TestRequeued(Event):
    """An infrastructure failure ended attempt `attempt`; the test waits again in its old place."""

    type: ClassVar[str] = "test.requeued"
    told_by: ClassVar[str] = "orchestrator"
    code: FailureCode
    message: str


class TestArchived(Event):
    """The test was put away."""

    type: ClassVar[str] = "test.archived"
    told_by: ClassVar[str] = "gateway"
