"""Facts about the container that runs one attempt of a test."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from pydantic import Field, JsonValue

from shared.events.base import Event


class TaskStarted(Event):
    """The container was launched; `log_source` says where its output is."""

    type: ClassVar[str] = "task.started"
    told_by: ClassVar[str] = "orchestrator"
    runtime: str = Field(description="where it runs")
    log_source: dict[str, JsonValue] = Field(description="where its output is; `kind` says of which sort")


class HarnessPhase(StrEnum):
    """What the harness says it is doing."""

    BUILDING = "building"
    RUNNING = "running"
    FINISHED = "finished"


class TaskPhase(Event):
    """The harness entered a phase; read from the task's output. `at` is the harness's own time."""

    type: ClassVar[str] = "task.phase"
    told_by: ClassVar[str] = "logstreamer"
    phase: HarnessPhase = Field(description="building, running or finished")

    def facets(self) -> tuple[object, ...]:
        return (self.phase,)


class TaskStopped(Event):
    """The container ended."""

    type: ClassVar[str] = "task.stopped"
    told_by: ClassVar[str] = "orchestrator"
    exit_code: int | None = Field(default=None, description="None where nobody knows")
    stop_reason: str | None = Field(default=None, description="in the words of the runtime")
