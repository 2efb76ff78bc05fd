"""Background work with an owner: it begins with a block and ends with it. No bare task anywhere else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog

log = structlog.get_logger()

AGAIN_S: Final = 1.0


@asynccontextmanager
async def background(*work: Coroutine[object, object, None]) -> AsyncIterator[asyncio.TaskGroup]:
    """Runs `work` beside the block and cancels it at the end; an error in it ends the block.

    Yields the task group, for work that comes up later."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(one) for one in work]
        try:
            yield tasks
        finally:
            await end(running)


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancels `tasks` until they have ended.

    Once is not enough: `asyncio.wait_for` of Python 3.11, which the NATS client uses, swallows a cancellation that
    comes with its answer (python/cpython#86296), and a loop around it would go on for ever."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_S)


async def every(interval_s: float, name: str, work: Callable[[], Awaitable[object]]) -> None:
    """Calls `work` now and then every `interval_s` seconds. What it raises is logged; the next round tries again."""
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - a sweep that gives up would be the one thing nothing else heals
            log.warning("round_failed", round=name, error=repr(error))
        await asyncio.sleep(interval_s)
