"""Stored output in pages, from a number on or from the end."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Final

from assay.v1 import log_pb2, test_service_pb2
from services.gateway.caller import Caller
from services.gateway.errors import Violations
from services.gateway.fetch import fetch
from services.gateway.paging import PageSize
from services.gateway.ports import Lines, Tests
from services.gateway.streams.account import complete, is_over, missing
from services.gateway.streams.loglines import MOST_BYTES, Wanted, message
from services.gateway.streams.textmatch import check_text
from shared.domain.logsequence import first_seq
from shared.ids import TestId
from shared.store.documents import StoredLine

LINES: Final = PageSize(default=1_000, most=10_000)
STEP: Final = 1_000
MOST_SCANNED: Final = 100_000
"""Lines looked through for one page where a filter drops most of them; the page ends early and says where to go on."""


class LogPages:
    """GetLogs."""

    def __init__(self, tests: Tests, lines: Lines) -> None:
        self._tests = tests
        self._lines = lines

    async def page(self, request: test_service_pb2.GetLogsRequest, caller: Caller) -> test_service_pb2.GetLogsResponse:
        """Raises InvalidRequest, NoSuchTest."""
        _check(request)
        execution = await fetch(self._tests, caller, request.test_id)
        wanted = Wanted.of(request.min_level, request.streams, request.text, match_case=request.match_case)
        size = LINES.of(request.page_size)
        if request.tail:
            found = await self._tail(execution.id, min(request.tail, size), wanted, attempts=execution.attempt)
            next_seq = 0
        else:
            found, next_seq = await self._from(execution.id, max(request.from_seq, 1), size, wanted)
        account = None
        if is_over(execution):
            account = complete(execution, await missing(self._lines, execution))
        return test_service_pb2.GetLogsResponse(lines=found, next_seq=next_seq, complete=account)

    async def _from(self, test_id: TestId, seq: int, size: int, wanted: Wanted) -> tuple[list[log_pb2.LogLine], int]:
        """The page, and the number of the first line that is not on it; 0 where nothing more is stored."""
        page: list[log_pb2.LogLine] = []
        room = MOST_BYTES
        scanned = 0
        async with aclosing(self._lines.scan(test_id, from_seq=seq)) as chunks:
            async for chunk in chunks:
                for line in wanted.of_raw(chunk):
                    made = message(StoredLine.model_validate(line))
                    room -= made.ByteSize()
                    if len(page) == size or (room < 0 and page):
                        return page, made.seq
                    page.append(made)
                scanned += len(chunk)
                if scanned >= MOST_SCANNED:
                    return page, chunk[-1]["seq"] + 1
                await asyncio.sleep(0)  # chunks that have come are handed on without a turn for anybody else
        return page, 0

    async def _tail(self, test_id: TestId, count: int, wanted: Wanted, *, attempts: int) -> list[log_pb2.LogLine]:
        """The last `count` wanted lines, read backwards in steps through the attempts."""
        newest: list[log_pb2.LogLine] = []
        room, scanned = MOST_BYTES, 0
        for attempt in range(max(attempts, 1), 0, -1):
            block = range(first_seq(attempt), first_seq(attempt + 1))
            last = await self._lines.last(test_id, within=block)
            end = last.last if last else block.start - 1
            while end >= block.start and scanned < MOST_SCANNED:
                start = max(block.start, end - STEP + 1)
                lines = await self._lines.read(test_id, from_seq=start, limit=end - start + 1)
                for line in reversed([line for line in lines if line.seq <= end]):
                    made = message(line)
                    if not wanted.takes(made):
                        continue
                    room -= made.ByteSize()
                    if len(newest) == count or (room < 0 and newest):
                        return newest[::-1]
                    newest.append(made)
                scanned += end - start + 1
                end = start - 1
        return newest[::-1]


def _check(request: test_service_pb2.GetLogsRequest) -> None:
    violations = Violations()
    if request.from_seq < 0:
        violations.add("from_seq", "must be 1 or more, or 0 for the first line")
    LINES.check(request.page_size, violations)
    if request.tail < 0:
        violations.add("tail", "must be 1 or more, or 0 for a page from from_seq on")
    if request.tail and request.from_seq:
        violations.add("tail", "excludes from_seq: ask for the last lines or for those from a number on")
    check_text(request.text, violations)
    if request.text and request.tail:
        violations.add("text", "excludes tail: ask for the lines with a text from a number on")
    violations.raise_if_any()
