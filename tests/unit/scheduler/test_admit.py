import asyncio

import pytest

from services.scheduler.admit import Admission, Arrival
from services.scheduler.shares import Shares
from shared.clock import ManualClock
from shared.domain.lifecycle import State
from shared.events.tests import TestQueued
from shared.ids import UserId
from shared.store.documents import Execution
from shared.store.limits import UserLimits
from tests.support.fakes.scheduling import LineInMemory, TestsInMemory, shares, usual
from tests.support.samples import ALICE, BOB, NOW, execution


class Door:
    """An admission with these submitted tests."""

    def __init__(self, *tests: Execution, shares: Shares | None = None) -> None:
        self.tests, self.line, self.woken = TestsInMemory(*tests), LineInMemory(), 0
        self.admission = Admission(self.tests, self.line, ManualClock(NOW), shares=shares or usual(), wake=self._wake)

    def _wake(self) -> None:
        self.woken += 1

    async def admit(self, test: Execution, priority: int = 4) -> bool:
        return await self.admission.admit(Arrival(test.id, test.user_id, priority, ""))


async def test_a_submitted_test_gets_a_place_an_event_and_wakes_the_dispatch() -> None:
    test = execution()
    door = Door(test)
    assert await door.admit(test)
    assert test.state is State.QUEUED
    place = door.line.entries[test.id]
    assert (place.rank, place.priority, place.enqueued_at, place.attempt) == (1.0, 4, NOW, 0)
    ((told,),) = [move.telling for move in door.tests.moves]
    assert isinstance(told, TestQueued)
    assert (told.rank, told.priority) == (1.0, 4)
    assert door.woken == 1


@pytest.mark.parametrize("state", [state for state in State if state is not State.SUBMITTED])
async def test_a_test_that_is_not_submitted_any_more_is_not_queued(state: State) -> None:
    test = execution(state)
    door = Door(test)
    assert not await door.admit(test)
    assert door.line.entries == {}
    assert door.woken == 0


async def test_arrivals_of_a_moment_reserve_together_and_each_user_and_priority_by_itself() -> None:
    tests = [execution(user_id=user) for user in (ALICE, ALICE, BOB, ALICE)]
    door = Door(*tests)
    await asyncio.gather(*(door.admit(test, priority) for test, priority in zip(tests, (4, 4, 4, 9), strict=True)))
    assert sorted(door.line.reserved) == [(ALICE, 4, 2), (ALICE, 9, 1), (BOB, 4, 1)]
    assert [door.line.entries[test.id].rank for test in tests] == [1.0, 2.0, 1.0, 1.0]


async def test_the_same_arrival_twice_has_one_place() -> None:
    test = execution()
    door = Door(test)
    assert sorted(await asyncio.gather(door.admit(test), door.admit(test))) == [False, True]
    assert len(door.line.entries) == 1


async def test_one_that_cannot_be_moved_leaves_the_others_alone() -> None:
    good, gone = execution(), execution(user_id=UserId("carol"))
    door = Door(good)
    assert list(await asyncio.gather(door.admit(good), door.admit(gone))) == [True, False]


async def test_a_requeued_test_comes_back_to_its_old_place() -> None:
    test = execution(State.QUEUED, attempt=1, rank=7.5)
    door = Door(test)
    await door.admission.restore(test)
    place = door.line.entries[test.id]
    assert (place.rank, place.attempt, place.enqueued_at) == (7.5, 1, test.times.submitted)
    assert door.line.reserved == []
    assert door.woken == 1


async def test_a_user_of_weight_two_gets_two_turns_for_one() -> None:
    tests = [execution() for _ in range(4)]
    door = Door(*tests, shares=await shares(UserLimits(id=ALICE, weight=2.0)))
    await asyncio.gather(*(door.admit(test) for test in tests))
    assert [door.line.entries[test.id].rank for test in tests] == [0.5, 1.0, 1.5, 2.0]
