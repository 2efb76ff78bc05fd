from collections import defaultdict
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.fairness import furthest_ranks, ranks


@dataclass
class Line:
    """The queue as the store keeps it, in memory: who hands in gets ranks, a grant takes the next one."""

    waiting: list[tuple[int, float, int, str]] = field(default_factory=list)
    """(minus priority, rank, order of arrival, user): sorted as they are served"""
    served: dict[int, float] = field(default_factory=dict)
    last: dict[tuple[str, int], float] = field(default_factory=dict)
    given: dict[tuple[str, int], list[float]] = field(default_factory=lambda: defaultdict(list))
    arrivals: int = 0

    def hand_in(self, user: str, count: int, priority: int = 4) -> None:
        own = ranks(virtual_now=self.served.get(priority, 0.0), last_rank=self.last.get((user, priority)), count=count)
        for rank in own:
            self.arrivals += 1
            self.waiting.append((-priority, rank, self.arrivals, user))
        self.last[user, priority] = own[-1]
        self.given[user, priority] += own

    def grant(self, count: int = 1) -> list[str]:
        """Grants in one pass; the virtual time moves on after it."""
        self.waiting.sort()
        granted, self.waiting = self.waiting[:count], self.waiting[count:]
        for priority, rank in furthest_ranks((-entry[0], entry[1]) for entry in granted).items():
            self.served[priority] = max(rank, self.served.get(priority, rank))
        return [entry[3] for entry in granted]

    def until_served(self, user: str) -> list[str]:
        """Whoever is granted before the next test of `user`."""
        before = []
        while (granted := self.grant()) and granted != [user]:
            before += granted
        assert granted
        return before


@given(crowd=st.integers(1, 500), served=st.integers(0, 500))
def test_a_user_with_hundreds_of_tests_delays_another_users_single_one_by_one_turn(crowd: int, served: int) -> None:
    line = Line()
    line.hand_in("crowd", crowd)
    line.grant(min(served, crowd - 1))
    line.hand_in("single", 1)
    assert line.until_served("single") in ([], ["crowd"])


USERS = st.sampled_from(["alice", "bob", "carol"])
STEPS = st.lists(
    st.one_of(
        st.tuples(USERS, st.integers(1, 20), st.sampled_from([4, 5, 9])),
        st.integers(1, 15),
    ),
    max_size=25,
)


def played(steps: list[tuple[str, int, int] | int]) -> Line:
    line = Line()
    for step in steps:
        if isinstance(step, int):
            line.grant(step)
        else:
            line.hand_in(*step)
    return line


@given(STEPS)
def test_a_newcomer_waits_for_two_tests_at_most_of_each_other_user(steps: list[tuple[str, int, int] | int]) -> None:
    line = played(steps)
    # Higher priorities go first whatever their rank: what counts is the newcomer's own line.
    line.waiting = [entry for entry in line.waiting if entry[0] >= -4]
    line.hand_in("newcomer", 1)
    before = line.until_served("newcomer")
    assert all(before.count(user) <= 2 for user in set(before))


@given(STEPS)
def test_a_users_ranks_only_grow_and_never_repeat(steps: list[tuple[str, int, int] | int]) -> None:
    for given_out in played(steps).given.values():
        assert given_out == sorted(set(given_out))


@given(STEPS)
def test_priority_goes_before_rank(steps: list[tuple[str, int, int] | int]) -> None:
    line = played(steps)
    urgent = sum(1 for entry in line.waiting if entry[0] == -9)
    line.hand_in("late", 1, priority=9)
    assert line.grant(urgent + 1).count("late") == 1


def test_an_urgent_test_of_a_busy_user_does_not_put_newcomers_behind_his_crowd() -> None:
    line = Line()
    line.hand_in("busy", 500)
    line.hand_in("busy", 1, priority=9)
    assert line.grant() == ["busy"]
    line.hand_in("newcomer", 1)
    assert line.until_served("newcomer") in ([], ["busy"])


def test_two_crowds_take_turns() -> None:
    line = Line()
    line.hand_in("alice", 50)
    line.hand_in("bob", 50)
    order = line.grant(100)
    assert all(abs(order[:place].count("alice") - order[:place].count("bob")) <= 1 for place in range(101))


def test_who_was_away_has_saved_up_nothing() -> None:
    line = Line()
    line.hand_in("away", 1)
    line.grant()
    line.hand_in("busy", 100)
    line.grant(50)
    line.hand_in("away", 50)
    order = line.grant(50)
    assert 24 <= order.count("away") <= 26


def test_a_weight_of_two_gets_two_turns_for_one() -> None:
    assert ranks(virtual_now=0, last_rank=None, count=4, weight=2) == [0.5, 1, 1.5, 2]
    assert ranks(virtual_now=7, last_rank=3, count=1) == [8]
    assert ranks(virtual_now=3, last_rank=7, count=2) == [8, 9]
    assert ranks(virtual_now=0, last_rank=None, count=0) == []


@pytest.mark.parametrize("weight", [0, -1.0])
def test_a_weight_must_be_positive(weight: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        ranks(virtual_now=0, last_rank=None, count=1, weight=weight)


def test_the_furthest_rank_counts_per_priority() -> None:
    assert furthest_ranks([(4, 3.0), (4, 5.0), (9, 1.0), (4, 4.0)]) == {4: 5.0, 9: 1.0}
    assert furthest_ranks([]) == {}
