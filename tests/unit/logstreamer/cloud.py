"""Followers of CloudWatch streams on a loop on which time passes at once, with everything around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from services.logstreamer.follow import Follower
from services.logstreamer.sequence import Sequencer
from services.logstreamer.sources.cloudwatch.pace import Pace
from services.logstreamer.sources.cloudwatch.port import Reach
from services.logstreamer.sources.cloudwatch.reach import AwsReach
from services.logstreamer.sources.cloudwatch.source import CloudWatchSource
from shared.background import end
from shared.domain.lifecycle import State
from shared.events.logs import LogsCompleted
from shared.store.documents import Chunk
from tests.support.fakes.output import ChunksInMemory, KeptLetters, OneTest
from tests.support.fakes.scripted_logs import GROUP, REGION, ScriptedAws, ScriptedLogs
from tests.support.instant import LoopClock
from tests.support.samples import execution
from tests.unit.logstreamer.protocol import NONCE, mark, written

OVERLAP_S, DRAIN_S = 10.0, 60.0
PACE = Pace(usual_s=2.0, fastest_s=0.5, slowest_s=5.0)


class TimedChunks(ChunksInMemory):
    """Knows when each line was stored."""

    def __init__(self) -> None:
        super().__init__()
        self.stored_at: dict[int, float] = {}

    async def append(self, chunk: Chunk) -> None:
        for line in chunk.lines:
            self.stored_at.setdefault(line.seq, asyncio.get_running_loop().time())
        await super().append(chunk)


class Task:
    """A task that writes into a stream, and the one who follows it."""

    def __init__(self, cloud: Cloud, name: str, group: str = GROUP, chunks: TimedChunks | None = None) -> None:
        self.cloud, self.name, self.group = cloud, name, group
        self.chunks = chunks or TimedChunks()
        self.test, self.wire = OneTest(), KeptLetters()
        last = max(self.chunks.chunks, key=lambda chunk: chunk.last, default=None)
        cursor = last.cursor if last else {}
        log_source = {"kind": "cloudwatch", "region": REGION, "group": group, "stream": name}
        self.feed = cloud.source.follow(cast("Any", log_source), cursor, since=cloud.clock.now())
        self.follower = Follower(
            execution(State.RUNNING, attempt=1),
            self.feed,
            sequencer=Sequencer(nonce=NONCE, first=1, last=last.last if last else None),
            cursor=cursor,
            received=len(set(self.chunks.numbers)),
            size=0,
            chunks=self.chunks,
            tests=self.test,
            relay=self.wire,
            clock=cloud.clock,
        )
        self.running = cloud.tasks.create_task(self.follower.run())
        cloud.followed.append(self.running)
        self._written = 0

    def write(self, count: int = 1, **more: Any) -> None:
        for _ in range(count):
            self._written += 1
            self.cloud.logs.write(self.name, written(self._written).decode(), group=self.group, **more)

    def finish(self, **more: Any) -> None:
        self.cloud.logs.write(self.name, mark("end", lines=self._written).decode(), group=self.group, **more)

    def stop(self) -> None:
        self.follower.task_stopped()

    @property
    def account(self) -> LogsCompleted:
        (told,) = self.test.told
        assert isinstance(told, LogsCompleted)
        return told

    @property
    def numbers(self) -> list[int]:
        return self.chunks.numbers


class Cloud:
    """One replica of the log streamer's reading, and what it reads."""

    def __init__(self, tasks: asyncio.TaskGroup, logs: ScriptedLogs, clock: LoopClock) -> None:
        self.tasks, self.logs, self.clock = tasks, logs, clock
        self.opened: list[str] = []
        self.aws = ScriptedAws(logs)
        self.followed: list[asyncio.Task[None]] = []
        self.source = CloudWatchSource(self._reach, clock, tasks, pace=PACE, overlap_s=OVERLAP_S, drain_s=DRAIN_S)

    async def _reach(self, region: str) -> Reach:
        self.opened.append(region)
        return AwsReach(cast("Any", self.aws))

    def task(self, name: str, *, exists: bool = True, group: str = GROUP) -> Task:
        if exists:
            self.logs.stream(name, group)
        return Task(self, name, group)

    def calls(self, since: float = 0.0) -> int:
        """How many calls were made since that time of the loop."""
        start = self.clock.now().timestamp() - asyncio.get_running_loop().time() + since
        return sum(call.at >= start for call in self.logs.calls)


@asynccontextmanager
async def cloud(logs: ScriptedLogs | None = None, **script: Any) -> AsyncIterator[Cloud]:
    """`script`: of the logs. Who still follows at the end is let go."""
    clock = LoopClock()
    async with asyncio.TaskGroup() as tasks:
        found = Cloud(tasks, logs or ScriptedLogs(clock, **script), clock)
        yield found
        await end(found.followed)
        await found.source.aclose()
