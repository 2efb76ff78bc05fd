"""Reads all the streams of one log group together: one loop, and one call for up to a hundred streams.

Three sorts of calls make a look. The common one covers the last seconds of every stream that is level. Streams that
have a place of their own (taken over, asked to be read again, silent for long) share another. Those that are not known
to exist are asked for apart, as one of them would spoil the call for the others.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from itertools import islice
from typing import Final

import structlog

from services.logstreamer.metrics import CLOUDWATCH_EVENTS
from services.logstreamer.sources.cloudwatch import scouting
from services.logstreamer.sources.cloudwatch.feed import CloudWatchFeed, Standing
from services.logstreamer.sources.cloudwatch.pace import Pace
from services.logstreamer.sources.cloudwatch.port import GroupMissing, NotNow, Reach, StreamMissing
from services.logstreamer.sources.cloudwatch.scouting import Scouting
from shared.aws.logs import MOST_STREAMS, LogEvent
from shared.clock import Clock

log = structlog.get_logger()

MOST_PAGES: Final = 8
"""Of one call in one look, so that a task with a long output does not hold the others up."""


class GroupReader:
    """One log group."""

    def __init__(
        self, group: str, reach: Callable[[], Awaitable[Reach]], clock: Clock, *, pace: Pace, overlap_s: float
    ) -> None:
        self._group = group
        self._open = reach
        self._clock = clock
        self._pace = pace
        self._overlap_ms = round(overlap_s * 1000)
        self._feeds: list[CloudWatchFeed] = []
        self._wake = asyncio.Event()
        self._scouting = Scouting()
        self._round_ms = 0
        self._resume_ms: int | None = None
        self._calls = 0
        self._refusals = 0
        self._news = False
        self._last_news = 0.0

    def add(self, feed: CloudWatchFeed) -> None:
        """Reads this one, too, and soon."""
        feed.wake = self._wake
        self._feeds.append(feed)
        self._wake.set()

    async def run(self) -> None:
        """Looks at the group again and again, until there is nobody left to look for."""
        loop = asyncio.get_running_loop()
        self._last_news = loop.time()
        self._round_ms = self._now_ms()
        while self._still_wanted():
            begun = loop.time()
            self._wake.clear()
            pause = await self._look()
            await self._rest(begun + self._pace.fastest_s, begun + pause)

    def _still_wanted(self) -> bool:
        self._feeds = [feed for feed in self._feeds if not feed.closed]
        return bool(self._feeds)

    async def _rest(self, earliest: float, latest: float) -> None:
        """Until `latest`, or `earliest` where somebody asks for it."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(latest):
                await self._wake.wait()
        except TimeoutError:
            return
        await asyncio.sleep(max(0.0, (latest if self._refusals else min(earliest, latest)) - loop.time()))

    # -- one look

    async def _look(self) -> float:
        """Looks once; answers with how many seconds later to look again."""
        loop = asyncio.get_running_loop()
        self._calls, self._news = 0, False
        try:
            reach = await self._open()
            await self._look_at_level_ones(reach)
            await self._look_at_single_ones(reach)
            await self._look_for_unknown_ones(reach)
        except GroupMissing as error:
            self._refused("log_group_is_missing", error)
            for feed in self._feeds:
                feed.missed(loop.time())
            return self._pace.slowest_s
        except NotNow as error:
            self._refused("cloudwatch_refuses", error)
        except Exception as error:  # noqa: BLE001 - a bug of ours in one look must not end those of all tests
            self._refused("cloudwatch_look_failed", error)
        else:
            if self._refusals:
                log.info("cloudwatch_answers_again", group=self._group, after=self._refusals)
            self._refusals = 0
        if self._refusals:
            return self._pace.after_refusal(self._refusals)
        if self._news:
            self._last_news = loop.time()
        hurry = any(feed.in_a_hurry for feed in self._feeds)
        starting = bool(self._in(Standing.UNKNOWN))
        quiet_for_s = loop.time() - self._last_news
        return self._pace.after(hurry=hurry, starting=starting, quiet_for_s=quiet_for_s, calls=self._calls)

    def _refused(self, event: str, error: Exception) -> None:
        self._refusals += 1
        if self._refusals & (self._refusals - 1) == 0:  # the first, the second, the fourth ...
            log.warning(event, group=self._group, streams=len(self._feeds), times=self._refusals, error=str(error))

    async def _look_at_level_ones(self, reach: Reach) -> None:
        begun_ms, goes_on_at = self._now_ms(), []
        level = self._in(Standing.LEVEL)
        if not level:
            self._round_ms, self._resume_ms = begun_ms, None
        start_ms = self._round_ms - self._overlap_ms if self._resume_ms is None else self._resume_ms
        for feeds in _hundreds(level):
            begun = asyncio.get_running_loop().time()
            try:
                end_ms = await self._read(reach, feeds, start_ms)
            except StreamMissing:
                self._doubt(feeds)
                continue
            if end_ms is not None:
                goes_on_at.append(end_ms)
                continue
            for feed in feeds:
                if feed.standing is Standing.LEVEL:  # and was not asked to be read again meanwhile
                    feed.looked(begun, reached_ms=None)
        # A round that takes several looks goes on where it stopped. The next one begins before the beginning of this
        # one: what came late may lie behind us anywhere.
        if self._resume_ms is None:
            self._round_ms = begun_ms
        self._resume_ms = min(goes_on_at, default=None)

    async def _look_at_single_ones(self, reach: Reach) -> None:
        now = asyncio.get_running_loop().time()
        level = self._in(Standing.LEVEL)
        # One that is due takes those along that will be soon: a call more for one is a call more for a hundred.
        early = any(feed.is_due(now) for feed in level)
        due = [feed for feed in level if early and feed.is_due(now, early=True)]
        alone = sorted(self._in(Standing.BEHIND) + due, key=lambda feed: feed.start_ms)
        for feeds in _hundreds(alone):
            try:
                await self._read_alone(reach, feeds)
            except StreamMissing:
                self._doubt(feeds)

    async def _look_for_unknown_ones(self, reach: Reach) -> None:
        now = asyncio.get_running_loop().time()
        unknown = [feed for feed in self._in(Standing.UNKNOWN) if feed.is_due(now)]
        # Those that were there a moment ago first: one that was missing before would spoil their call, too.
        unknown.sort(key=lambda feed: (not feed.stopped, feed.looks_failed))
        for _ in range(scouting.A_LOOK):
            group = self._scouting.group(unknown)
            if not group:
                return
            try:
                await self._read_alone(reach, group)
            except StreamMissing:
                self._scouting.missing(len(group))
                if len(group) > 1:
                    self._news = True  # some of them may be there: go on soon
                    continue
                group[0].missed(asyncio.get_running_loop().time())
            else:
                self._scouting.found(len(group))
                self._news = True
            unknown = [feed for feed in unknown if feed not in group]

    async def _read_alone(self, reach: Reach, feeds: Sequence[CloudWatchFeed]) -> None:
        begun = asyncio.get_running_loop().time()
        places = [(feed, feed.rewinds, feed.start_ms) for feed in feeds]
        end_ms = await self._read(reach, feeds, min(start_ms for _, _, start_ms in places))
        for feed, rewinds, start_ms in places:
            if feed.rewinds == rewinds:  # else it was asked to be read again meanwhile
                feed.looked_alone(begun, reached_ms=None if end_ms is None else max(end_ms, start_ms))

    async def _read(self, reach: Reach, feeds: Sequence[CloudWatchFeed], start_ms: int) -> int | None:
        """Hands on what these streams have from `start_ms` on. None where that was all, else up to when it goes."""
        by_name: dict[str, list[CloudWatchFeed]] = defaultdict(list)
        for feed in feeds:
            by_name[feed.stream].append(feed)
        pages = 0
        self._calls += 1
        async with aclosing(reach.pages(self._group, list(by_name), start_ms=start_ms)) as found:
            async for events in found:
                pages += 1
                self._calls += pages > 1
                await self._hand_on(events, by_name)
                if pages >= MOST_PAGES and events and events[-1].at_ms > start_ms:
                    self._news = True
                    return events[-1].at_ms
        return None

    async def _hand_on(self, events: Sequence[LogEvent], feeds: dict[str, list[CloudWatchFeed]]) -> None:
        now = asyncio.get_running_loop().time()
        CLOUDWATCH_EVENTS.inc(len(events))
        of_stream: dict[str, list[LogEvent]] = defaultdict(list)
        for event in events:
            of_stream[event.stream].append(event)
        for name, readers in feeds.items():
            for feed in readers:
                if feed.put(of_stream[name], now):
                    self._news = True
                    await feed.room()

    def _doubt(self, feeds: Sequence[CloudWatchFeed]) -> None:
        """One of these is gone, nobody says which."""
        self._scouting.missing(len(feeds))
        for feed in feeds:
            feed.doubted()

    def _in(self, standing: Standing) -> list[CloudWatchFeed]:
        return [feed for feed in self._feeds if feed.standing is standing and not feed.closed]

    def _now_ms(self) -> int:
        return round(self._clock.now().timestamp() * 1000)


def _hundreds(feeds: Iterable[CloudWatchFeed]) -> Iterator[list[CloudWatchFeed]]:
    rest = iter(feeds)
    while part := list(islice(rest, MOST_STREAMS)):
        yield part
