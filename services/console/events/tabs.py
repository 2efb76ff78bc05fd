"""The open tabs of this console: how many there may be, and that they go elsewhere when it stops."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from services.console.errors import Problem
from services.console.events.metrics import TABS, TABS_REFUSED
from services.console.places import Full, Places


class Tabs:
    """At most `most` streams at once, `each` of one user."""

    def __init__(self, most: int, each: int) -> None:
        self._most = most
        self._each = each
        self._places = Places(most, each)
        self._draining = asyncio.Event()

    @contextmanager
    def admitted(self, user: str) -> Iterator[None]:
        """Holds the place of one stream of this user. Raises Problem where all are taken, or the console stops."""
        if self._draining.is_set():
            raise Problem("UNAVAILABLE", "This console is shutting down.", reason="SHUTTING_DOWN", retry_after_ms=1_000)
        with ExitStack() as stack:
            try:
                stack.enter_context(self._places.held(user))
            except Full as full:
                TABS_REFUSED.inc()
                whose = f"{self._each} tabs of yours" if full.of_user else f"{self._most} tabs"
                message = f"{whose} are open on this console, the most it takes. Close some, or try again later."
                raise Problem(
                    "RESOURCE_EXHAUSTED", message, reason="TOO_MANY_TABS", retry_after_ms=15_000, status=503
                ) from None
            TABS.inc()
            stack.callback(TABS.dec)
            yield

    def drain(self) -> None:
        """Ends every stream, so that its browser comes back to another console, or to the next one here."""
        self._draining.set()

    async def drained(self) -> None:
        """Waits until the console stops."""
        await self._draining.wait()
