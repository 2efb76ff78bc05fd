"""An event loop on which time passes only while everybody waits, and then at once: an hour takes no time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")


class _Instant(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found: Sequence[tuple[selectors.SelectorKey, int]] = super().select(0)
        if not found:
            assert timeout is not None, "everybody waits, and nothing will ever happen"
            self.now += timeout
        return list(found)


class InstantLoop(asyncio.SelectorEventLoop):
    """For work that uses no threads and no sockets."""

    def __init__(self) -> None:
        self._instant = _Instant()
        super().__init__(self._instant)

    def time(self) -> float:
        return self._instant.now


class LoopClock:
    """The time of day, as far as the running loop's time has gone."""

    def __init__(self, start: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)) -> None:
        self._start = start

    def now(self) -> datetime:
        return self._start + timedelta(seconds=asyncio.get_running_loop().time())


def instantly(story: Coroutine[Any, Any, T]) -> T:
    """Runs `story` on such a loop."""
    with asyncio.Runner(loop_factory=InstantLoop) as runner:
        return runner.run(story)
