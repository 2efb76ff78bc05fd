"""Lines of output as messages of the API, and which of them a client wants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from assay.v1 import log_pb2, test_service_pb2
from services.gateway.streams.textmatch import TextMatch
from shared.events.logs import PartialLine
from shared.store.logs import RawLine

STREAMS: Final = {
    "stdout": log_pb2.LOG_STREAM_STDOUT,
    "stderr": log_pb2.LOG_STREAM_STDERR,
    "build": log_pb2.LOG_STREAM_BUILD,
    "system": log_pb2.LOG_STREAM_SYSTEM,
}
LEVELS: Final = {
    "debug": log_pb2.LOG_LEVEL_DEBUG,
    "info": log_pb2.LOG_LEVEL_INFO,
    "warning": log_pb2.LOG_LEVEL_WARNING,
    "error": log_pb2.LOG_LEVEL_ERROR,
    "critical": log_pb2.LOG_LEVEL_CRITICAL,
}
MOST_BYTES: Final = 1 << 20
"""Size of one message: clients take 4 MiB by default, and a slow one holds few of them."""


class Line(Protocol):
    """A line as the store or an event has it."""

    @property
    def seq(self) -> int: ...
    @property
    def ts(self) -> float: ...
    @property
    def stream(self) -> str: ...
    @property
    def level(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def cont(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines a client wants. Says nothing of sequence numbers: those are counted over all lines."""

    min_level: int = 0
    streams: frozenset[int] = frozenset()
    text: TextMatch = field(default_factory=TextMatch)

    @classmethod
    def of(cls, min_level: int, streams: Iterable[int], text: str = "", *, match_case: bool = False) -> Wanted:
        """Every stream, where none or the unspecified one is named; every level below info's, where none is."""
        chosen = frozenset(streams)
        everything = not chosen or log_pb2.LOG_STREAM_UNSPECIFIED in chosen or chosen >= set(STREAMS.values())
        return cls(
            min_level if min_level > log_pb2.LOG_LEVEL_DEBUG else 0,
            frozenset() if everything else chosen,
            TextMatch.of(text, match_case=match_case),
        )

    @property
    def everything(self) -> bool:
        return not self.min_level and not self.streams and not self.text.text

    def shows(self, stream: int) -> bool:
        """Whether lines of this stream may be wanted."""
        return not self.streams or stream in self.streams

    def takes(self, line: log_pb2.LogLine | log_pb2.PartialLine) -> bool:
        return self._takes(line.level, line.stream, line.text)

    def of_lines(self, lines: Sequence[log_pb2.LogLine]) -> Sequence[log_pb2.LogLine]:
        return lines if self.everything else [line for line in lines if self.takes(line)]

    def of_raw(self, lines: Sequence[RawLine]) -> Sequence[RawLine]:
        """The same of lines as they are stored, before anything is made of them."""
        if self.everything:
            return lines
        if not self.text.may_be_in([line["text"] for line in lines]):
            return ()
        return [line for line in lines if self._takes(*_numbers(line["level"], line["stream"]), line["text"])]

    def _takes(self, level: int, stream: int, text: str) -> bool:
        return level >= self.min_level and self.shows(stream) and self.text.is_in(text)


def _numbers(level: str, stream: str) -> tuple[log_pb2.LogLevel.ValueType, log_pb2.LogStream.ValueType]:
    return LEVELS.get(level, log_pb2.LOG_LEVEL_UNSPECIFIED), STREAMS.get(stream, log_pb2.LOG_STREAM_UNSPECIFIED)


def message(line: Line) -> log_pb2.LogLine:
    """The line as a message."""
    level, stream = _numbers(line.level, line.stream)
    return log_pb2.LogLine(
        seq=line.seq,
        time=_timestamp(line.ts),
        stream=stream,
        level=level,
        text=line.text,
        continued=line.cont,
    )


def partial_message(partial: PartialLine) -> log_pb2.PartialLine:
    """What a line that has not ended says, as a message."""
    return log_pb2.PartialLine(
        time=_timestamp(partial.ts),
        stream=STREAMS[partial.stream],
        level=LEVELS[partial.level],
        text=partial.text,
        after_seq=partial.after,
    )


def _timestamp(ts: float) -> Timestamp:
    seconds = int(ts)
    return Timestamp(seconds=seconds, nanos=round((ts - seconds) * 1e6) % 1_000_000 * 1000)


def joined(parts: Sequence[bytes]) -> list[bytes]:
    """The same lines in as few messages as clients take.

    One protobuf message behind another is a message with the lines of both."""
    if len(parts) < 2:
        return list(parts)
    whole: list[list[bytes]] = [[]]
    size = 0
    for part in parts:
        size += len(part)
        if size > MOST_BYTES and whole[-1]:
            whole.append([])
            size = len(part)
        whole[-1].append(part)
    return [b"".join(some) for some in whole]


def messages(lines: Sequence[log_pb2.LogLine]) -> list[bytes]:
    """Messages of StreamLogs with these lines, serialised, none of them too large for a client."""
    if not lines:
        return []
    whole = test_service_pb2.StreamLogsResponse(lines=lines).SerializeToString()
    if len(whole) <= MOST_BYTES or len(lines) == 1:
        return [whole]
    middle = len(lines) // 2
    return messages(lines[:middle]) + messages(lines[middle:])
