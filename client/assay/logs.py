"""Lines of output, and the cursor that makes sure that no line is seen twice or missed when a connection is lost.

The cursor does no I/O: the blocking and the asyncio client both drive it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from assay.plain import plain


class LogStream(StrEnum):
    """Where a line came from."""

    UNKNOWN = "UNKNOWN"
    STDOUT = "STDOUT"
    STDERR = "STDERR"
    BUILD = "BUILD"
    SYSTEM = "SYSTEM"


class LogLevel(StrEnum):
    """How important a line is."""

    UNKNOWN = "UNKNOWN"
    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line. `seq` counts from 1 without holes; `continued` marks the next piece of a line over 16 KiB."""

    seq: int
    time: datetime
    stream: LogStream
    level: LogLevel
    text: str
    continued: bool = False

    def to_dict(self) -> dict[str, Any]:
        value: dict[str, Any] = plain(self)
        return value


@dataclass(frozen=True, slots=True)
class PartialLine:
    """What a line that has not ended says so far: a prompt, the words of a model, a bar. It has no number, for the line
    that becomes of it will have one; `after_seq` is the number of the last line before it, of any stream.

    The next one of its stream takes its place, and a line of the stream does. One that is `gone` says nothing and only
    takes the place of one with the same or a smaller `after_seq`: a filter leaves out what has become of that."""

    time: datetime
    stream: LogStream
    level: LogLevel
    text: str
    after_seq: int
    gone: bool = False

    def to_dict(self) -> dict[str, Any]:
        value: dict[str, Any] = plain(self)
        return value


def standing(shown: Mapping[LogStream, PartialLine], said: PartialLine) -> dict[LogStream, PartialLine]:
    """The open lines that are shown once `said` was said: the one that spoke last comes last."""
    before = shown.get(said.stream)
    if said.gone and (before is None or before.after_seq > said.after_seq):
        return dict(shown)
    others = {stream: one for stream, one in shown.items() if stream is not said.stream}
    return others if said.gone else others | {said.stream: said}


class LogUpdate(NamedTuple):
    """What came together: lines, and then what lines that have not ended say after them."""

    lines: list[LogLine]
    partials: list[PartialLine]


@dataclass(frozen=True, slots=True)
class LogsComplete:
    """The last word on the output: `complete` says that these are all the lines that the agent wrote."""

    expected: int
    received: int
    complete: bool
    truncated: bool
    missing: tuple[tuple[int, int], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        value: dict[str, Any] = plain(self)
        return value


@dataclass(frozen=True, slots=True)
class LogSearch:
    """Where in the output of a test the lines of a filter are.

    `count` lines match of those up to `last_seq`, the last one that was looked at (0: there was none). `marks` has the
    number of the first of them and of every `step`-th after it. Where more marks would have been needed than an answer
    holds (10,000), a search from `next_seq` goes on."""

    count: int
    marks: tuple[int, ...]
    first_error_seq: int | None
    """The first matching line of level ERROR or worse."""
    last_seq: int
    next_seq: int | None
    complete: LogsComplete | None
    """Set when the output has ended."""

    def to_dict(self) -> dict[str, Any]:
        value: dict[str, Any] = plain(self)
        return value


@dataclass(slots=True)
class LogCursor:
    """How far a reader has come in the output of one test."""

    next_seq: int = 1
    last_seq: int | None = None
    """The last number of interest."""
    complete: LogsComplete | None = None

    @property
    def ended(self) -> bool:
        """True when nothing more of interest will come."""
        return self.complete is not None or (self.last_seq is not None and self.next_seq > self.last_seq)

    def take(self, lines: Iterable[LogLine], complete: LogsComplete | None) -> list[LogLine]:
        """What of a message is new. Lines that a server sends again after a lost connection are dropped here."""
        fresh: list[LogLine] = []
        for line in lines:
            if self.last_seq is not None and line.seq > self.last_seq:
                self.next_seq = self.last_seq + 1
                break
            if line.seq >= self.next_seq:
                fresh.append(line)
                self.next_seq = line.seq + 1
        if complete is not None:
            self.complete = complete
        return fresh
