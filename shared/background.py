"""Background work with an owner: it begins with a block and ends with it. No bare task anywhere else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager

import structlog

log = structlog.get_logger()


@asynccontextmanager
async def background(*work: Coroutine[object, object, None]) -> AsyncIterator[asyncio.TaskGroup]:
    """Runs `work` beside the block and cancels it at the end; an error in it ends the block.

    Yields the task group, for work that comes up later."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(one) for one in work]
        try:
            yield tasks
        finally:
            for task in running:
                task.cancel()


async def every(interval_s: float, name: str, work: Callable[[], Awaitable[object]]) -> None:
    """Calls `work` now and then every `interval_s` seconds. What it raises is logged; the next round tries again."""
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - a sweep that gives up would be the one thing nothing else heals
            log.warning("round_failed", round=name, error=repr(error))
        await asyncio.sleep(interval_s)
