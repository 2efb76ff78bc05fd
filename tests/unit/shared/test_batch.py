import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from shared.store.batch import GroupCommit
from tests.support.until import until


class Writes:
    """A store that keeps its batches, and answers when the gate is open."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.answer: Callable[[int], int | Exception] = lambda item: item * 10
        self.at_once = self.most_at_once = 0

    async def write(self, items: Sequence[int]) -> Sequence[int | Exception]:
        self.batches.append(list(items))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
            return [self.answer(item) for item in items]
        finally:
            self.at_once -= 1


async def test_a_call_gets_its_own_answer() -> None:
    writes = Writes()
    commit = GroupCommit("test", writes.write)
    assert await commit(1) == 10
    assert await asyncio.gather(*(commit(item) for item in range(100))) == [item * 10 for item in range(100)]


async def test_calls_of_one_moment_leave_together() -> None:
    writes = Writes()
    commit = GroupCommit("test", writes.write)
    await asyncio.gather(*(commit(item) for item in range(10)))
    assert writes.batches == [list(range(10))]


async def test_calls_that_come_while_a_round_trip_is_under_way_leave_with_the_next() -> None:
    writes = Writes()
    writes.gate.clear()
    commit = GroupCommit("test", writes.write)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(commit(0))
        await until(lambda: writes.batches)
        for item in range(1, 6):
            tasks.create_task(commit(item))
        await asyncio.sleep(0)
        writes.gate.set()
    assert writes.batches == [[0], [1, 2, 3, 4, 5]]


async def test_a_batch_has_a_limit_and_the_rest_follows_at_once() -> None:
    writes = Writes()
    commit = GroupCommit("test", writes.write, limit=4)
    await asyncio.gather(*(commit(item) for item in range(10)))
    assert [len(batch) for batch in writes.batches] == [4, 4, 2]


@pytest.mark.parametrize("lanes", [1, 3])
async def test_never_more_round_trips_at_once_than_lanes(lanes: int) -> None:
    writes = Writes()
    commit = GroupCommit("test", writes.write, limit=2, lanes=lanes)
    await asyncio.gather(*(commit(item) for item in range(40)))
    assert writes.most_at_once == lanes
    assert sorted(item for batch in writes.batches for item in batch) == list(range(40))


async def test_one_that_fails_fails_alone() -> None:
    writes = Writes()
    writes.answer = lambda item: ValueError(f"not {item}") if item == 3 else item
    commit = GroupCommit("test", writes.write)
    answers = await asyncio.gather(*(commit(item) for item in range(5)), return_exceptions=True)
    assert [answer for answer in answers if not isinstance(answer, Exception)] == [0, 1, 2, 4]
    assert isinstance(answers[3], ValueError)


async def test_a_round_trip_that_fails_is_told_to_each_and_the_next_one_works() -> None:
    calls = 0

    async def write(items: Sequence[int]) -> Sequence[int | Exception]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ConnectionError("away")
        return list(items)

    commit = GroupCommit("test", write)
    answers = await asyncio.gather(commit(1), commit(2), return_exceptions=True)
    assert all(isinstance(answer, ConnectionError) for answer in answers)
    assert await commit(3) == 3


async def test_a_caller_who_is_cancelled_takes_nobody_down_and_his_write_is_made() -> None:
    writes = Writes()
    writes.gate.clear()
    commit = GroupCommit("test", writes.write)
    async with asyncio.TaskGroup() as tasks:
        first, second = tasks.create_task(commit(1)), tasks.create_task(commit(2))
        await until(lambda: writes.batches)
        third = tasks.create_task(commit(3))
        await asyncio.sleep(0)
        first.cancel()
        third.cancel()
        writes.gate.set()
        assert await second == 20
    assert (first.cancelled(), third.cancelled()) == (True, True)
    await until(lambda: writes.batches == [[1, 2], [3]])
    assert await commit(4) == 40


async def test_a_call_in_every_moment_around_the_end_of_a_round_trip_is_answered() -> None:
    writes = Writes()
    commit = GroupCommit("test", writes.write)

    async def after(turns: int) -> int:
        for _ in range(turns):
            await asyncio.sleep(0)
        return await commit(turns)

    async with asyncio.timeout(20):
        answers: list[Awaitable[int]] = [after(turns) for turns in range(60)]
        assert await asyncio.gather(*answers) == [turns * 10 for turns in range(60)]
