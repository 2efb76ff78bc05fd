"""The last word on a test's output: whether any more can come, and whether these are all the lines."""

from __future__ import annotations

from typing import Final

from assay.v1 import log_pb2
from services.gateway.ports import Lines
from shared.domain.lifecycle import ENDED
from shared.domain.logsequence import first_seq
from shared.store.documents import Execution

MOST_RANGES: Final = 100

Range = tuple[int, int]
"""First and last number."""


def is_over(execution: Execution) -> bool:
    """Whether no line will be added any more: the test has ended, and its output was drained or never began."""
    never_began = execution.task is None or execution.task.log_source is None
    return execution.state in ENDED and (execution.logs.ended or never_began)


def complete(execution: Execution, missing_ranges: list[Range]) -> log_pb2.LogsComplete:
    """The account as a message. A test that never began to write has all of its no lines."""
    logs = execution.logs
    return log_pb2.LogsComplete(
        expected=logs.expected or 0,
        received=logs.lines,
        complete=logs.complete if logs.ended else True,
        truncated=logs.truncated,
        missing=[log_pb2.SeqRange(first=first, last=last) for first, last in missing_ranges[:MOST_RANGES]],
    )


async def missing(lines: Lines, execution: Execution) -> list[Range]:
    """Numbers of the last attempt that never arrived; the account speaks of that attempt. Reads no lines."""
    if execution.logs.complete or not execution.logs.ended:
        return []
    start = first_seq(execution.attempt)
    newest = await lines.last(execution.id, within=range(start, first_seq(execution.attempt + 1)))
    last = newest.last if newest else start - 1
    ranges = await lines.holes(execution.id, within=range(start, last + 1), most=MOST_RANGES + 1)
    if len(ranges) > MOST_RANGES:
        return ranges
    holes = sum(end - first + 1 for first, end in ranges)
    lost = (execution.logs.expected or 0) - execution.logs.lines - holes
    return [*ranges, (last + 1, last + lost)] if lost > 0 else ranges
