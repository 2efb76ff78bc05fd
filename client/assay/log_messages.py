"""Output of tests in the API's messages as the SDK's values."""

from __future__ import annotations

from assay.logs import LogLevel, LogLine, LogsComplete, LogSearch, LogStream, PartialLine
from assay.translate import enum_table, instant
from assay.v1 import log_pb2, test_service_pb2

_STREAMS = enum_table(log_pb2.LogStream, "LOG_STREAM_", LogStream)
_LEVELS = enum_table(log_pb2.LogLevel, "LOG_LEVEL_", LogLevel)


def log_line(message: log_pb2.LogLine) -> LogLine:
    return LogLine(
        seq=message.seq,
        time=instant(message.time),
        stream=_STREAMS.get(message.stream, LogStream.UNKNOWN),
        level=_LEVELS.get(message.level, LogLevel.UNKNOWN),
        text=message.text,
        continued=message.continued,
    )


def partial_line(message: log_pb2.PartialLine) -> PartialLine:
    return PartialLine(
        time=instant(message.time),
        stream=_STREAMS.get(message.stream, LogStream.UNKNOWN),
        level=_LEVELS.get(message.level, LogLevel.UNKNOWN),
        text=message.text,
        after_seq=message.after_seq,
        gone=message.gone,
    )


def logs_complete(message: log_pb2.LogsComplete) -> LogsComplete:
    missing = tuple((gap.first, gap.last) for gap in message.missing)
    return LogsComplete(message.expected, message.received, message.complete, message.truncated, missing)


def log_batch(
    message: test_service_pb2.StreamLogsResponse | test_service_pb2.GetLogsResponse,
) -> tuple[list[LogLine], LogsComplete | None]:
    lines = [log_line(line) for line in message.lines]
    return lines, logs_complete(message.complete) if message.HasField("complete") else None


def log_search(message: test_service_pb2.SearchLogsResponse) -> LogSearch:
    return LogSearch(
        count=message.count,
        marks=tuple(message.marks),
        first_error_seq=message.first_error_seq or None,
        last_seq=message.last_seq,
        next_seq=message.next_seq or None,
        complete=logs_complete(message.complete) if message.HasField("complete") else None,
    )
