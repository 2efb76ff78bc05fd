"""Where in the whole output of a test the lines of a filter are: a count, and marks from which pages can be read.

Reads every chunk once and keeps nothing but the marks, however long the output is.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import Final

from assay.v1 import log_pb2, test_service_pb2
from services.gateway.caller import Caller
from services.gateway.errors import Violations
from services.gateway.fetch import fetch
from services.gateway.ports import Lines, Tests
from services.gateway.streams.account import complete, is_over, missing
from services.gateway.streams.loglines import LEVELS, Wanted
from services.gateway.streams.logs import HOLE_LOOK_S, HOLE_PATIENCE_S
from services.gateway.streams.textmatch import check_text
from shared.domain.logsequence import attempt_of, follows
from shared.store.documents import Execution
from shared.store.logs import RawLine

STEP: Final = 500
MOST_STEP: Final = 10_000
MOST_MARKS: Final = 10_000
AT_ONCE: Final = 4
"""Searches that read at a time: each has megabytes in memory, and more of them would be no faster on one core."""


class Found:
    """What a search has found so far. Lines are taken in order; it is full when a mark has no room any more."""

    def __init__(self, from_seq: int, step: int, wanted: Wanted) -> None:
        self.count = 0
        self.marks: list[int] = []
        self.first_error_seq = 0
        self.last_seq = 0
        self.next_seq = 0
        self._from_seq = from_seq
        self._step = step
        self._wanted = wanted

    def take(self, lines: list[RawLine]) -> None:
        """Lines that follow one another without a hole."""
        for line in self._wanted.of_raw(lines):
            seq = line["seq"]
            if self.count % self._step == 0:
                if len(self.marks) == MOST_MARKS:
                    self.next_seq = seq
                    if seq > lines[0]["seq"]:
                        self.last_seq = seq - 1
                    return
                self.marks.append(seq)
            self.count += 1
            if not self.first_error_seq and LEVELS.get(line["level"], 0) >= log_pb2.LOG_LEVEL_ERROR:
                self.first_error_seq = seq
        self.last_seq = lines[-1]["seq"]

    @property
    def place(self) -> int:
        """The number before which everything was looked at."""
        return self.last_seq + 1 if self.last_seq else self._from_seq


class LogSearch:
    """SearchLogs."""

    def __init__(self, tests: Tests, lines: Lines, *, hole_patience_s: float = HOLE_PATIENCE_S) -> None:
        self._tests = tests
        self._lines = lines
        self._hole_patience_s = hole_patience_s
        self._room = asyncio.Semaphore(AT_ONCE)

    async def search(
        self, request: test_service_pb2.SearchLogsRequest, caller: Caller
    ) -> test_service_pb2.SearchLogsResponse:
        """Raises InvalidRequest, NoSuchTest."""
        _check(request)
        execution = await fetch(self._tests, caller, request.test_id)
        wanted = Wanted.of(request.min_level, request.streams, request.text, match_case=request.match_case)
        found = Found(max(request.from_seq, 1), request.step or STEP, wanted)
        await self._look_through(execution, found)
        account = None
        if is_over(execution):
            account = complete(execution, await missing(self._lines, execution))
        return test_service_pb2.SearchLogsResponse(
            count=found.count,
            marks=found.marks,
            first_error_seq=found.first_error_seq,
            last_seq=found.last_seq,
            next_seq=found.next_seq,
            complete=account,
        )

    async def _look_through(self, execution: Execution, found: Found) -> None:
        """What is stored. While the output grows a hole is waited for once, for a moment: whoever goes on behind it
        would never look there again."""
        patient_until: float | None = 0.0 if is_over(execution) else None
        while True:
            async with self._room, aclosing(self._lines.scan(execution.id, from_seq=found.place)) as chunks:
                async for chunk in chunks:
                    first = chunk[0]["seq"]
                    if attempt_of(first) == execution.attempt and not follows(found.place - 1, first):
                        if patient_until is None:
                            patient_until = time.monotonic() + self._hole_patience_s
                        if time.monotonic() < patient_until:
                            break
                    found.take(chunk)
                    if found.next_seq:
                        return
                    await asyncio.sleep(0)  # chunks that have come are handed on without a turn for anybody else
                else:
                    return
            await asyncio.sleep(HOLE_LOOK_S)


def _check(request: test_service_pb2.SearchLogsRequest) -> None:
    violations = Violations()
    if request.from_seq < 0:
        violations.add("from_seq", "must be 1 or more, or 0 for the first line")
    if not 0 <= request.step <= MOST_STEP:
        violations.add("step", f"must be from 1 to {MOST_STEP}, or 0 for {STEP}")
    check_text(request.text, violations)
    violations.raise_if_any()
