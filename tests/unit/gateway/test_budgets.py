import asyncio

import pytest

from services.gateway.budgets import Budget, Lanes
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
