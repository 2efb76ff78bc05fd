import asyncio

import pytest

from shared.background import background, every
from tests.support.until import until


async def forever(log: list[str], name: str) -> None:
    try:
        log.append(f"{name} began")
        await asyncio.Event().wait()
    finally:
        log.append(f"{name} ended")


async def test_work_runs_beside_the_block_and_ends_with_it() -> None:
    log: list[str] = []
    async with background(forever(log, "one"), forever(log, "two")):
        await until(lambda: len(log) == 2)
    assert sorted(log) == ["one began", "one ended", "two began", "two ended"]


async def test_an_error_in_the_work_ends_the_block_and_the_rest() -> None:
    log: list[str] = []

    async def fails() -> None:
        await until(lambda: log)
        raise ValueError("broken")

    with pytest.raises(ExceptionGroup) as caught:
        async with background(forever(log, "other"), fails()):
            await asyncio.Event().wait()
    assert caught.group_contains(ValueError, match="broken")
    assert log == ["other began", "other ended"]


async def test_an_error_in_the_block_ends_the_work() -> None:
    log: list[str] = []

    async def block() -> None:
        async with background(forever(log, "work")):
            await until(lambda: log)
            raise KeyError("mine")

    with pytest.raises(ExceptionGroup) as caught:
        await block()
    assert caught.group_contains(KeyError)
    assert log == ["work began", "work ended"]


async def test_a_block_that_is_cancelled_takes_its_work_with_it() -> None:
    log: list[str] = []

    async def block() -> None:
        async with background(forever(log, "work")):
            await asyncio.Event().wait()

    task = asyncio.ensure_future(block())
    await until(lambda: log)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log == ["work began", "work ended"]


async def test_work_that_swallows_a_cancellation_ends_all_the_same() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:  # what `wait_for` of Python 3.11 does when its answer comes at that moment
                swallowed += 1
                if swallowed == 2:
                    raise

    async with asyncio.timeout(30), background(stubborn()):
        await asyncio.sleep(0)
    assert swallowed == 2


async def test_work_that_comes_up_later_has_the_same_owner() -> None:
    log: list[str] = []

    async def block() -> None:
        async with background() as tasks:
            tasks.create_task(forever(log, "later"))
            await until(lambda: log)
            raise ValueError

    with pytest.raises(ExceptionGroup):
        await block()
    assert log == ["later began", "later ended"]


async def test_rounds_begin_at_once_and_go_on() -> None:
    rounds = 0

    async def work() -> None:
        nonlocal rounds
        rounds += 1

    async with background(every(0.001, "round", work)):
        await until(lambda: rounds >= 3)
    seen = rounds
    await asyncio.sleep(0.01)
    assert rounds == seen


async def test_a_round_that_fails_is_followed_by_the_next() -> None:
    rounds = 0

    async def work() -> None:
        nonlocal rounds
        rounds += 1
        if rounds < 3:
            raise ConnectionError("away")

    async with background(every(0.001, "round", work)):
        await until(lambda: rounds >= 4)
