"""The lines that tests wrote, in chunks that are never changed.

Unique on (test, first and last line), so a chunk stored twice is one chunk. Two followers that overlap for a moment
may cut the lines differently, and one chunk may lie inside another; numbers come from the source, so a reader drops
what it has seen and notices what it has not.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from operator import itemgetter
from typing import Final, TypedDict

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import BulkWriteError, DuplicateKeyError

from shared.ids import TestId
from shared.store.batch import GroupCommit
from shared.store.connect import Database, quick
from shared.store.documents import Chunk, Document, StoredLine

_DUPLICATE_KEY: Final = 11000

MOST_LINES: Final = 2_000
"""Lines in one chunk at most: so a chunk that holds a number begins less than so many before it."""
SOON: Final = 1_000
"""Lines that are looked for first: a page."""
LINES_AT_ONCE: Final = 20_000
"""Lines that come from the server in one go, about."""
FULL_CHUNKS_AT_ONCE: Final = 16
"""Chunks that do in any case: 3 MiB where they are full."""

_LARGEST: Final = (1 << 63) - 1  # number that the store knows
_EARLIEST: Final = [("first", ASCENDING), ("last", ASCENDING)]
_LATEST: Final = [("first", DESCENDING), ("last", DESCENDING)]


class RawLine(TypedDict):
    """A line as it lies in a chunk: a StoredLine that nobody has checked, for who looks through many."""

    seq: int
    ts: float
    stream: str
    level: str
    text: str
    cont: bool


class LogChunks:
    """The collection of log chunks."""

    def __init__(self, database: Database) -> None:
        # A crash of the database may lose the newest chunks. The output is still where it was read, and nobody seals a
        # log without a look at what is stored: whoever finds less reads all of it again.
        self._chunks = quick(database, "log_chunks")
        self._insert = GroupCommit("log_chunks", self._insert_all)
        self._count = GroupCommit("log_counts", self._count_all)

    async def append(self, chunk: Chunk) -> None:
        """Stores lines, at most MOST_LINES. Harmless when repeated."""
        assert chunk.last - chunk.first < MOST_LINES
        await self._insert(chunk.model_dump(by_alias=True))

    async def last(self, test: TestId, *, within: range) -> Chunk | None:
        """The chunk with the highest number in `within`, without its lines: where to read on."""
        newest = await self._chunks.find_one(_in(test, within), {"lines": 0}, sort=_LATEST)
        if newest is None:
            return None
        # The one that begins last may lie inside one that began before it.
        around = {"$gt": max(newest["last"] - MOST_LINES, within.start - 1), "$lt": newest["first"]}
        longer = self._chunks.find(
            {"test_id": test, "first": around, "last": {"$gt": newest["last"]}}, {"lines": 0}
        ).sort(_LATEST)
        found = max([newest, *[chunk async for chunk in longer]], key=itemgetter("last"))
        return Chunk.model_validate({**found, "lines": []})

    async def read(self, test: TestId, *, from_seq: int, limit: int) -> list[StoredLine]:
        """At most `limit` lines from number `from_seq` on, in order, each once."""
        lines: list[StoredLine] = []
        async with aclosing(self.scan(test, from_seq=from_seq)) as chunks:
            async for chunk in chunks:
                lines += map(StoredLine.model_validate, chunk[: limit - len(lines)])
                if len(lines) == limit:
                    break
        return lines

    async def scan(self, test: TestId, *, from_seq: int) -> AsyncGenerator[list[RawLine]]:
        """All lines from number `from_seq` on, in order, each once, a chunk at a time: few are in memory, however many
        there are. Lines of one list follow one another without a hole."""
        last = from_seq - 1
        # A chunk that holds `from_seq` may begin before it. Every other one that has anything to add begins later.
        around = {"$gt": from_seq - MOST_LINES, "$lte": from_seq}
        before = await self._chunks.find_one(
            {"test_id": test, "first": around, "last": {"$gte": from_seq}}, {"first": 1}, sort=_EARLIEST
        )
        # The server sends many chunks in one go, and all of them are decoded at once. Who wants a page has it with the
        # first few, and these tell how many of the others are worth a round trip.
        soon = min(from_seq + SOON, _LARGEST)
        chunks = seen = 0
        for begins in ({"$gte": before["first"] if before else from_seq, "$lt": soon}, {"$gte": soon}):
            at_once = min(max(LINES_AT_ONCE * chunks // max(seen, 1), FULL_CHUNKS_AT_ONCE), LINES_AT_ONCE)
            cursor = self._chunks.find({"test_id": test, "first": begins}, {"first": 1, "last": 1, "lines": 1})
            async with cursor.sort(_EARLIEST).batch_size(at_once if chunks else SOON) as found:
                async for chunk in found:
                    chunks, seen = chunks + 1, seen + chunk["last"] - chunk["first"] + 1
                    if chunk["last"] <= last:
                        continue
                    lines: list[RawLine] = chunk["lines"]
                    new = lines if chunk["first"] > last else lines[last + 1 - chunk["first"] :]
                    last = chunk["last"]
                    yield new

    async def account(self, test: TestId, *, within: range) -> tuple[int, int]:
        """(lines, bytes) received with numbers in `within`, each line once, however the chunks were cut."""
        cursor = self._chunks.find(_in(test, within), {"first": 1, "last": 1, "bytes": 1}).sort(_EARLIEST)
        lines = size = 0
        for found, new in _adding(within, [found async for found in cursor]):
            lines += new
            size += round(found["bytes"] * new / (found["last"] - found["first"] + 1))
        return lines, size

    async def count(self, test: TestId, *, within: range) -> int:
        """How many lines with numbers in `within` are stored, each line once. Reads the index only."""
        return await self._count((test, within))

    async def holes(self, test: TestId, *, within: range, most: int) -> list[tuple[int, int]]:
        """(first, last) of the numbers in `within` that are not stored, of the first `most` holes. Reads the index
        only."""
        cursor = self._chunks.find(_in(test, within), {"_id": 0, "first": 1, "last": 1}).sort(_EARLIEST)
        found: list[tuple[int, int]] = []
        expected = within.start
        for chunk, _ in _adding(within, [chunk async for chunk in cursor]):
            if chunk["first"] > expected:
                found.append((expected, chunk["first"] - 1))
            expected = chunk["last"] + 1
        if expected < within.stop:
            found.append((expected, within.stop - 1))
        return found[:most]

    async def _count_all(self, wanted: Sequence[tuple[TestId, range]]) -> Sequence[int]:
        fields = {"_id": 0, "test_id": 1, "first": 1, "last": 1}
        chunks: dict[TestId, list[Document]] = {test: [] for test, _ in wanted}
        async for found in self._chunks.find({"$or": [_in(*one) for one in wanted]}, fields):
            chunks[found["test_id"]].append(found)
        for of_test in chunks.values():
            of_test.sort(key=itemgetter("first", "last"))
        return [sum(new for _, new in _adding(within, chunks[test])) for test, within in wanted]

    async def _insert_all(self, chunks: Sequence[Document]) -> Sequence[Exception | None]:
        try:
            if len(chunks) == 1:
                await self._chunks.insert_one(chunks[0])
            else:
                await self._chunks.insert_many(chunks, ordered=False)
        except DuplicateKeyError:
            pass
        except BulkWriteError as error:
            if any(problem["code"] != _DUPLICATE_KEY for problem in error.details["writeErrors"]):
                raise
        return [None] * len(chunks)


def _in(test: TestId, within: range) -> Document:
    return {"test_id": test, "first": {"$gte": within.start, "$lt": within.stop}}


def _adding(within: range, chunks: Iterable[Document]) -> Iterator[tuple[Document, int]]:
    """Those of the chunks, sorted by their first lines, that begin in `within` and add lines to those before them, and
    how many they add."""
    last = within.start - 1
    for chunk in chunks:
        new = chunk["last"] - max(last, chunk["first"] - 1)
        if chunk["first"] in within and new > 0:
            last = chunk["last"]
            yield chunk, new
