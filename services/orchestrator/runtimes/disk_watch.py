"""Looks now and then at what an installation takes of the disk, and calls once it is too much.

Knows the event loop and how to measure; what is done about it is process.py's business.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from services.orchestrator.runtimes.disk_use import Endless

_LOOK_S: Final = 2.0
_REST: Final = 20
"""How many times as long as a look takes there is none: a large folder must not keep a processor busy. But as soon as
the disk has lost a part of what is allowed, or millions of files would be a way to be left alone with it."""
_PART: Final = 8


class DiskWatch:
    """One installation, from its start to its end."""

    def __init__(
        self, measure: Callable[[], int], free: Callable[[], int], *, limit: int, exceeded: Callable[[], None]
    ) -> None:
        """`measure`: bytes that it takes, in a thread. `free`: bytes that the disk has left, quickly. `limit`: how many
        are too many. `exceeded`: called at most once."""
        self._loop = asyncio.get_running_loop()
        self._measure = measure
        self._free = free
        self._free_then = free()
        self._rests_until = 0.0
        self._limit = limit
        self._exceeded = exceeded
        self._closed = False
        self._timer = self._loop.call_later(_LOOK_S, self._look)

    def close(self) -> None:
        """Looks no more."""
        self._closed = True
        self._timer.cancel()

    def _look(self) -> None:
        free = self._free()
        if self._loop.time() < self._rests_until and self._free_then - free <= self._limit // _PART:
            self._timer = self._loop.call_later(_LOOK_S, self._look)
            return
        self._free_then = free
        self._loop.run_in_executor(None, self._measured).add_done_callback(self._seen)

    def _measured(self) -> tuple[int, float]:
        started = time.monotonic()
        try:
            size = self._measure()
        except Endless:
            size = self._limit + 1
        except OSError:  # we could not look, which says nothing about it
            size = 0
        return size, time.monotonic() - started

    def _seen(self, look: asyncio.Future[tuple[int, float]]) -> None:
        if self._closed or look.cancelled():
            return
        size, took = look.result()
        if size > self._limit:
            self._closed = True
            self._exceeded()
        else:
            self._rests_until = self._loop.time() + took * _REST
            self._timer = self._loop.call_later(_LOOK_S, self._look)
