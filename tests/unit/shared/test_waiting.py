"""A wait with a time limit, cancelled at the worst moments."""

from __future__ import annotations

import asyncio
import sys

import pytest

from shared.waiting import wait_for


async def test_the_answer_comes_back() -> None:
    async def answer() -> int:
        await asyncio.sleep(0)
        return 7

    assert await wait_for(answer(), 5) == 7
    assert await wait_for(answer(), None) == 7


async def test_what_takes_too_long_is_cancelled() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    with pytest.raises(TimeoutError):
        await wait_for(future, 0.001)
    assert future.cancelled()


@pytest.mark.parametrize("limit", [0, -1.0])
async def test_without_time_only_what_is_there_already_comes_back(limit: float) -> None:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[str] = loop.create_future()
    done.set_result("there")
    assert await wait_for(done, limit) == "there"
    with pytest.raises(TimeoutError):
        await wait_for(loop.create_future(), limit)
    with pytest.raises(TimeoutError):
        await wait_for(asyncio.sleep(5), limit)


async def test_a_cancellation_that_comes_with_the_answer_is_not_swallowed() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        await wait_for(future, 60)
        await asyncio.sleep(60)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    future.set_result(None)
    task.cancel()
    await asyncio.wait([task], timeout=5)
    assert task.cancelled()


async def test_a_cancellation_while_the_limit_is_carried_out_leaves_no_lock_behind() -> None:
    """What PyMongo does while it waits for a server: a condition with a limit, below a lock that is shared by all."""
    condition = asyncio.Condition()

    async def wait() -> None:
        async with condition:
            await wait_for(condition.wait(), 0.01)

    async with asyncio.TaskGroup() as tasks:
        waiter = tasks.create_task(wait())
        await asyncio.sleep(0)
        async with condition:
            await asyncio.sleep(0.05)  # the limit is over, and the waiter needs the lock to say so
            waiter.cancel()
            await asyncio.sleep(0.01)
            assert not waiter.done(), "it left without the lock that it has to give back"
        await asyncio.wait([waiter], timeout=5)
        assert waiter.cancelled()
    async with asyncio.timeout(5), condition:
        pass


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python's own does it from 3.12 on")
def test_it_serves_the_clients() -> None:
    from pymongo import lock

    assert asyncio.wait_for is wait_for
    assert lock.wait_for is wait_for  # type: ignore[attr-defined]
