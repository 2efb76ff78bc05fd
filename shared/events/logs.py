"""Facts about the output of a task."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.events.base import Event

Stream = Literal["stdout", "stderr", "build", "system"]
Level = Literal["debug", "info", "warning", "error", "critical"]


class LogLine(BaseModel):
    """One line that a task wrote. `seq` is counted from 1 at the source, so a hole is a lost line."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    seq: int = Field(ge=1)
    ts: float = Field(description="when the harness read it, seconds since 1970")
    stream: Stream
    level: Level
    text: str
    cont: bool = Field(
        default=False, description="this is the rest of the line before it, which was longer than 16 KiB"
    )


class LogsAppended(Event):
    """Lines were read and stored. They follow one another without a hole."""

    type: ClassVar[str] = "logs.appended"
    told_by: ClassVar[str] = "logstreamer"
    lines: tuple[LogLine, ...] = Field(min_length=1, description="each {seq, ts, stream, level, text, cont}")

    def facets(self) -> tuple[object, ...]:
        return (self.lines[0].seq, self.lines[-1].seq)


class LogsCompleted(Event):
    """No more lines will come. `complete` says that every line the source counted was received."""

    type: ClassVar[str] = "logs.completed"
    told_by: ClassVar[str] = "logstreamer"
    expected: int | None = Field(description="lines counted at the source; None where the source never said")
    received: int = Field(description="lines stored")
    complete: bool = Field(description="whether these are all the lines")
    truncated: bool = Field(default=False, description="the output passed its limit and was cut at the source")
    missing: tuple[tuple[int, int], ...] = Field(
        default=(),
        description="first and last number of each hole, of the first 20; with what lies behind the last line that "
        "came, where `expected` is known",
    )
