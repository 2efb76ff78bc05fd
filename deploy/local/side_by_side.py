"""Several services started at once and ended at once, each in a task of its own.

A context has to be left by the task that entered it, so they cannot be entered by `gather`. Must not know services.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

Entered = TypeVar("Entered")


@asynccontextmanager
async def side_by_side(contexts: Sequence[AbstractAsyncContextManager[Entered]]) -> AsyncIterator[list[Entered]]:
    """Yields what the contexts yield, in their order, when all are entered; leaves them all at the end.

    An error of any of them, at the start or later, ends the block and the others (as an ExceptionGroup).
    """
    over = asyncio.Event()

    async def hold(context: AbstractAsyncContextManager[Entered], entered: asyncio.Future[Entered]) -> None:
        async with context as value:
            entered.set_result(value)
            await over.wait()

    async with asyncio.TaskGroup() as tasks:
        waiting = [asyncio.get_running_loop().create_future() for _ in contexts]
        for context, entered in zip(contexts, waiting, strict=True):
            tasks.create_task(hold(context, entered))
        # An error cancels this task, so it does not wait for ever.
        values = [await entered for entered in waiting]
        try:
            yield values
        finally:
            over.set()
