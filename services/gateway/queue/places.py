"""Where waiting tests stand in the queue: one look at its head for all who ask, so it costs the same at any length."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from assay.v1 import test_pb2
from services.gateway.ports import Line, SlotPool
from services.gateway.queue.estimate import estimated_wait_s
from services.gateway.translate import duration
from shared.clock import Clock
from shared.ids import TestId
from shared.store.queue import Spell
from shared.store.slots import Pool

HEAD: Final = 1_000
"""Places are told for so many tests; further back nothing exact is known without counting a long queue for each."""
FRESH_S: Final = 1.0
NEWCOMER_S: Final = 0.1
"""A test that is not in the last look may have entered the queue since: then it is looked again, this often at most."""


@dataclass(frozen=True, slots=True)
class _Look:
    at: float
    time: datetime
    position: Mapping[TestId, int]
    pool: Pool
    holds: Sequence[Spell]


class Places:
    """The head of the queue as it was a moment ago."""

    def __init__(
        self, line: Line, slots: SlotPool, clock: Clock, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._line = line
        self._slots = slots
        self._clock = clock
        self._monotonic = monotonic
        self._last = _Look(float("-inf"), clock.now(), {}, Pool(0), [])
        self._turn = asyncio.Lock()

    async def of(self, test_id: TestId) -> test_pb2.QueuePlace | None:
        """The place of a waiting test; None for one that does not wait or stands too far back to tell."""
        look = await self._look(FRESH_S)
        if test_id not in look.position and len(look.position) < HEAD:
            look = await self._look(NEWCOMER_S)
        position = look.position.get(test_id)
        if position is None:
            return None
        wait_s = estimated_wait_s(position, look.pool, look.holds, look.time)
        return test_pb2.QueuePlace(
            position=position, estimated_wait=None if wait_s is None else duration(round(wait_s, 1))
        )

    async def _look(self, fresh_s: float) -> _Look:
        if self._monotonic() - self._last.at < fresh_s:
            return self._last
        async with self._turn:
            if self._monotonic() - self._last.at >= fresh_s:  # else somebody looked while we waited
                started = self._monotonic()
                head, pool, holds = await asyncio.gather(
                    self._line.head(HEAD), self._slots.pool(), self._line.recent_holds()
                )
                position = {entry.id: place for place, entry in enumerate(head, 1)}
                self._last = _Look(started, self._clock.now(), position, pool, holds)
        return self._last
