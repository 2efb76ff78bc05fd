import pytest

from services.gateway.budgets import Budget
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
