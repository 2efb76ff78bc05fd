"""Keeps the picture true: looks at tasks at its own pace, fetches answers as soon as tasks say that they are done, and
ends what never starts. Tells of every change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

import structlog

from services.orchestrator.ports import Handle, Phase
from services.orchestrator.runtimes.ecs.pace import Pace, next_look, to_look_at
from services.orchestrator.runtimes.ecs.picture import Known, Picture
from services.orchestrator.runtimes.ecs.results import Results, is_answer
from services.orchestrator.runtimes.ecs.sighting import NOT_STARTED, UNWANTED
from services.orchestrator.runtimes.ecs.stops import Stops
from services.orchestrator.runtimes.ecs.task import EcsTask
from shared.aws.ecs import Ecs, batches
from shared.aws.failures import AwsError
from shared.clock import Clock

log = structlog.get_logger()

FIRST_LOOK_S: Final = 5.0
"""How long who asks for an unknown task waits for the first look at it."""
AFTER_FAILURE_S: Final = 2.0
UPKEEP_S: Final = 5.0
ANSWER_TRIES_S: Final = (0.0, 0.5, 1.0, 2.0, 4.0)
"""When an answer is asked for after the task has said that it is done: the upload may take a moment. Then its end is
waited for."""


class Watcher:
    """Looks."""

    def __init__(
        self,
        ecs: Ecs,
        picture: Picture,
        results: Results,
        stops: Stops,
        clock: Clock,
        *,
        pace: Pace,
        start_timeout: timedelta,
        broken: Callable[[Known], None] = lambda _: None,
    ) -> None:
        self._ecs = ecs
        self._picture = picture
        self._results = results
        self._stops = stops
        self._clock = clock
        self._pace = pace
        self._start_timeout = start_timeout
        self._broken = broken
        self._changed: list[Callable[[Handle], None]] = []
        self._wake = asyncio.Event()
        self._rounds = asyncio.Condition()
        self._failing = False
        self._done: asyncio.Queue[EcsTask] = asyncio.Queue()

    def tell(self, changed: Callable[[Handle], None]) -> None:
        """`changed` is called when a task is over."""
        self._changed.append(changed)

    def wake(self) -> None:
        """Something new is to be looked at."""
        self._wake.set()

    async def first_look(self, known: list[Known]) -> None:
        """Waits until these were looked at once, for a few seconds at most; not at all while AWS does not answer."""
        if self._failing or all(one.looked is not None for one in known):
            return
        self.wake()
        try:
            async with asyncio.timeout(FIRST_LOOK_S), self._rounds:
                await self._rounds.wait_for(lambda: self._failing or all(one.looked is not None for one in known))
        except TimeoutError:
            return

    def is_done(self, task: EcsTask) -> None:
        """The task says so."""
        self._picture.expect(task.arn, _now())
        self._done.put_nowait(task)
        self.wake()

    def take(self, answer: Mapping[str, Any]) -> None:
        """What ECS says of a task, in an answer or an event."""
        known = self._picture.take(answer, _now())
        if known is not None:
            self._say(known)

    # -- the loops

    async def run(self) -> None:
        """Looks until it is cancelled."""
        while True:
            at = next_look(self._picture.looked(), _now(), self._pace)
            if at is None or at > _now():
                self._wake.clear()
                await self._wait(at)
                continue
            try:
                failed = await self._round()
            except Exception as error:
                log.error("look_at_tasks_broke", exc_info=error)
                failed = True
            async with self._rounds:
                self._failing = failed
                self._rounds.notify_all()
            if failed:
                await asyncio.sleep(AFTER_FAILURE_S)

    async def upkeep(self) -> None:
        """What time alone brings about."""
        while True:
            now = _now()
            self._picture.forget_unasked(now)
            for known in self._picture.stuck(now):
                log.error("task_does_not_stop", test_id=known.task.test_id, task=known.task.arn)
                self._say(known)
            for known in self._picture.late(self._clock.now(), self._start_timeout):
                reason = f"{NOT_STARTED}: it was not running {self._start_timeout.total_seconds():g} s after its launch"
                self._stops.add(known.task, reason)
            for task in self._picture.overstaying(now):
                self._stops.add(task, UNWANTED)
            await asyncio.sleep(UPKEEP_S)

    async def fetch_answers(self) -> None:
        """Asks for the answers of tasks that say that they are done; all that do at once."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(self._fetch_answer(await self._done.get()))

    # -- what they do

    async def _round(self) -> bool:
        """One look at what is due. True where an answer did not come."""
        arns = to_look_at(self._picture.looked(), _now(), self._pace)
        parts = batches(arns, self._ecs.cluster)
        answers = await asyncio.gather(*(self._ecs.look(part) for part in parts), return_exceptions=True)
        failed = False
        for answer in answers:
            if isinstance(answer, AwsError):
                failed = True
                log.warning("look_at_tasks_failed", error=str(answer))
            elif isinstance(answer, BaseException):
                raise answer
            else:
                for task in answer.tasks:
                    self.take(task)
                for arn in answer.missing:
                    if known := self._picture.miss(arn, _now(), self._clock.now()):
                        self._say(known)
        return failed

    async def _fetch_answer(self, task: EcsTask) -> None:
        for pause in ANSWER_TRIES_S:
            await asyncio.sleep(pause)
            known = self._picture.get(task.arn)
            if known is None or known.over:
                return
            try:
                result = await self._results.fetch(task)
            except Exception as error:  # noqa: BLE001 - the end of the task says as much, a little later
                log.warning("answer_not_fetched", test_id=task.test_id, error=str(error))
                continue
            if result is None:
                continue
            # One that did not succeed waits for the end of the task: ECS may know better what it died of.
            if is_answer(result) and (known := self._picture.answered(task.arn, result, _now())):
                self._say(known)
            return

    def _say(self, known: Known) -> None:
        sighting = known.sighting
        log.info(
            "task_seen",
            test_id=known.task.test_id,
            attempt=known.task.attempt,
            phase=sighting.phase,
            exit_code=sighting.exit_code,
            stop_code=sighting.stop_code,
            stop_reason=sighting.stop_reason,
        )
        if sighting.phase is Phase.STOPPED:
            self._broken(known)
        if known.over:
            for changed in self._changed:
                changed(known.task.handle)

    async def _wait(self, at: float | None) -> None:
        try:
            async with asyncio.timeout_at(at):
                await self._wake.wait()
        except TimeoutError:
            return


def _now() -> float:
    return asyncio.get_running_loop().time()
