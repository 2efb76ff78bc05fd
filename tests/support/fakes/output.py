"""The log streamer's ports: a feed that a test fills, a store of chunks in memory, a wire that keeps letters."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from services.logstreamer.ports import Batch, Cursor
from shared.events.base import Event
from shared.events.letter import Letter
from shared.ids import TestId
from shared.store.documents import Chunk, Execution, StoredLine


class FilledFeed:
    """Hands out what `put` gave it, batch by batch; its cursor counts lines."""

    def __init__(self, *, drain_s: float = 0.05) -> None:
        self._batches: asyncio.Queue[Sequence[bytes]] = asyncio.Queue()
        self._line = 0
        self._drain_s = drain_s
        self.rereads: list[Cursor] = []
        self.closed = False

    def put(self, *lines: bytes) -> None:
        self._batches.put_nowait(lines)

    async def read(self, *, wait_s: float) -> Batch:
        try:
            async with asyncio.timeout(min(wait_s, 0.01)):
                lines = await self._batches.get()
        except TimeoutError:
            lines = ()
        self._line += len(lines)
        return Batch(lines, {"line": self._line})

    def reread(self, cursor: Cursor) -> None:
        self.rereads.append(cursor)

    def gives_up(self, stopped_for_s: float) -> bool:
        return stopped_for_s >= self._drain_s

    def close(self) -> None:
        self.closed = True


class ChunksInMemory:
    """Keeps the chunks in the order they were stored."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []

    async def append(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)

    async def last(self, test: TestId, *, within: range) -> Chunk | None:
        return max(self.chunks, key=lambda chunk: chunk.last, default=None)

    async def read(self, test: TestId, *, from_seq: int, limit: int) -> list[StoredLine]:
        lines = {line.seq: line for chunk in self.chunks for line in chunk.lines if line.seq >= from_seq}
        return [lines[seq] for seq in sorted(lines)][:limit]

    async def account(self, test: TestId, *, within: range) -> tuple[int, int]:
        return len({number for number in self.numbers if number in within}), 0

    async def count(self, test: TestId, *, within: range) -> int:
        return len(set(self.numbers))

    async def holes(self, test: TestId, *, within: range, most: int) -> list[tuple[int, int]]:
        missing = [number for number in within if number not in set(self.numbers)]
        starts = [number for number in missing if number - 1 not in missing]
        ends = [number for number in missing if number + 1 not in missing]
        return list(zip(starts, ends, strict=True))[:most]

    @property
    def numbers(self) -> list[int]:
        return [line.seq for chunk in self.chunks for line in chunk.lines]


class KeptLetters:
    """A wire that keeps what it was given."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []

    def announce(self, letters: Sequence[Letter]) -> None:
        self.letters += letters

    @property
    def subjects(self) -> list[str]:
        return [".".join(letter.subject.split(".", 2)[:2]) for letter in self.letters]


class OneTest:
    """Keeps what a follower writes into its test."""

    def __init__(self) -> None:
        self.written: dict[str, Any] = {}
        self.told: list[Event] = []

    async def change(
        self,
        test_id: TestId,
        *,
        where: Mapping[str, Any],
        set: Mapping[str, Any],  # noqa: A002 - the name of the operator
        unset: Sequence[str] = (),
        telling: Sequence[Event] = (),
        traceparent: str = "",
        brief: bool = False,
        durable: bool = True,
    ) -> Execution | None:
        self.written |= set
        self.told += telling
        return None

    async def get_many(self, tests: Iterable[TestId]) -> dict[TestId, Execution]:
        raise NotImplementedError

    async def followed_by(self, follower: str, limit: int) -> list[TestId]:
        raise NotImplementedError

    async def unread(self, now: datetime, limit: int) -> list[TestId]:
        raise NotImplementedError

    async def renew_logs(self, tests: Iterable[TestId], follower: str, until: datetime) -> None:
        raise NotImplementedError
