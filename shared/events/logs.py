"""Facts about the output of a task."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.events.base import Event

Stream = Literal["stdout", "stderr", "build", "system"]
Level = Literal["debug", "info", "warning", "error", "critical"]


Seconds = Annotated[float, Field(ge=0, lt=253_402_300_800, allow_inf_nan=False)]
"""Since 1970, up to the year 9999: what every clock and calendar behind it can show."""


class LogLine(BaseModel):
    """One line that a task wrote. `seq` is counted from 1 at the source, so a hole is a lost line."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    seq: int = Field(ge=1)
    ts: Seconds = Field(description="when the harness read it, seconds since 1970")
    stream: Stream
    level: Level
    text: str
    cont: bool = Field(
        default=False, description="this is the rest of the line before it, which was longer than 16 KiB"
    )


class PartialLine(BaseModel):
    """What a line that has not ended says so far. It has no number; the line that becomes of it will have one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    ts: Seconds = Field(description="when the harness told it, seconds since 1970")
    stream: Stream
    level: Level
    text: str = Field(description="all of the line so far, without what was written over")
    after: int = Field(ge=0, description="number of the last line before it, of any stream")


class LogsAppended(Event):
    """Lines were read and stored. They follow one another without a hole."""

    type: ClassVar[str] = "logs.appended"
    told_by: ClassVar[str] = "logstreamer"
    lines: tuple[LogLine, ...] = Field(min_length=1, description="each {seq, ts, stream, level, text, cont}")

    def facets(self) -> tuple[object, ...]:
        return (self.lines[0].seq, self.lines[-1].seq)


class OutputPartial(Event):
    """Lines have not ended yet: what they say so far, one of each stream at most. For who looks on now: these are not
    stored, here or elsewhere, and may be lost. A line of the stream takes the place of what was told of it."""

    type: ClassVar[str] = "output.partial"
    told_by: ClassVar[str] = "logstreamer"
    lines: tuple[PartialLine, ...] = Field(min_length=1, description="each {ts, stream, level, text, after}")

    def facets(self) -> tuple[object, ...]:
        return tuple((line.stream, line.ts) for line in self.lines)


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
