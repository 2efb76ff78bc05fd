"""Watches the tasks under our care: at once when the runtime gives a hint, and all of them on a timer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

import structlog

from services.orchestrator.charges import Charge, Charges
from services.orchestrator.finish import Finish
from services.orchestrator.launch import Launch
from services.orchestrator.ports import Handle, Tests
from services.orchestrator.stop import Stop
from shared.background import background
from shared.clock import Clock
from shared.domain.lifecycle import State
from shared.events.tests import TestRunning
from shared.ids import TestId, UserId
from shared.store.documents import Execution
from shared.store.executions import Move

log = structlog.get_logger()

UNLAUNCHED = timedelta(seconds=3)
"""A granted test that no orchestrator took up for so long was missed by the event."""
LIMIT = 500
TAKE_UP = 32
"""Launches and adoptions of one sweep that are under way at a time."""


class Watch:
    """Keeps the store and the tasks in step."""

    def __init__(
        self,
        tests: Tests,
        charges: Charges,
        launch: Launch,
        finish: Finish,
        stop: Stop,
        clock: Clock,
        *,
        owner: str,
        lease: timedelta,
    ) -> None:
        self._tests = tests
        self._charges = charges
        self._launch = launch
        self._finish = finish
        self._stop = stop
        self._clock = clock
        self._owner = owner
        self._lease = lease
        self._hints: asyncio.Queue[Charge] = asyncio.Queue()

    def hint(self, handle: Handle) -> None:
        """The runtime says that something changed there."""
        charge = self._charges.of_handle(handle)
        if charge is not None:
            self._hints.put_nowait(charge)

    async def follow_hints(self, workers: int = 8) -> None:
        """Ends tasks as soon as the runtime says that they ended, several at a time."""

        async def work() -> None:
            while True:
                charge = await self._hints.get()
                try:
                    await self._finish.look([charge])
                except Exception as error:  # noqa: BLE001 - the round on the timer looks again
                    log.warning("look_failed", test_id=charge.test_id, error=repr(error))

        async with background(*(work() for _ in range(workers))):
            await asyncio.Event().wait()

    async def look(self) -> None:
        """One round over all tasks."""
        await self._finish.look(list(self._charges))
        await self._stop.overdue(self._charges)

    async def renew(self) -> None:
        """Says that we are still there."""
        mine = {*self._launch.under_way, *(charge.test_id for charge in self._charges)}
        if mine:
            await self._tests.renew(mine, self._owner, self._clock.now() + self._lease)

    async def hand_over(self) -> None:
        """Says at the end that whoever is there may take our tasks over, instead of letting the leases run out."""
        mine = [charge.test_id for charge in self._charges]
        if mine:
            try:
                await self._tests.renew(mine, self._owner, self._clock.now())
            except Exception as error:  # noqa: BLE001 - the store is away; the leases run out by themselves
                log.warning("tasks_not_handed_over", tasks=len(mine), error=repr(error))

    async def resume(self) -> None:
        """Takes up at start what this orchestrator had before it was restarted."""
        own = await self._tests.owned(self._owner, LIMIT)
        await self._take_up([(test_id, partial(self._launch.adopt, also_own=True)) for test_id in own])

    async def sweep(self) -> None:
        """Looks for what no event told:

        granted and not launched, launched and left alone, cancelled and not stopped."""
        now = self._clock.now()
        await self._stop.abandoned(LIMIT)
        lost = await self._stop.reconcile()
        unattended = await self._tests.unattended(now, LIMIT)
        unlaunched = await self._tests.unlaunched(now - UNLAUNCHED, LIMIT)
        await self._take_up(
            [
                *((test_id, partial(self._launch.adopt, also_own=True)) for test_id in lost),
                *((test_id, self._launch.adopt) for test_id in unattended),
                *((test.id, partial(self._begin, test)) for test in unlaunched),
            ]
        )

    async def _begin(self, test: Execution, test_id: TestId) -> None:
        log.info("unlaunched_test_found", test_id=test_id, attempt=test.attempt)
        await self._launch.begin(test_id, test.user_id, test.attempt, test.traceparent)

    async def _take_up(self, work: Sequence[tuple[TestId, Callable[[TestId], Awaitable[object]]]]) -> None:
        """Does what is to be done for each test, much of it at once: a launch that takes its time holds nobody up."""
        free = asyncio.Semaphore(TAKE_UP)

        async def one(test_id: TestId, what: Callable[[TestId], Awaitable[object]]) -> None:
            async with free:
                await self._heal(what(test_id), test_id)

        await asyncio.gather(*(one(test_id, what) for test_id, what in work))

    async def _heal(self, work: Awaitable[object], test_id: TestId) -> None:
        """Does `work` for one test: where that fails, it fails for this one and not for those behind it."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - the next sweep tries again
            log.warning("test_not_taken_up", test_id=test_id, error=repr(error))

    async def agent_runs(self, test_id: TestId, attempt: int, since: datetime, traceparent: str) -> bool:
        """The harness says that the agent's own code runs: BUILDING becomes RUNNING."""
        charge = self._charges.of_test(test_id, attempt)
        if charge is None:
            if self._charges.has_ended(test_id, attempt):
                return False
            test = await self._tests.get(test_id)
            if test is None or test.state is not State.BUILDING or test.attempt != attempt:
                return False
            return await self._to_running(test_id, test.user_id, attempt, since, traceparent)
        if charge.lock.locked():
            return False  # it is being ended, which passes RUNNING by itself
        async with charge.lock:
            if charge.test.state is not State.BUILDING or self._charges.of_test(test_id) is not charge:
                return False
            moved = await self._to_running(test_id, charge.test.user_id, attempt, since, traceparent)
            if moved:
                charge.test.state = State.RUNNING
                charge.test.times.started = since
            return moved

    def agent_is_done(self, test_id: TestId, attempt: int) -> None:
        """The harness says that the agent has ended and its result is on its way."""
        charge = self._charges.of_test(test_id, attempt)
        if charge is not None:
            self._finish.expect(charge)

    async def _to_running(
        self, test_id: TestId, user_id: UserId, attempt: int, since: datetime, traceparent: str
    ) -> bool:
        now = self._clock.now()
        return await self._tests.move(
            Move(
                test_id=test_id,
                source=State.BUILDING,
                attempt=attempt,
                to=State.RUNNING,
                at=now,
                by="orchestrator",
                telling=(TestRunning(test_id=test_id, user_id=user_id, attempt=attempt, at=now),),
                set={"times.started": since},
                traceparent=traceparent,
            )
        )
