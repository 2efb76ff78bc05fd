"""The replicas that were heard of lately. Owns what is remembered, and for how long; judges nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from services.gateway.health.judgement import GONE_S, SERVICES, Heard
from shared.clock import Clock
from shared.telemetry.report import Report

REMEMBERED: Final = timedelta(minutes=10)
FRESH: Final = timedelta(seconds=3)
"""A report that is younger needs not be asked for: the next one is not due yet."""
MOST: Final = 1_000
"""Replicas that are remembered. Whoever may publish on the bus may invent any number."""


class Roster:
    """The newest report of each replica."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard: dict[tuple[str, str], Heard] = {}
        self._news = asyncio.Event()

    def hear(self, report: Report) -> None:
        """Remembers a report. The last one of a replica forgets it."""
        name = (report.service, report.instance)
        known = self._heard.get(name)
        if report.service not in SERVICES:
            return
        if report.leaving and known and known.report.started_at != report.started_at:
            return  # another one has taken the name meanwhile
        self._heard.pop(name, None)
        if not report.leaving:
            while len(self._heard) >= MOST:
                del self._heard[next(iter(self._heard))]  # the longest silent: a dictionary keeps its order
            self._heard[name] = Heard(report, self._clock.now())
        self._news.set()

    def everybody(self) -> list[Heard]:
        """All that were heard of in the last REMEMBERED."""
        since = self._clock.now() - REMEMBERED
        for name in [name for name, heard in self._heard.items() if heard.at < since]:
            del self._heard[name]
        return list(self._heard.values())

    def complete(self) -> bool:
        """Whether there is a replica of each service, and all were heard of just now. Those that are long gone are
        waited for no more; of those that start there may be better news."""
        now, known = self._clock.now(), self.everybody()
        here = [heard for heard in known if now - heard.at < timedelta(seconds=GONE_S)]
        return {heard.report.service for heard in here} >= set(SERVICES) and all(
            now - heard.at < FRESH and not heard.report.starting for heard in here
        )

    async def when_complete(self) -> None:
        """Waits until it is."""
        while not self.complete():
            self._news.clear()
            await self._news.wait()
