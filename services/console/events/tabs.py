"""The open tabs of this console: how many there may be, and that they go elsewhere when it stops."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from services.console.errors import Problem
from services.console.events.metrics import TABS, TABS_REFUSED


class Tabs:
    """At most `most` streams at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open = 0
        self._draining = asyncio.Event()

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Holds the place of one stream. Raises Problem where all are taken, or the console stops."""
        if self._draining.is_set():
            raise Problem("UNAVAILABLE", "This console is shutting down.", reason="SHUTTING_DOWN", retry_after_ms=1_000)
        if self._open >= self._most:
            TABS_REFUSED.inc()
            message = f"{self._most} tabs are open on this console, the most it takes. Close some, or try again later."
            raise Problem("RESOURCE_EXHAUSTED", message, reason="TOO_MANY_TABS", retry_after_ms=15_000, status=503)
        self._open += 1
        TABS.inc()
        try:
            yield
        finally:
            self._open -= 1
            TABS.dec()

    def drain(self) -> None:
        """Ends every stream, so that its browser comes back to another console, or to the next one here."""
        self._draining.set()

    async def drained(self) -> None:
        """Waits until the console stops."""
        await self._draining.wait()
