"""Followed tests: one bus subscription and one reader of the store for each, however many clients follow it.

A channel hears the test's events, parses lines once, and looks at the store when the test moved, when somebody joined,
and every few seconds in case an event got lost. It never waits for a client.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final

import structlog
from pydantic import ValidationError

from services.gateway.metrics import FOLLOWED, FOLLOWERS
from services.gateway.ports import Feed, Lines, Message, Subscription, Tests
from services.gateway.streams.batch import Batch
from services.gateway.streams.follower import Follower, Sight
from services.gateway.streams.lifecycle import Streams
from shared.domain.logsequence import BLOCK
from shared.events.logs import LogsAppended, LogsCompleted, OutputPartial
from shared.events.tests import (
    TestArchived,
    TestCancelRequested,
    TestCompleted,
    TestFailed,
    TestQueued,
    TestRequeued,
    TestRunning,
    TestScheduled,
    TestTimedOut,
)
from shared.ids import TestId, UserId

log = structlog.get_logger()

OPEN_WITHIN_S: Final = 1.0
"""A stream begins after this time even where the bus does not answer: the store has everything, only later."""
RETRY_S: Final = 1.0
_ALL_ATTEMPTS: Final = range(1, 1000 * BLOCK)
# What makes a look at the store worth its cost: for who watches every move, for who reads lines what may end them.
# test.submitted and test.building move nothing.
_ENDS: Final = frozenset({TestCompleted.type, TestFailed.type, TestTimedOut.type})
_FOR_READERS: Final = _ENDS | {LogsCompleted.type}
_FOR_WATCHERS: Final = _ENDS | {
    event.type for event in (TestQueued, TestScheduled, TestRunning, TestRequeued, TestArchived, TestCancelRequested)
}


class Live(Streams):
    """The followed tests of this gateway."""

    def __init__(self, feed: Feed, tests: Tests, lines: Lines, *, look_s: float) -> None:
        super().__init__()
        self._feed = feed
        self._tests = tests
        self._lines = lines
        self._look_s = look_s
        self._channels: dict[TestId, _Channel] = {}

    @asynccontextmanager
    async def following(
        self, test_id: TestId, user_id: UserId, *, lines: bool, partials: bool = False
    ) -> AsyncIterator[Follower]:
        """A follower that hears everything from here on; a look at the store comes first. Raises ShuttingDown."""
        tasks = self._owner()
        channel = self._channels.get(test_id)
        if channel is None:
            channel = _Channel(test_id, user_id, self._feed, self._tests, self._lines, look_s=self._look_s)
            self._channels[test_id] = channel
            channel.begin(tasks)
        follower = Follower(lines=lines, partials=partials)
        channel.followers.add(follower)
        FOLLOWERS.inc()
        FOLLOWED.set(len(self._channels))
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(OPEN_WITHIN_S):
                    await channel.open.wait()
            channel.look()
            yield follower
        finally:
            FOLLOWERS.dec()
            channel.followers.discard(follower)
            if not channel.followers:
                del self._channels[test_id]
                channel.end()
            FOLLOWED.set(len(self._channels))

    @property
    def followed(self) -> int:
        """How many tests are followed."""
        return len(self._channels)

    def _sides(self) -> Iterator[Follower]:
        return (follower for channel in self._channels.values() for follower in channel.followers)

    def _end(self) -> None:
        for channel in self._channels.values():
            channel.end()


class _Channel:
    """One followed test."""

    def __init__(
        self, test_id: TestId, user_id: UserId, feed: Feed, tests: Tests, lines: Lines, *, look_s: float
    ) -> None:
        self.followers: set[Follower] = set()
        self.open = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._test_id = test_id
        self._subject = f"*.*.{user_id}.{test_id}"
        self._feed = feed
        self._tests = tests
        self._lines = lines
        self._look_s = look_s
        self._moved = asyncio.Event()

    def look(self) -> None:
        """Looks at the store soon and tells everybody what is there."""
        self._moved.set()

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Hears and looks until `end`."""
        self._task = tasks.create_task(self._run())

    def end(self) -> None:
        """The last follower left. Does not wait, because who leaves may be in a hurry."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        subscription: Subscription | None = None
        try:
            while True:
                if subscription is None:
                    subscription = await self._subscribed()
                    self.open.set()
                try:
                    async with asyncio.timeout(self._look_s):
                        await self._moved.wait()
                except TimeoutError:
                    await self._look(lines_too=True)
                else:
                    self._moved.clear()
                    await self._look(lines_too=False)
        finally:
            if subscription is not None:
                with contextlib.suppress(Exception):  # a connection that is closed has no subscriptions
                    await subscription.unsubscribe()

    async def _subscribed(self) -> Subscription | None:
        try:
            return await self._feed.follow(self._subject, self._heard)
        except Exception as error:  # noqa: BLE001 - the bus is away; the looks go on, and the next one tries again
            log.warning("test_not_followed", test_id=self._test_id, error=repr(error))
            return None

    async def _heard(self, message: Message) -> None:
        fact = ".".join(message.subject.split(".", 2)[:2])
        if fact == LogsAppended.type:
            self._heard_lines(message.data)
        elif fact == OutputPartial.type:
            self._heard_partials(message.data)
        elif any(fact in (_FOR_READERS if follower.wants_lines else _FOR_WATCHERS) for follower in self.followers):
            self._moved.set()

    def _heard_lines(self, data: bytes) -> None:
        hearers = [follower for follower in self.followers if follower.wants_lines]
        if not hearers:
            return
        try:
            lines = LogsAppended.model_validate_json(data).lines
        except ValidationError as error:  # as good as lost: the next look at the store finds the lines
            log.warning("lines_not_understood", test_id=self._test_id, error=str(error)[:200])
            return
        batch = Batch(lines, len(data))
        for follower in hearers:
            follower.hear(batch)

    def _heard_partials(self, data: bytes) -> None:
        hearers = [follower for follower in self.followers if follower.wants_partials]
        if not hearers:
            return
        try:
            partials = OutputPartial.model_validate_json(data).lines
        except ValidationError as error:
            log.warning("partial_lines_not_understood", test_id=self._test_id, error=str(error)[:200])
            return
        for follower in hearers:
            follower.hear_partials(partials)

    async def _look(self, *, lines_too: bool) -> None:
        try:
            execution = await self._tests.get(self._test_id)
            last = None
            if lines_too and any(follower.wants_lines for follower in self.followers):
                last = await self._lines.last(self._test_id, within=_ALL_ATTEMPTS)
        except Exception as error:  # noqa: BLE001 - the store is away; streams stay, and the next look finds out
            log.warning("test_not_looked_at", test_id=self._test_id, error=repr(error))
            await asyncio.sleep(RETRY_S)
            return
        if execution is None:
            return
        sight = Sight(execution, last.last if last else 0)
        for follower in self.followers:
            follower.see(sight)
