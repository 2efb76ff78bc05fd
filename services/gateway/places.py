"""Where waiting tests stand in the queue: one look at its head for all who ask, so it costs the same at any length."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from assay.v1 import test_pb2
from services.gateway.ports import Line
from services.gateway.translate import duration
from shared.ids import TestId

HEAD: Final = 1_000
"""Places are told for so many tests; further back nothing exact is known without counting a long queue for each."""
FRESH_S: Final = 1.0
NEWCOMER_S: Final = 0.1
"""A test that is not in the last look may have entered the queue since: then it is looked again, this often at most."""


@dataclass(frozen=True, slots=True)
class _Look:
    at: float
    position: dict[TestId, int] = field(default_factory=dict)
    seconds_each: float | None = None
    """How long the queue takes to move up by one."""


class Places:
    """The head of the queue as it was a moment ago."""

    def __init__(self, line: Line, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._line = line
        self._monotonic = monotonic
        self._last = _Look(at=float("-inf"))
        self._turn = asyncio.Lock()

    async def of(self, test_id: TestId) -> test_pb2.QueuePlace | None:
        """The place of a waiting test; None for one that does not wait or stands too far back to tell."""
        look = await self._look(FRESH_S)
        if test_id not in look.position and len(look.position) < HEAD:
            look = await self._look(NEWCOMER_S)
        position = look.position.get(test_id)
        if position is None:
            return None
        each = look.seconds_each
        return test_pb2.QueuePlace(
            position=position, estimated_wait=None if each is None else duration(round(each * position, 1))
        )

    async def _look(self, fresh_s: float) -> _Look:
        if self._monotonic() - self._last.at < fresh_s:
            return self._last
        async with self._turn:
            if self._monotonic() - self._last.at >= fresh_s:  # else somebody looked while we waited
                started = self._monotonic()
                head, figures = await asyncio.gather(self._line.head(HEAD), self._line.figures())
                position = {entry.id: place for place, entry in enumerate(head, 1)}
                # Little's law: what waits divided by how long it waits is how fast it leaves.
                each = figures.average_wait_s / max(figures.pending, len(head), 1)
                self._last = _Look(started, position, each or None)
        return self._last
