"""A browser tab that follows feeds: reads server-sent events as a browser does (HTML standard, 9.2.6)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

SILENCE_S = 15.0


@dataclass(frozen=True)
class Event:
    id: str
    feed: str
    kind: str
    data: dict[str, Any]
    retry: bool | None


class Tab:
    """One open stream. What it has seen is kept."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.events: list[Event] = []
        self.comments = 0
        self.last_id = ""
        self.ended = False
        self._lines = response.aiter_lines()

    async def next(self) -> Event | None:
        """The next event; None at the end of the stream."""
        async for line in self._lines:
            name, _, value = line.partition(": ")
            if name == "id":
                self.last_id = value
            elif name == "data":
                said = json.loads(value)
                event = Event(self.last_id, said["feed"], said["kind"], said["data"], said.get("retry"))
                self.events.append(event)
                return event
            elif line.startswith(":"):
                self.comments += 1
        self.ended = True
        return None

    async def to(self, fits: Callable[[Event], bool], *, what: str = "") -> Event:
        """Reads on to the next event that `fits`. Fails where none comes for long."""
        while True:
            try:
                async with asyncio.timeout(SILENCE_S):
                    event = await self.next()
            except TimeoutError:
                raise AssertionError(f"nothing came for {SILENCE_S} s: {what}; {self.events[-3:]}") from None
            assert event is not None, f"the stream has ended: {what}"
            if fits(event):
                return event

    async def to_seq(self, seq: int, *, feed: str = "l") -> None:
        """Reads on to this line of a log, or what comes after it."""
        if not (self.seqs(feed) and self.seqs(feed)[-1] >= seq):
            await self.to(lambda _: bool(self.seqs(feed)) and self.seqs(feed)[-1] >= seq, what=f"line {seq}")

    async def to_end(self) -> None:
        """Reads on to the end of the stream."""
        while await self.next():
            pass

    def of(self, feed: str, kind: str) -> list[Event]:
        return [event for event in self.events if (event.feed, event.kind) == (feed, kind)]

    def seqs(self, feed: str = "l") -> list[int]:
        """Numbers of the lines of a log, in the order in which they came."""
        return [int(line["seq"]) for event in self.of(feed, "log") for line in event.data.get("lines", ())]


def query(*feeds: dict[str, Any], last: str = "") -> dict[str, str]:
    return {"feeds": json.dumps(feeds)} | ({"lastEventId": last} if last else {})


@asynccontextmanager
async def tab(
    browser: httpx2.AsyncClient, *feeds: dict[str, Any], last: str = "", header: str = ""
) -> AsyncIterator[Tab]:
    """An open tab. `last`: its token in the query; `header`: as the browser sends it when it reconnects by itself."""
    headers = {"last-event-id": header} if header else {}
    async with browser.stream("GET", "/events", params=query(*feeds, last=last), headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        yield Tab(response)
