"""The output of one task in CloudWatch, as its follower sees it: filled by the reader of its group."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

from services.logstreamer.ports import Batch, Cursor
from services.logstreamer.sources.cloudwatch.scouting import wait_s
from services.logstreamer.sources.cloudwatch.tail import Tail
from shared.aws.logs import LogEvent

MOST_WAITING: Final = 8 << 20
"""Bytes that lie here before the reader waits for whoever stores them."""
MISSING_DRAIN_S: Final = 15.0
"""After its task has ended, a stream that does not exist will not come into being."""
LONGEST_DRAIN: Final = 10
"""Times the drain time. While nothing can be read, nobody can say that nothing is there; but not for ever."""
SLOWEST_LOOK_S: Final = 60.0


class Standing(Enum):
    """What is known of a stream."""

    UNKNOWN = auto()
    """Nobody has seen it yet: the task has not started, or the stream is gone."""
    BEHIND = auto()
    """It must be read from a place of its own on."""
    LEVEL = auto()
    """It was read to its end: the common look, at the last seconds of all streams, is enough."""


class CloudWatchFeed:
    """One task's output."""

    def __init__(self, stream: str, cursor: Cursor, *, begun_ms: int, overlap_s: float, drain_s: float) -> None:
        self.stream = stream
        # Who has a cursor has read it before, so it is there.
        self.standing = Standing.BEHIND if cursor else Standing.UNKNOWN
        self.closed = False
        self.stopped = False
        self.rewinds = 0
        self.looks_failed = 0
        self.look_again_at = 0.0
        self._tail = Tail(cursor, overlap_s=overlap_s, begun_ms=begun_ms)
        self._resume_ms: int | None = None
        self._overlap_s = overlap_s
        self._drain_s = drain_s
        self._look_every_s = overlap_s
        self._missing = False
        self._alone_since = 0.0
        self._looked_at = 0.0
        self._batches: deque[Batch] = deque()
        self._waiting = 0
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self.wake: asyncio.Event | None = None

    # -- for the follower

    async def read(self, *, wait_s: float) -> Batch:
        """What the reader has found."""
        if not self._batches:
            self._filled.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._filled.wait()
            except TimeoutError:
                return Batch([], {})
        batch = self._batches.popleft()
        self._waiting -= sum(map(len, batch.lines))
        self._emptied.set()
        return batch

    def reread(self, cursor: Cursor) -> None:
        """Something after `cursor` is missing: it may have come late."""
        if self._resume_ms is not None:
            return  # a look that takes long is under way; to begin it again and again would never end it
        self._tail.rewind(cursor)
        self._resume_ms = None
        self.rewinds += 1
        if self.standing is Standing.LEVEL:
            self.standing = Standing.BEHIND
        if self.wake is not None:
            self.wake.set()

    def gives_up(self, stopped_for_s: float) -> bool:
        """When the time is over, and the last look at it was not before the second half of that time."""
        self.stopped = True
        drain_s = min(self._drain_s, MISSING_DRAIN_S) if self._missing else self._drain_s
        looked_after_s = self._looked_at - (asyncio.get_running_loop().time() - stopped_for_s)
        if self._batches or (self._tail.waits and stopped_for_s < LONGEST_DRAIN * self._drain_s):
            return False
        seen = looked_after_s >= drain_s / 2 or stopped_for_s >= LONGEST_DRAIN * self._drain_s
        return stopped_for_s >= drain_s and seen

    def close(self) -> None:
        """Nobody reads it any more."""
        self.closed = True
        self._emptied.set()

    # -- for the reader

    @property
    def start_ms(self) -> int:
        """From when on it must be read, where it is looked at by itself."""
        return self._tail.start_ms if self._resume_ms is None else self._resume_ms

    @property
    def in_a_hurry(self) -> bool:
        """Whether what comes next is waited for."""
        return self.stopped or self._tail.waits

    def put(self, events: Sequence[LogEvent], now: float) -> bool:
        """What a look has brought, not all of it new. Whether any was."""
        return self._hand_on(self._tail.take(events, now), now)

    def _hand_on(self, batch: Batch, now: float) -> bool:
        if not batch.lines:
            return False
        self._batches.append(batch)
        self._waiting += sum(map(len, batch.lines))
        self._filled.set()
        self._look_every_s = self._overlap_s
        self.look_again_at = now + self._overlap_s
        return True

    async def room(self) -> None:
        """Returns when not too much waits here."""
        while self._waiting > MOST_WAITING and not self.closed:
            self._emptied.clear()
            await self._emptied.wait()

    def looked(self, begun: float, *, reached_ms: int | None) -> None:
        """A look that began at `begun` has seen all there was; or all before `reached_ms`, and there is more."""
        self._missing, self.looks_failed = False, 0
        self._resume_ms = reached_ms
        if reached_ms is not None:
            self.standing = Standing.BEHIND
            return
        self.standing = Standing.LEVEL
        self._looked_at = begun

    def looked_alone(self, now: float, *, reached_ms: int | None) -> None:
        """As `looked`, and the look began at its own place. If it stays silent that is not done so soon again."""
        if self.standing is Standing.LEVEL and self.is_due(now, early=True):
            self._look_every_s = min(SLOWEST_LOOK_S, 2 * self._look_every_s)
        self.look_again_at = now + self._look_every_s
        if self._resume_ms is None:
            self._alone_since = now  # else this goes on with a look that was too long for once
        self.looked(now, reached_ms=reached_ms)
        if reached_ms is None:
            self._looked_at = self._alone_since
            self._hand_on(self._tail.settle(self._alone_since), now)

    def is_due(self, now: float, *, early: bool = False) -> bool:
        """Whether it is time to read it from its own place on: the common look does not see what comes very late."""
        return now >= self.look_again_at - (self._look_every_s / 2 if early else 0.0) or self._tail.is_due(now)

    def missed(self, begun: float) -> None:
        """It is not there, for certain."""
        self._missing, self._looked_at = True, begun
        self.standing = Standing.UNKNOWN
        self.look_again_at = begun + wait_s(self.looks_failed)
        self.looks_failed += 1

    def doubted(self) -> None:
        """It may be gone."""
        self.standing = Standing.UNKNOWN
        self.look_again_at = 0.0
