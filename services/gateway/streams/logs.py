"""The output of a test: as a stream from any number on, live while it runs, and in pages.

The store has every line before it is told, so a stream reads the store until it is level, then takes live batches that
join on without a gap, and goes back to the store whenever one does not: after a lost event, after having been too slow.
It ends with the account of the output.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from enum import Enum, auto
from typing import Final

from assay.v1 import test_service_pb2
from services.gateway.caller import Caller
from services.gateway.errors import Violations
from services.gateway.fetch import fetch
from services.gateway.metrics import HEALED
from services.gateway.ports import Lines, Tests
from services.gateway.streams.account import complete, is_over, missing
from services.gateway.streams.follower import News
from services.gateway.streams.live import Live
from services.gateway.streams.loglines import Wanted, joined, message, messages
from services.gateway.streams.openlines import OpenLines
from services.gateway.streams.textmatch import check_text
from shared.domain.logsequence import follows
from shared.ids import TestId
from shared.store.documents import StoredLine
from shared.store.logs import RawLine

PAGE: Final = 1_000
"""Lines after which a client is given what was found."""
HOLE_PATIENCE_S: Final = 2.0
"""Chunks that are stored at the same moment may become visible out of order. A hole older than this is a lost line."""
HOLE_LOOK_S: Final = 0.05
AT_ONCE: Final = 4
"""Streams that read a page from the store at a time: with a hundred long logs at once every other call would wait for a
page of each of them (measured: seconds)."""


class LogStreams:
    """StreamLogs."""

    def __init__(self, tests: Tests, lines: Lines, live: Live, *, hole_patience_s: float = HOLE_PATIENCE_S) -> None:
        self._tests = tests
        self._lines = lines
        self._live = live
        self._hole_patience_s = hole_patience_s
        self._room = asyncio.Semaphore(AT_ONCE)

    async def stream(self, request: test_service_pb2.StreamLogsRequest, caller: Caller) -> AsyncIterator[bytes]:
        """Serialised messages, the account of the output last where that has ended. Raises InvalidRequest, NoSuchTest,
        ShuttingDown."""
        _check(request)
        execution = await fetch(self._tests, caller, request.test_id)
        wanted = Wanted.of(request.min_level, request.streams, request.text, match_case=request.match_case)
        reader = _Reader(
            self._lines,
            execution.id,
            request.from_seq,
            wanted,
            self._hole_patience_s,
            self._room,
            open_lines=request.follow and request.partial_lines,
        )
        if request.follow and not is_over(execution):
            async with self._live.following(
                execution.id, execution.user_id, lines=True, partials=request.partial_lines
            ) as follower:
                while not is_over(execution):
                    async for packed in reader.stored(patient=True):
                        yield packed
                    for packed in reader.open_lines():
                        yield packed
                    level = True
                    while level:
                        news = await follower.news()
                        for packed in [*joined(reader.live(news)), *reader.open_lines()]:
                            yield packed
                        level = reader.is_level
                        if news.sight is not None:
                            execution = news.sight.execution
                            level = level and not is_over(execution) and news.sight.last_seq <= reader.last
        async for packed in reader.stored(patient=not is_over(execution)):
            yield packed
        if is_over(execution):
            account = complete(execution, await missing(self._lines, execution))
            yield test_service_pb2.StreamLogsResponse(complete=account).SerializeToString()


class _End(Enum):
    """Why a page ends."""

    PAGE = auto()
    HOLE = auto()
    STORED = auto()
    """There are no more lines."""


class _Reader:
    """How far one client has come."""

    def __init__(
        self,
        lines: Lines,
        test_id: TestId,
        from_seq: int,
        wanted: Wanted,
        hole_patience_s: float,
        room: asyncio.Semaphore,
        *,
        open_lines: bool,
    ) -> None:
        self.last = max(from_seq, 1) - 1
        self.is_level = True
        """Whether what comes live joins on to what was read."""
        self._lines = lines
        self._test_id = test_id
        self._wanted = wanted
        self._hole_patience_s = hole_patience_s
        self._room = room
        self._open = OpenLines(wanted, asked_for=open_lines)

    async def stored(self, *, patient: bool) -> AsyncIterator[bytes]:
        """What the store has after `last`. A hole is waited for a moment if `patient`, then stepped over."""
        deadline: float | None = None
        end, over = _End.PAGE, False
        while end is not _End.STORED:
            before = self.last
            async with self._room:
                lines, end = await self._page(over_hole=over)
                page = messages([message(StoredLine.model_validate(line)) for line in lines])
            over = False
            if self.last > before:
                deadline = None
            for packed in page:
                yield packed
            if end is _End.HOLE:
                deadline = deadline or time.monotonic() + self._hole_patience_s
                over = not patient or time.monotonic() >= deadline
                if not over:
                    await asyncio.sleep(HOLE_LOOK_S)
        self.is_level = True

    async def _page(self, *, over_hole: bool) -> tuple[list[RawLine], _End]:
        """The next wanted lines, and why there are no more of them. Nothing is kept open while a client takes them."""
        page: list[RawLine] = []
        async with aclosing(self._lines.scan(self._test_id, from_seq=self.last + 1)) as chunks:
            async for chunk in chunks:
                if not over_hole and not follows(self.last, chunk[0]["seq"]):
                    return page, _End.HOLE
                over_hole = False
                self.last = chunk[-1]["seq"]
                page += self._wanted.of_raw(chunk)
                self._open.passed_raw(chunk)
                if len(page) >= PAGE:
                    return page, _End.PAGE
                await asyncio.sleep(0)  # chunks that have come are handed on without a turn for anybody else
        return page, _End.STORED

    def live(self, news: News) -> list[bytes]:
        """What came live and joins on. From a gap on nothing is taken, and the store must be read."""
        self._open.hear(news.partials)
        packed: list[bytes] = []
        if news.lost:
            self.is_level = False
            return packed
        for batch in news.batches:
            if batch.last <= self.last:
                continue
            if batch.first > self.last + 1:  # another attempt's first lines, too: the end of the last one may be lost
                HEALED.inc()
                self.is_level = False
                break
            packed += batch.after(self.last, self._wanted)
            self._open.passed(batch.lines_after(self.last) if self._open.is_shown else ())
            self.last = batch.last
        return packed

    def open_lines(self) -> list[bytes]:
        """What lines that have not ended say, once all the lines before them were taken, and which are gone."""
        found = self._open.told(self.last)
        return [test_service_pb2.StreamLogsResponse(partial_lines=found).SerializeToString()] if found else []


def _check(request: test_service_pb2.StreamLogsRequest) -> None:
    violations = Violations()
    if request.from_seq < 0:
        violations.add("from_seq", "must be 1 or more, or 0 for the first line")
    check_text(request.text, violations)
    violations.raise_if_any()
