"""The response of one tab: its feeds, one after the other on one socket. Knows neither gRPC nor sessions.

Memory is bounded: a feed reads its next message when the one before was written, and a write waits for the browser. Of
one that takes nothing for long the feeds end, and it comes back to where it was when it reads again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, aclosing
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.console.errors import Problem
from services.console.events import frames
from services.console.events.feeds import Feed
from services.console.events.follow import Open, SessionOver, followed
from services.console.events.metrics import EVENT_BYTES, EVENTS, FEEDS, TABS_STALLED
from services.console.events.positions import Positions
from services.console.events.tabs import Tabs
from shared.background import end

log = structlog.get_logger()

PING_S: Final = 15.0
"""Proxies close connections that are silent for long: 30 to 60 s by default."""
STALLED_S: Final = 30.0
"""The largest event takes 13 kB/s in this time. What waits beyond it is held for a tab that is frozen or broken."""
COME_BACK_MS: Final = (500, 2_500)
"""Browsers spread out when a console stops: each is told a time between these."""


class _Over(Exception):
    """The stream ends. A browser that is still there comes back by itself."""


class _Stalled(Exception):
    """The browser takes nothing. Its connection is closed when it has taken what was written."""


class EventStream(Response):
    """Events of `feeds` after `positions`, until the browser goes, the session ends or the console stops."""

    media_type = "text/event-stream"
    charset = "utf-8"

    def __init__(
        self,
        feeds: Sequence[Feed],
        positions: Positions,
        opening: AbstractContextManager[Open],
        tabs: Tabs,
        user: str,
        *,
        lasts_s: float,
        ping_s: float = PING_S,
    ) -> None:
        """`lasts_s`: when the browser is to come back, with another key or token."""
        self.status_code = 200
        self.background = None
        # no-transform: a proxy that compresses would hold events back; nginx holds back without the last one, too.
        self.init_headers({"cache-control": "no-store, no-transform", "x-accel-buffering": "no"})
        self._feeds = feeds
        self._positions = positions
        self._opening = opening
        self._tabs = tabs
        self._user = user
        self._lasts_s = lasts_s
        self._ping_s = ping_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with self._tabs.admitted(self._user), self._opening as open_call:
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                await self._served(_Writer(send, self._positions), receive, open_call)
        except Problem as refused:
            await refused.response()(scope, receive, send)

    async def _served(self, writer: _Writer, receive: Receive, open_call: Open) -> None:
        async def browser_goes() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            raise _Over

        async def console_stops() -> None:
            await self._tabs.drained()
            raise _Over

        async def session_ends() -> None:
            await asyncio.sleep(self._lasts_s)
            raise _Over

        problem: Problem | None = None
        try:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(browser_goes())
                    tasks.create_task(console_stops())
                    tasks.create_task(session_ends())
                    await writer.raw(frames.reconnect(random.randint(*COME_BACK_MS)))
                    await writer.told("", "hello", {"serverTime": datetime.now(UTC).isoformat().replace("+00:00", "Z")})
                    tasks.create_task(writer.pings(self._ping_s))
                    for feed in self._feeds:
                        tasks.create_task(self._follow(feed, writer, open_call))
            except* _Over:
                pass
            except* SessionOver as over:
                problem = _first(over).problem
            if problem:
                await writer.told("", "error", problem.body, retry=False)
            await writer.end()
        except* _Stalled:
            TABS_STALLED.inc()
            log.info("tab_stalled", user=self._user)
            await self._taken(writer)

    async def _taken(self, writer: _Writer) -> None:
        """Waits until the browser has taken what was written, or has gone. Until then its connection is there, and it
        keeps its place: else one user could hold any number of them."""
        async with asyncio.TaskGroup() as tasks:
            waiting = [tasks.create_task(writer.taken()), tasks.create_task(self._tabs.drained())]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            await end(waiting)

    async def _follow(self, feed: Feed, writer: _Writer, open_call: Open) -> None:
        with FEEDS.labels(feed.kind).track_inprogress():
            async with aclosing(followed(feed, self._positions.of(feed.id), open_call)) as events:
                async for event in events:
                    more = {} if event.retry is None else {"retry": event.retry}
                    await writer.told(feed.id, event.kind, event.data, position=event.position, **more)


def _first(errors: BaseExceptionGroup[SessionOver]) -> SessionOver:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, SessionOver)
    return error


class _Writer:
    """The socket, which is one event's at a time. Whoever waits longest is next."""

    def __init__(self, send: Send, positions: Positions) -> None:
        self._send = send
        self._positions = positions
        self._turn = asyncio.Lock()
        self._wrote = time.monotonic()

    async def told(
        self, feed: str, kind: str, data: dict[str, Any], *, position: int | None = None, **more: Any
    ) -> None:
        async with self._turn:
            if position is not None:
                self._positions.move(feed, position)
            frame = frames.event(feed, kind, data, token=self._positions.token, **more)
            await self._write(frame)
        EVENTS.labels(kind).inc()
        EVENT_BYTES.inc(len(frame))

    async def raw(self, frame: bytes) -> None:
        async with self._turn:
            await self._write(frame)

    async def pings(self, every_s: float) -> None:
        """A sign of life whenever nothing was written for so long."""
        while True:
            silent_s = time.monotonic() - self._wrote
            if silent_s >= every_s:
                await self.raw(frames.PING)
            await asyncio.sleep(every_s - (time.monotonic() - self._wrote))

    async def end(self) -> None:
        """Also where the browser has gone: tabs come and go, and nothing broke off."""
        await self._write(b"", more=False)

    async def taken(self) -> None:
        """Waits until there is room for more, or nobody there."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": True})

    async def _write(self, frame: bytes, *, more: bool = True) -> None:
        """Raises _Stalled."""
        try:
            async with asyncio.timeout(STALLED_S):
                await self._send({"type": "http.response.body", "body": frame, "more_body": more})
        except TimeoutError:
            raise _Stalled from None
        self._wrote = time.monotonic()
