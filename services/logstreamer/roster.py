"""Who follows what: claims outputs, keeps the claims alive, and finds outputs that nobody follows."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from pydantic import JsonValue

from services.logstreamer.follow import Follower, LinesLost, numbers_of
from services.logstreamer.metrics import FOLLOWED
from services.logstreamer.ports import Chunks, Source, Tests, Wire
from services.logstreamer.sequence import Sequencer
from services.logstreamer.sources.nowhere import Nowhere
from shared.background import end
from shared.clock import Clock
from shared.domain.lifecycle import ACTIVE, State
from shared.ids import TestId
from shared.store.documents import Execution

log = structlog.get_logger()

LIMIT = 500
LOST_AFTER: Final = timedelta(minutes=10)
"""After the end of its test, an output that nobody could read so far is given up."""
RETRY_S = 1.0
"""From a failure to the next try. Each further failure with the same output doubles it, up to the lease."""


class Roster:
    """The outputs that this log streamer follows."""

    def __init__(
        self,
        tests: Tests,
        chunks: Chunks,
        sources: Mapping[str, Source],
        relay: Wire,
        clock: Clock,
        tasks: asyncio.TaskGroup,
        *,
        follower: str,
        lease: timedelta,
    ) -> None:
        self._tests = tests
        self._chunks = chunks
        self._sources = sources
        self._relay = relay
        self._clock = clock
        self._tasks = tasks
        self._follower = follower
        self._lease = lease
        self._followers: dict[TestId, Follower] = {}
        self._failures: dict[TestId, int] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def claim_new(self, test_id: TestId, attempt: int, log_source: Mapping[str, JsonValue]) -> bool:
        """Follows an output from its first line; False where somebody has begun to, or we cannot read it."""
        if self._source_of(log_source) is None:
            return False
        return await self._claim(test_id, {"attempt": attempt, "logs.follower": ""}, new=True)

    async def claim_lapsed(self, test: Execution) -> bool:
        """Follows an output that nobody follows any more, from where the store ends; False where somebody does, or we
        cannot read it."""
        if test.task is None or test.task.log_source is None:
            return False
        if self._source_of(test.task.log_source) is None and not self._is_lost(test):
            return False
        lapsed = {"attempt": test.attempt, "logs.until": {"$lt": self._clock.now()}}
        return await self._claim(test.id, lapsed, new=False)

    async def resume(self) -> None:
        """Takes up at start what this log streamer followed before it was restarted."""
        for test_id in await self._tests.followed_by(self._follower, LIMIT):
            await self._claim(test_id, {"logs.follower": self._follower}, new=False)

    def _source_of(self, log_source: Mapping[str, JsonValue]) -> Source | None:
        """Who can read this here."""
        source = self._sources.get(str(log_source.get("kind")))
        return source if source is not None and source.reads(log_source) else None

    def _is_lost(self, test: Execution) -> bool:
        """Whether those who could read it had their time. Its log is closed then, with what is stored."""
        ended = test.times.finished
        return test.state not in ACTIVE and ended is not None and self._clock.now() - ended >= LOST_AFTER

    async def _claim(self, test_id: TestId, where: dict[str, Any], *, new: bool) -> bool:
        now = self._clock.now()
        test = await self._tests.change(
            test_id,
            where={**where, "logs.ended": False},
            set={"logs.follower": self._follower, "logs.until": now + self._lease},
            brief=True,
            durable=False,
        )
        if test is None or test.task is None or test.task.log_source is None:
            return False
        source = self._source_of(test.task.log_source)
        if source is None:
            log.error("output_cannot_be_read", test_id=test_id, log_source=test.task.log_source)
            if not self._is_lost(test):
                return False  # the claim runs out, and whoever can read it is the next
            source = Nowhere()
        await self._begin(test, source, new=new)
        return True

    async def _begin(self, test: Execution, source: Source, *, new: bool, again: bool = False) -> None:
        assert test.task is not None
        assert test.task.log_source is not None
        before = self._followers.get(test.id)
        if before is not None:
            before.let_go()
        numbers = numbers_of(test.attempt)
        last = None if new else await self._chunks.last(test.id, within=numbers)
        counted = range(numbers.start, last.last + 1 if last else numbers.start)
        received, size = await self._chunks.account(test.id, within=counted) if last else (0, 0)
        newest = await self._chunks.read(test.id, from_seq=last.first, limit=last.last - last.first + 1) if last else []
        # Marks are told and not stored. Where nobody has heard that the agent runs, who told it died too soon: the
        # output is read from its beginning, and the lines in it are not new.
        cursor = last.cursor if last and test.state is not State.BUILDING else {}
        follower = Follower(
            test,
            source.follow(test.task.log_source, cursor, since=_launched(test)),
            sequencer=Sequencer(nonce=test.task.nonce, first=numbers.start, last=last.last if last else None),
            cursor=cursor,
            received=received,
            size=size,
            chunks=self._chunks,
            tests=self._tests,
            relay=self._relay,
            clock=self._clock,
            again=again,
        )
        self._followers[test.id] = follower
        FOLLOWED.set(len(self._followers))
        follower.tell_again(newest)
        self._run(self._follow(follower, source))
        if test.state not in ACTIVE:
            follower.task_stopped()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _follow(self, follower: Follower, source: Source) -> None:
        test_id = follower.test.id
        try:
            await self._read(follower, source)
            self._failures.pop(test_id, None)
        except Exception as error:  # noqa: BLE001 - the store is away, or a bug of ours: what is stored counts
            log.warning("following_failed", test_id=test_id, error=repr(error))
            if self._followers.get(test_id) is follower:
                self._run(self._take_up_again(test_id, follower.test.attempt))
        finally:
            if self._followers.get(test_id) is follower:
                del self._followers[test_id]
                FOLLOWED.set(len(self._followers))

    async def _take_up_again(self, test_id: TestId, attempt: int) -> None:
        """Goes on from what is stored, soon: who reads along should not wait until the claim runs out."""
        mine = {"attempt": attempt, "logs.follower": self._follower}
        while True:
            failures = self._failures[test_id] = self._failures.get(test_id, 0) + 1
            await asyncio.sleep(min(RETRY_S * 2 ** (failures - 1), self._lease.total_seconds()))
            if test_id in self._followers:
                return
            try:
                if not await self._claim(test_id, mine, new=False):
                    self._failures.pop(test_id, None)  # it is somebody else's now, or over
            except Exception as error:  # noqa: BLE001 - as above
                log.warning("following_failed", test_id=test_id, error=repr(error))
            else:
                return

    async def _read(self, follower: Follower, source: Source) -> None:
        try:
            await follower.run()
        except LinesLost:
            log.warning("stored_lines_were_lost", test_id=follower.test.id)
            if self._followers.get(follower.test.id) is follower:
                await self._begin(follower.test, source, new=True, again=True)
                if follower.has_stopped:
                    self._followers[follower.test.id].task_stopped()

    def stopped(self, test_id: TestId, attempt: int) -> bool:
        """The task has ended; False where this log streamer does not follow it."""
        follower = self._followers.get(test_id)
        if follower is None or follower.test.attempt != attempt:
            return False
        follower.task_stopped()
        return True

    async def renew(self) -> None:
        """Says that we still follow."""
        if self._followers:
            await self._tests.renew_logs(list(self._followers), self._follower, self._clock.now() + self._lease)

    async def sweep(self) -> None:
        """Takes up outputs that nobody follows, and hears by itself of tasks that ended and attempts that are over."""
        lapsed = await self._tests.unread(self._clock.now(), LIMIT)
        for unread in (await self._tests.get_many(lapsed)).values() if lapsed else ():
            if await self.claim_lapsed(unread):
                log.info("output_taken_up", test_id=unread.id)
        followed = dict(self._followers)
        current = await self._tests.get_many(followed) if followed else {}
        for test_id, follower in followed.items():
            test = current.get(test_id)
            if test is None or test.attempt != follower.test.attempt or test.logs.ended:
                follower.let_go()
            elif test.state not in ACTIVE:
                follower.task_stopped()
            elif test.logs.follower != self._follower:
                log.warning("output_is_followed_by_another", test_id=test_id, other=test.logs.follower)
                follower.let_go()
            elif test.state is State.BUILDING:
                follower.remind()

    async def aclose(self) -> None:
        """Lets go of everything; the next log streamer reads on at once, from what is stored."""
        followed = list(self._followers)
        await end(self._running)
        if followed:
            try:
                await self._tests.renew_logs(followed, self._follower, self._clock.now())
            except Exception as error:  # noqa: BLE001 - the store is away; the claims run out by themselves
                log.warning("outputs_not_handed_over", outputs=len(followed), error=repr(error))


def _launched(test: Execution) -> datetime:
    """No later than its task can have written anything. An earlier attempt may have left an earlier time."""
    return test.times.build_started or test.times.scheduled or test.times.submitted
