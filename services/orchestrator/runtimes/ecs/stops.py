"""Stops tasks, for certain: who asks for a stop need not wait for AWS, and a call that fails is made again until it
succeeds, also where only the launch of the task is known."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from services.orchestrator.runtimes.ecs.picture import Picture
from services.orchestrator.runtimes.ecs.task import EcsTask
from shared.aws.ecs import Ecs
from shared.aws.failures import AwsError
from shared.clock import Clock

log = structlog.get_logger()

LONGEST_PAUSE_S: Final = 20.0
LOOK_AGAIN_S: Final = 10.0
YOUNG: Final = timedelta(seconds=60)
"""A launch whose task cannot be found is not believed to have none before: ListTasks is eventually consistent."""
GIVEN_UP_S: Final = 3600.0
"""Then it is left to the sweep for orphans."""


@dataclass(slots=True)
class Wish:
    """A task that is to stop."""

    task: EcsTask
    reason: str
    since: float
    due: float
    tries: int = 0


class Stops:
    """All that are to stop."""

    def __init__(self, ecs: Ecs, picture: Picture, clock: Clock) -> None:
        self._ecs = ecs
        self._picture = picture
        self._clock = clock
        self._wishes: dict[str, Wish] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._wishes)

    def add(self, task: EcsTask, reason: str) -> None:
        """Stops a task. It is told once, however often that is wished."""
        now = asyncio.get_running_loop().time()
        known = self._picture.get(task.arn) if task.arn else None
        if known is not None and known.told is not None:
            return
        key = task.arn or task.token
        if key not in self._wishes:
            self._wishes[key] = Wish(task, reason, now, now)
            self._wake.set()

    async def run(self) -> None:
        """Works until it is cancelled."""
        while True:
            now = asyncio.get_running_loop().time()
            due = [key for key, wish in self._wishes.items() if wish.due <= now]
            await asyncio.gather(*(self._fulfil(key) for key in due))
            self._wake.clear()
            later = min((wish.due for wish in self._wishes.values()), default=None)
            await _until(self._wake, later)

    async def _fulfil(self, key: str) -> None:
        wish = self._wishes[key]
        now = asyncio.get_running_loop().time()
        try:
            done = await self._stop(wish)
        except AwsError as error:
            done = now - wish.since > GIVEN_UP_S
            pause = min(2.0**wish.tries, LONGEST_PAUSE_S)
            log.warning("stop_task_failed", test_id=wish.task.test_id, task=wish.task.arn, error=str(error), done=done)
        except Exception as error:
            done = now - wish.since > GIVEN_UP_S
            pause = LONGEST_PAUSE_S
            log.error("stop_task_broke", test_id=wish.task.test_id, task=wish.task.arn, exc_info=error)
        else:
            pause = LOOK_AGAIN_S
        if done:
            self._wishes.pop(key, None)
        else:
            wish.tries += 1
            wish.due = asyncio.get_running_loop().time() + pause

    async def _stop(self, wish: Wish) -> bool:
        task = wish.task
        if task.arn:
            arns = [task.arn]
        else:
            arns = list(await self._ecs.started_by(task.started_by))
            if not arns:
                return self._clock.now() - task.since > YOUNG
        for arn in arns:
            known = self._picture.get(arn)
            if known is not None and known.over and known.result is None:
                continue
            await self._ecs.stop(arn, reason=wish.reason)
            log.info("task_stop_sent", test_id=task.test_id, attempt=task.attempt, task=arn, reason=wish.reason)
            self._picture.told(arn, wish.reason, asyncio.get_running_loop().time())
        return True


async def _until(event: asyncio.Event, at: float | None) -> None:
    """Waits for the event, or until a time of the loop."""
    try:
        async with asyncio.timeout_at(at):
            await event.wait()
    except TimeoutError:
        return
