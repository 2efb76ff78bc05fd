"""All CloudWatch log groups that are read, each by one reader; opened with the first task that writes to one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog
from pydantic import JsonValue

from services.logstreamer.ports import Cursor
from services.logstreamer.sources.cloudwatch.feed import CloudWatchFeed
from services.logstreamer.sources.cloudwatch.pace import Pace
from services.logstreamer.sources.cloudwatch.port import NotNow, OpenReach, Reach
from services.logstreamer.sources.cloudwatch.reader import GroupReader
from shared.background import end
from shared.clock import Clock

log = structlog.get_logger()

SKEW: Final = timedelta(minutes=1)
"""By how much the clock of a task's machine may be behind ours."""


class CloudWatchSource:
    """Reads a group for as long as somebody follows one of its streams."""

    def __init__(
        self,
        reach: OpenReach,
        clock: Clock,
        tasks: asyncio.TaskGroup,
        *,
        pace: Pace,
        overlap_s: float,
        drain_s: float,
    ) -> None:
        """`reach` is called once for each region."""
        self._reach = reach
        self._clock = clock
        self._tasks = tasks
        self._pace = pace
        self._overlap_s = overlap_s
        self._drain_s = drain_s
        self._readers: dict[tuple[str, str], GroupReader] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._regions: dict[str, Reach] = {}
        self._opening = asyncio.Lock()

    def reads(self, log_source: Mapping[str, JsonValue]) -> bool:
        """Any that says where it is: CloudWatch can be read from everywhere."""
        return all(isinstance(log_source.get(name), str) and log_source[name] for name in ("region", "group", "stream"))

    def follow(self, log_source: Mapping[str, JsonValue], cursor: Cursor, *, since: datetime) -> CloudWatchFeed:
        """The stream `stream` of `group` in `region`, from the instant `ms` of the cursor on, and a little before."""
        feed = CloudWatchFeed(
            str(log_source["stream"]),
            cursor,
            begun_ms=round((since - SKEW).timestamp() * 1000),
            overlap_s=self._overlap_s,
            drain_s=self._drain_s,
        )
        self._reader(str(log_source["region"]), str(log_source["group"])).add(feed)
        return feed

    async def aclose(self) -> None:
        """Ends all reading."""
        await end(self._running)
        for reach in self._regions.values():
            reach.close()
        self._regions.clear()

    def _reader(self, region: str, group: str) -> GroupReader:
        reader = self._readers.get((region, group))
        if reader is None:
            reader = GroupReader(
                group, partial(self._opened, region), self._clock, pace=self._pace, overlap_s=self._overlap_s
            )
            self._readers[region, group] = reader
            task = self._tasks.create_task(self._run(region, group, reader))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return reader

    async def _run(self, region: str, group: str, reader: GroupReader) -> None:
        try:
            await reader.run()
        finally:  # nothing is awaited in between, so nobody can join a reader that has ended
            del self._readers[region, group]

    async def _opened(self, region: str) -> Reach:
        async with self._opening:
            if region not in self._regions:
                try:
                    self._regions[region] = await self._reach(region)
                except NotNow:
                    raise
                except Exception as error:
                    raise NotNow(f"no way to CloudWatch Logs in {region}: {error!r}") from error
            return self._regions[region]
