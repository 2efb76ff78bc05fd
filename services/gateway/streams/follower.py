"""One client's side of a followed test: what happened that it has not taken yet, bounded however slow it is."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from services.gateway.errors import ShuttingDown
from services.gateway.metrics import DROPPED_BACK
from services.gateway.streams.batch import Batch
from shared.events.logs import PartialLine
from shared.store.documents import Execution

MOST_BATCHES: Final = 256
MOST_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Sight:
    """The test as the store had it, and the number of its last stored line where that was looked for."""

    execution: Execution
    last_seq: int = 0


@dataclass(frozen=True, slots=True)
class News:
    """What a follower has not seen yet."""

    batches: list[Batch] = field(default_factory=list)
    partials: list[PartialLine] = field(default_factory=list)
    """The newest of each stream."""
    sight: Sight | None = None
    lost: bool = False
    """It was too slow: lines are missing here and must be read from the store."""


class Follower:
    """Takes what the channel tells, never waits, and hands it to its client when that is ready."""

    def __init__(self, *, lines: bool, partials: bool = False) -> None:
        self.wants_lines = lines
        self.wants_partials = partials
        self._batches: deque[Batch] = deque()
        self._size = 0
        self._partials: dict[str, PartialLine] = {}
        self._sight: Sight | None = None
        self._lost = False
        self._closing = False
        self._something = asyncio.Event()

    def hear(self, batch: Batch) -> None:
        """Lines came. Where too many wait they are all let go: the store has them."""
        if self._lost:
            return
        self._batches.append(batch)
        self._size += batch.size
        if len(self._batches) > MOST_BATCHES or self._size > MOST_BYTES:
            DROPPED_BACK.inc()
            self._batches.clear()
            self._size = 0
            self._lost = True
        self._something.set()

    def hear_partials(self, partials: Sequence[PartialLine]) -> None:
        """Lines have not ended. Of each stream only the newest word on it counts."""
        self._partials |= {partial.stream: partial for partial in partials}
        self._something.set()

    def see(self, sight: Sight) -> None:
        """The test was looked at. Only the newest look counts."""
        self._sight = sight
        self._something.set()

    def close(self) -> None:
        """The gateway is going down."""
        self._closing = True
        self._something.set()

    async def news(self, within_s: float | None = None) -> News:
        """What is new, as soon as there is something; nothing after `within_s` seconds. Raises ShuttingDown."""
        if not self._something.is_set():
            try:
                async with asyncio.timeout(within_s):
                    await self._something.wait()
            except TimeoutError:
                return News()
        if self._closing:
            raise ShuttingDown
        self._something.clear()
        news = News(list(self._batches), list(self._partials.values()), self._sight, self._lost)
        self._batches.clear()
        self._partials.clear()
        self._size = 0
        self._sight = None
        self._lost = False
        return news
