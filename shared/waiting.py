"""`asyncio.wait_for` as it is from Python 3.12 on, for Python 3.11, where our store and bus clients suffer from it.

That of 3.11 runs what it waits for as a task of its own. A cancellation that comes with the answer is swallowed
(python/cpython#86296, seen in the NATS client). One that comes while a time limit is being carried out leaves before
the task has ended: PyMongo then goes on without a lock that the task takes later and nobody gives back, so that every
call, `close` included, waits for ever (seen whenever a service was stopped while MongoDB was away). And it costs a
task per call.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable
from typing import TypeVar

Answer = TypeVar("Answer")


async def wait_for(fut: Awaitable[Answer], timeout: float | None) -> Answer:
    """What `fut` gives. Cancels it, and raises TimeoutError, where that takes more than `timeout` seconds."""
    if timeout is not None and timeout <= 0:
        if asyncio.isfuture(fut):
            if fut.done():
                answer: Answer = fut.result()
                return answer
            fut.cancel()
        elif asyncio.iscoroutine(fut):
            fut.close()  # it was never begun
        raise TimeoutError
    async with asyncio.timeout(timeout):
        return await fut


def install() -> None:
    """Puts `wait_for` into asyncio's place on Python 3.11. To be called before the clients are imported."""
    if sys.version_info < (3, 12):
        asyncio.wait_for = asyncio.tasks.wait_for = wait_for  # type: ignore[assignment]  # a Future is an Awaitable
