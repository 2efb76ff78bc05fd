import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from deploy.local.side_by_side import side_by_side


class Record(list[str]):
    @asynccontextmanager
    async def context(self, name: str) -> AsyncIterator[str]:
        async with asyncio.timeout(5):  # bound to its task: leaving it in another one would raise
            self.append(f"enter {name}")
            await asyncio.sleep(0)
            try:
                yield name
            finally:
                self.append(f"leave {name}")


class Failing(AbstractAsyncContextManager[str]):
    async def __aenter__(self) -> str:
        raise LookupError("no start")

    async def __aexit__(self, *_: object) -> None:
        pytest.fail("it was never entered")


@asynccontextmanager
async def dying(when: asyncio.Event) -> AsyncIterator[str]:
    async def die() -> None:
        await when.wait()
        raise LookupError("died")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(die())
        yield "dying"


async def test_all_are_entered_before_the_block_and_left_after_it() -> None:
    record = Record()
    async with side_by_side([record.context("a"), record.context("b")]) as names:
        assert names == ["a", "b"]
        assert record == ["enter a", "enter b"]
    assert sorted(record[2:]) == ["leave a", "leave b"]


async def test_one_that_cannot_start_ends_the_others() -> None:
    record = Record()
    with pytest.raises(ExceptionGroup) as raised:
        async with side_by_side([record.context("a"), Failing()]):
            pytest.fail("the block was entered")
    assert raised.group_contains(LookupError, match="no start")
    assert "leave a" in record


async def test_one_that_dies_later_ends_the_block() -> None:
    record, when = Record(), asyncio.Event()

    async def block() -> None:
        async with side_by_side([record.context("a"), dying(when)]):
            when.set()
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as raised:
        await block()
    assert raised.group_contains(LookupError, match="died")
    assert "leave a" in record
