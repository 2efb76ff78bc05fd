from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import JsonValue

from services.logstreamer import roster as roster_module
from services.logstreamer.ports import Cursor
from services.logstreamer.roster import Roster
from shared.clock import ManualClock
from shared.domain.lifecycle import State
from shared.events.logs import LogsAppended
from shared.ids import TestId
from shared.store.documents import Chunk, Execution, StoredLine
from tests.support.fakes.output import ChunksInMemory, FilledFeed, KeptLetters, OneTest
from tests.support.samples import NOW, execution, task
from tests.support.until import until
from tests.unit.logstreamer.protocol import mark, written

FILE: Mapping[str, JsonValue] = {"kind": "file", "path": "/nowhere"}


class Away(Exception):
    """The store does not answer."""


class FailingChunks(ChunksInMemory):
    """A store that fails so many times first."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures

    async def append(self, chunk: Chunk) -> None:
        if self.failures:
            self.failures -= 1
            raise Away
        await super().append(chunk)

    async def last(self, test: TestId, *, within: range) -> Chunk | None:
        return self.chunks[-1] if self.chunks else None

    async def account(self, test: TestId, *, within: range) -> tuple[int, int]:
        return len(self.numbers), 0


class Claimed(OneTest):
    """One running test that may be claimed until somebody else has it."""

    def __init__(self) -> None:
        super().__init__()
        self.execution = execution(State.RUNNING, attempt=1)
        self.execution.task = task(self.execution.id)
        self.claims = 0
        self.claim_failures = 0
        self.taken_by_another = False

    async def change(self, test_id: TestId, *, where: Mapping[str, Any], **more: Any) -> Execution | None:
        if "logs.follower" in more["set"]:
            self.claims += 1
            if self.claim_failures and self.claims > 1:
                self.claim_failures -= 1
                raise Away
            return None if self.taken_by_another else self.execution
        return await super().change(test_id, where=where, **more)


class Outputs:
    """A source that reads the same output from the cursor on, each time it is asked."""

    def __init__(self, *lines: bytes) -> None:
        self.lines = lines
        self.cursors: list[Cursor] = []
        self.since: list[datetime] = []

    def reads(self, log_source: Mapping[str, JsonValue]) -> bool:
        return log_source.get("path") != "elsewhere"

    def follow(self, log_source: Mapping[str, JsonValue], cursor: Cursor, *, since: datetime) -> FilledFeed:
        self.cursors.append(cursor)
        self.since.append(since)
        feed = FilledFeed()
        done = cursor.get("line", 0)
        assert isinstance(done, int)
        feed.put(*self.lines[done:])
        return feed


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster_module, "RETRY_S", 0.01)


@asynccontextmanager
async def rostered(
    chunks: ChunksInMemory, tests: Claimed, wire: KeptLetters | None = None, *output: bytes
) -> AsyncIterator[Roster]:
    source = Outputs(*(output or (written(1), written(2), mark("end", lines=2))))
    async with asyncio.TaskGroup() as tasks:
        roster = Roster(
            tests,
            chunks,
            {"file": source},
            wire or KeptLetters(),
            ManualClock(NOW),
            tasks,
            follower="one",
            lease=timedelta(seconds=20),
        )
        yield roster
        await roster.aclose()


async def test_an_output_that_could_not_be_stored_is_taken_up_again_soon() -> None:
    chunks, tests = FailingChunks(2), Claimed()
    async with rostered(chunks, tests) as roster:
        assert await roster.claim_new(tests.execution.id, 1, FILE)
        await until(lambda: tests.told)
    assert chunks.numbers == [1, 2]
    assert tests.written["logs.complete"] is True
    assert tests.claims == 3


async def test_a_claim_that_fails_meanwhile_is_tried_again() -> None:
    chunks, tests = FailingChunks(1), Claimed()
    tests.claim_failures = 2
    async with rostered(chunks, tests) as roster:
        assert await roster.claim_new(tests.execution.id, 1, FILE)
        await until(lambda: tests.told)
    assert chunks.numbers == [1, 2]


async def test_an_output_that_another_has_taken_is_left_to_it() -> None:
    chunks, tests = FailingChunks(1), Claimed()
    async with rostered(chunks, tests) as roster:
        assert await roster.claim_new(tests.execution.id, 1, FILE)
        tests.taken_by_another = True
        await until(lambda: tests.claims == 2)
        await until(lambda: not roster._running)
    assert (chunks.numbers, tests.told) == ([], [])


UNREADABLE: dict[str, dict[str, JsonValue]] = {
    "on another machine": {"kind": "file", "path": "elsewhere"},
    "of an unknown kind": {"kind": "papyrus"},
    "of no kind": {},
}


@pytest.mark.parametrize("log_source", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_an_output_that_cannot_be_read_here_is_not_claimed(log_source: dict[str, JsonValue]) -> None:
    chunks, tests = ChunksInMemory(), Claimed()
    tests.execution.task = task(tests.execution.id, log_source=log_source)
    async with rostered(chunks, tests) as roster:
        assert not await roster.claim_new(tests.execution.id, 1, log_source)
        assert not await roster.claim_lapsed(tests.execution)
        tests.execution.state = State.FAILED
        tests.execution.times.finished = NOW - timedelta(minutes=9)
        assert not await roster.claim_lapsed(tests.execution)
    assert (tests.claims, tests.told) == (0, [])


@pytest.mark.parametrize("log_source", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_an_output_that_nobody_could_read_is_closed_at_last_and_says_that_it_is_incomplete(
    log_source: dict[str, JsonValue],
) -> None:
    chunks, tests = ChunksInMemory(), Claimed()
    tests.execution.task = task(tests.execution.id, log_source=log_source)
    tests.execution.state = State.FAILED
    tests.execution.times.finished = NOW - timedelta(minutes=11)
    async with rostered(chunks, tests) as roster:
        assert await roster.claim_lapsed(tests.execution)
        await until(lambda: tests.told)
    assert (tests.written["logs.ended"], tests.written["logs.complete"]) == (True, False)


async def test_an_output_is_followed_from_the_time_on_at_which_its_attempt_began() -> None:
    chunks, tests = ChunksInMemory(), Claimed()
    tests.execution.times.build_started = NOW - timedelta(hours=1)
    async with rostered(chunks, tests) as roster:
        assert await roster.claim_new(tests.execution.id, 1, FILE)
        await until(lambda: tests.told)
        source = roster._sources["file"]
        assert isinstance(source, Outputs)
        assert source.since == [NOW - timedelta(hours=1)]


def stored_by_another(tests: Claimed) -> ChunksInMemory:
    """Line 1, with a cursor behind it and behind the mark before it."""
    chunks = ChunksInMemory()
    one = StoredLine(seq=1, ts=1.0, stream="stdout", level="info", text="line 1")
    chunks.chunks.append(Chunk(test_id=tests.execution.id, first=1, last=1, bytes=6, lines=[one], cursor={"line": 2}))
    return chunks


RUNNING_OUTPUT = (mark("running", ts=7.0), written(1), written(2), mark("end", lines=2))


async def test_the_newest_lines_that_another_stored_are_told_once_more() -> None:
    tests = Claimed()
    chunks, wire = stored_by_another(tests), KeptLetters()
    async with rostered(chunks, tests, wire, *RUNNING_OUTPUT) as roster:
        assert await roster.claim_lapsed(tests.execution)
        await until(lambda: tests.told)
    assert wire.subjects == ["logs.appended", "logs.appended"]
    told = [LogsAppended.model_validate_json(letter.body) for letter in wire.letters]
    assert [[line.seq for line in event.lines] for event in told] == [[1], [2]]
    assert tests.written["logs.complete"] is True


async def test_who_takes_over_a_test_that_nobody_heard_running_reads_its_marks_again() -> None:
    """The one before died between the store, where it put the line behind the mark, and the bus."""
    tests = Claimed()
    tests.execution.state = State.BUILDING
    chunks, wire = stored_by_another(tests), KeptLetters()
    async with rostered(chunks, tests, wire, *RUNNING_OUTPUT) as roster:
        assert await roster.claim_lapsed(tests.execution)
        await until(lambda: tests.told)
    assert "task.phase" in wire.subjects
    assert chunks.numbers == [1, 2]
    assert tests.written["logs.complete"] is True
