"""What the log streamer needs from the outside: output to read, a place to keep it, and the tests it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from pydantic import JsonValue

from shared.events.base import Event
from shared.events.letter import Letter
from shared.ids import TestId
from shared.store.documents import Chunk, Execution, StoredLine

Cursor = Mapping[str, JsonValue]
"""Where to read on: a plain value that any replica understands. Empty at the beginning."""


class Batch(NamedTuple):
    """What a source had."""

    lines: Sequence[bytes]
    """Whole lines of output, without their line ends, in the order they were found."""
    cursor: Cursor
    """Where to read on after them."""


class Feed(Protocol):
    """The output of one task."""

    async def read(self, *, wait_s: float) -> Batch:
        """What is new; waits for it `wait_s` seconds at most. An empty batch says that there is nothing now."""
        ...

    def reread(self, cursor: Cursor) -> None:
        """Something that was written after `cursor` has not come: looks there again, if that can help."""
        ...

    def gives_up(self, stopped_for_s: float) -> bool:
        """Whether what has not come so long after the end of the task will not come at all.

        Asked after every read that brought nothing."""
        ...

    def close(self) -> None:
        """Lets go of it."""
        ...


class Source(Protocol):
    """A sort of place where tasks leave their output."""

    def reads(self, log_source: Mapping[str, JsonValue]) -> bool:
        """Whether this can be read from here. What cannot is left to those who can."""
        ...

    def follow(self, log_source: Mapping[str, JsonValue], cursor: Cursor, *, since: datetime) -> Feed:
        """The output that `log_source` names (task.started), from `cursor` on; nothing in it is older than `since`."""
        ...


class Chunks(Protocol):
    """The stored lines (shared.store.logs)."""

    async def append(self, chunk: Chunk) -> None: ...
    async def last(self, test: TestId, *, within: range) -> Chunk | None: ...
    async def read(self, test: TestId, *, from_seq: int, limit: int) -> list[StoredLine]: ...
    async def account(self, test: TestId, *, within: range) -> tuple[int, int]: ...
    async def count(self, test: TestId, *, within: range) -> int: ...
    async def holes(self, test: TestId, *, within: range, most: int) -> list[tuple[int, int]]: ...


class Wire(Protocol):
    """The way to whoever listens now (shared.bus.relay)."""

    def announce(self, letters: Sequence[Letter]) -> None: ...


class Tests(Protocol):
    """The stored tests (shared.store.executions)."""

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
    ) -> Execution | None: ...
    async def get_many(self, tests: Iterable[TestId]) -> dict[TestId, Execution]: ...
    async def followed_by(self, follower: str, limit: int) -> list[TestId]: ...
    async def unread(self, now: datetime, limit: int) -> list[TestId]: ...
    async def renew_logs(self, tests: Iterable[TestId], follower: str, until: datetime) -> None: ...
