"""Facts about the life of a test."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.failure import FailureCode, Stage
from shared.events.base import Event


class TestSubmitted(Event):
    """A test was accepted and stored."""

    type: ClassVar[str] = "test.submitted"
    told_by: ClassVar[str] = "gateway"
    priority: int = Field(description="0 to 9, high first")


class TestCancelRequested(Event):
    """Somebody wants the test to stop."""

    type: ClassVar[str] = "test.cancel_requested"
    told_by: ClassVar[str] = "gateway"
    by: str = Field(description="user id of who asked")
    reason: str = Field(default="", description="as given by who asked")


class TestQueued(Event):
    """The test has its place in the queue."""

    type: ClassVar[str] = "test.queued"
    told_by: ClassVar[str] = "scheduler"
    priority: int = Field(description="0 to 9, high first")
    rank: float = Field(description="place among the tests of the same priority, low first")


class TestScheduled(Event):
    """A slot was granted: the test is BUILDING, attempt `attempt` begins."""

    type: ClassVar[str] = "test.scheduled"
    told_by: ClassVar[str] = "scheduler"
    slot: int = Field(description="number of the unit of capacity")


class TestBuilding(Event):
    """An orchestrator took the test up and is about to launch its task."""

    type: ClassVar[str] = "test.building"
    told_by: ClassVar[str] = "orchestrator"
    runtime: str = Field(description="where it will run")


class TestRunning(Event):
    """The agent's own code runs."""

    type: ClassVar[str] = "test.running"
    told_by: ClassVar[str] = "orchestrator"


class TestCompleted(Event):
    """The agent answered; the answer is stored."""

    type: ClassVar[str] = "test.completed"
    told_by: ClassVar[str] = "orchestrator"
    run_ms: float | None = Field(default=None, description="how long the agent ran, milliseconds")


class TestFailed(Event):
    """The test ended without an answer."""

    type: ClassVar[str] = "test.failed"
    told_by: ClassVar[str] = "orchestrator"
    code: FailureCode = Field(description="why, from the closed list in states.md")
    stage: Stage = Field(description="in which part of its life")
    message: str = Field(description="why, for people")


class TestTimedOut(Event):
    """The agent did not answer within its time limit."""

    type: ClassVar[str] = "test.timed_out"
    told_by: ClassVar[str] = "orchestrator"
    message: str = Field(description="why, for people")


class TestRequeued(Event):
    """An infrastructure failure ended attempt `attempt`; the test waits again in its old place."""

    type: ClassVar[str] = "test.requeued"
    told_by: ClassVar[str] = "orchestrator"
    code: FailureCode = Field(description="why, from the closed list in states.md")
    message: str = Field(description="why, for people")


class EventFile(BaseModel):
    """A file that an agent left."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    path: str = Field(description="where it lies below /work/out")
    size: int = Field(description="bytes")
    sha256: str = Field(description="of its content, hexadecimal")


class TestFilesStored(Event):
    """The files that the agent left in /work/out are stored; the event of the test's end follows."""

    type: ClassVar[str] = "test.files_stored"
    told_by: ClassVar[str] = "orchestrator"
    files: tuple[EventFile, ...] = Field(description="in the order of their paths")


class TestArchived(Event):
    """The test was put away."""

    type: ClassVar[str] = "test.archived"
    told_by: ClassVar[str] = "gateway"
