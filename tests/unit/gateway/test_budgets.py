import asyncio

import pytest

from services.gateway.budgets import Budget, Lanes, Waits
from shared.errors import AssayError


class NoPlace(AssayError):
    """There is no place."""


def _refusal(holder: str, most: int) -> NoPlace:
    return NoPlace(f"{holder} {most}")


def test_a_holder_has_so_many_places_and_all_together_so_many() -> None:
    budget = Budget(3, 2, _refusal)
    budget.take("a")
    budget.take("a")
    with pytest.raises(NoPlace, match="a 2"):
        budget.take("a")
    budget.take("b")
    with pytest.raises(NoPlace, match="c 3"):
        budget.take("c")
    budget.give_back("a")
    budget.take("c")
    assert (budget.taken, budget.of("a"), budget.of("c"), budget.of("x")) == (3, 1, 1, 0)


def test_a_place_is_given_back_whatever_happens_and_nothing_is_kept_of_who_has_left() -> None:
    budget = Budget(1, 1, _refusal)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), budget.place("a"):
            raise ZeroDivisionError
    with budget.place("a"), pytest.raises(NoPlace), budget.place("a"):
        pass
    assert (budget.taken, budget._by) == (0, {})


async def test_a_holder_waits_for_a_free_lane_and_others_do_not() -> None:
    lanes, done = Lanes(2), []
    gate = asyncio.Event()

    async def drive(holder: str) -> None:
        async with lanes.of(holder):
            await gate.wait()
            done.append(holder)

    waiting = [asyncio.create_task(drive("a")) for _ in range(5)]
    await asyncio.sleep(0)
    async with lanes.of("b"):  # at once
        assert len(lanes) == 2
    waiting[4].cancel()  # while it waits
    gate.set()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert done == ["a"] * 4
    assert len(lanes) == 0


class Waiting:
    """Who waits for a message that never comes, until it is ended."""

    def __init__(self, waits: Waits, holder: str) -> None:
        self.limit = asyncio.timeout(None)
        self.wait = waits.place(holder, self.limit)
        self.task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        async with self.limit:
            with self.wait:
                await asyncio.Event().wait()


async def waiting(waits: Waits, *holders: str) -> list[Waiting]:
    made = [Waiting(waits, holder) for holder in holders]
    await asyncio.sleep(0)  # they are there
    return made


async def test_who_has_waited_for_longest_goes_for_the_newest_of_the_same_holder_first() -> None:
    waits = Waits(4, 2)
    first, second, third, other = await waiting(waits, "a", "a", "a", "b")
    with pytest.raises(TimeoutError):
        await first.task
    assert first.wait.ended
    assert (second.wait.ended, third.wait.ended, other.wait.ended, len(waits)) == (False, False, False, 3)
    newest, last = await waiting(waits, "c", "d")
    with pytest.raises(TimeoutError):
        await second.task  # of who had the most
    assert (third.wait.ended, other.wait.ended, newest.wait.ended, last.wait.ended) == (False, False, False, False)
    for one in (third, other, newest, last):
        one.task.cancel()
    await asyncio.gather(*(one.task for one in (third, other, newest, last)), return_exceptions=True)
    assert len(waits) == 0


async def test_what_has_come_waits_no_more() -> None:
    waits = Waits(1, 1)
    async with asyncio.timeout(10) as limit:
        with waits.place("a", limit):
            assert len(waits) == 1
        (later,) = await waiting(waits, "a")
        assert not limit.expired()
    later.task.cancel()
    await asyncio.gather(later.task, return_exceptions=True)
    assert len(waits) == 0
