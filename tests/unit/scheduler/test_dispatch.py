import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

from services.scheduler.dispatch import PASS_LIMIT, Dispatch
from services.scheduler.shares import Shares
from shared.clock import ManualClock
from shared.domain.lifecycle import ACTIVE, State
from shared.events.tests import TestScheduled
from shared.ids import TestId, UserId, new_test_id
from shared.store.documents import Execution, QueueEntry, Slot
from shared.store.limits import UserLimits
from shared.store.queue import Spell
from tests.support.fakes.scheduling import LineInMemory, SlotsInMemory, TestsInMemory, shares, usual
from tests.support.samples import ALICE, BOB, NOW, entry, execution
from tests.support.until import until


def queued(rank: float, *, priority: int = 4, attempt: int = 0, user: UserId = ALICE) -> tuple[Execution, QueueEntry]:
    test = execution(State.QUEUED, attempt=attempt, user_id=user)
    return test, entry(rank, priority=priority, id=test.id, attempt=attempt, user=user)


class House:
    """A dispatch with so many slots and waiting tests."""

    def __init__(self, capacity: int, *waiting: tuple[Execution, QueueEntry], shares: Shares | None = None) -> None:
        self.tests = TestsInMemory(*(test for test, _ in waiting))
        self.line = LineInMemory(*(place for _, place in waiting))
        self.slots = SlotsInMemory(capacity)
        self.clock = ManualClock(NOW + timedelta(seconds=2))
        self.dispatch = Dispatch(self.tests, self.line, self.slots, self.clock, shares=shares or usual())

    @property
    def active(self) -> list[Execution]:
        return [test for test in self.tests.tests.values() if test.state in ACTIVE]

    async def dispatch_all(self) -> None:
        while await self.dispatch.dispatch():
            pass


async def test_a_full_pool_leaves_the_test_queued() -> None:
    house = House(2, *(queued(rank) for rank in range(5)))
    await house.dispatch_all()
    assert len(house.active) == 2
    assert len(house.line.entries) == 3


async def test_tests_are_granted_in_order_with_a_slot_and_an_attempt_of_their_own() -> None:
    waiting = [queued(3), queued(1), queued(9, priority=9), queued(2)]
    house = House(3, *waiting)
    await house.dispatch_all()
    told = [event for move in house.tests.moves for event in move.telling]
    assert all(isinstance(event, TestScheduled) for event in told)
    assert [event.test_id for event in told] == [waiting[index][0].id for index in (2, 1, 3)]
    assert {test.slot for test in house.active} == {0, 1, 2}
    assert {test.attempt for test in house.active} == {1}


async def test_the_next_attempt_follows_the_one_behind_it() -> None:
    house = House(1, queued(1, attempt=2))
    await house.dispatch_all()
    assert [test.attempt for test in house.active] == [3]
    assert house.slots.slots[0].attempt == 3


async def test_a_freed_slot_goes_to_the_next_test() -> None:
    house = House(1, queued(1), queued(2))
    await house.dispatch_all()
    (first,) = house.active
    first.state = State.COMPLETED
    await house.dispatch.release(first.id, 1)
    await house.dispatch_all()
    assert [test.id for test in house.active] == [other for other in house.tests.tests if other != first.id]


async def test_a_slot_is_freed_once_and_only_by_its_own_attempt() -> None:
    house = House(2, queued(1, attempt=1))
    await house.dispatch_all()
    (test,) = house.active
    await house.dispatch.release(test.id, 1)  # a late word of the attempt before
    assert len(await house.slots.taken()) == 1
    for _ in range(2):
        await house.dispatch.release(test.id, 2)
    assert await house.slots.taken() == []


async def test_a_grant_that_another_scheduler_won_gives_just_its_own_slot_back() -> None:
    test, place = queued(1)
    house = House(2, (test, place))
    number = await house.slots.take(test=test.id, user=test.user_id, attempt=1, now=NOW)
    test.state, test.attempt, test.slot = State.BUILDING, 1, number
    await house.dispatch_all()
    assert [(slot.id, slot.test_id) for slot in await house.slots.taken()] == [(number, test.id)]
    assert house.line.entries == {}


async def test_a_grant_of_a_test_that_was_cancelled_gives_its_slot_back_and_the_next_one_gets_it() -> None:
    cancelled, after = queued(1), queued(2)
    house = House(1, cancelled, after)
    cancelled[0].state = State.FAILED
    await house.dispatch_all()
    await house.dispatch_all()
    assert [test.id for test in house.active] == [after[0].id]


async def test_more_waiting_than_one_pass_takes_are_granted_in_several() -> None:
    house = House(2 * PASS_LIMIT + 1, *(queued(rank) for rank in range(2 * PASS_LIMIT + 1)))
    await house.dispatch_all()
    assert len(house.active) == 2 * PASS_LIMIT + 1


async def test_arrivals_at_a_full_house_do_not_ask_the_store_again() -> None:
    house = House(1, queued(1), queued(2))
    await house.dispatch_all()
    looks = house.slots.looks
    for _ in range(5):
        await house.dispatch_all()
    assert house.slots.looks == looks
    house.dispatch.look_again()
    await house.dispatch_all()
    assert house.slots.looks == looks + 1


async def test_how_far_the_line_moved_is_written_per_priority_with_the_waits() -> None:
    house = House(5, queued(5), queued(7), queued(2, priority=9))
    await house.dispatch_all()
    await house.dispatch.record()
    await house.dispatch.record()
    assert house.line.served == {4: 7, 9: 2}
    assert house.line.waits == [2.0, 2.0, 2.0]


async def test_a_store_that_fails_for_a_while_stops_nothing_for_good() -> None:
    house = House(1, queued(1))
    house.tests.error = ConnectionError("away")
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(house.dispatch.run(0.05))
        house.dispatch.wake()
        await until(lambda: house.slots.looks)
        house.tests.error = None
        taken = await house.slots.taken()
        await house.slots.give_back(taken)  # as the sweep would: the move never happened
        await until(lambda: house.active)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_a_paused_queue_grants_nothing_and_goes_on_when_it_is_resumed() -> None:
    house = House(2, queued(1), queued(2))
    house.slots.paused = True
    await house.dispatch_all()
    assert house.active == []
    house.slots.paused = False
    await house.dispatch_all()
    assert len(house.active) == 2


async def test_a_release_while_the_queue_is_paused_grants_nothing() -> None:
    house = House(1, queued(1), queued(2))
    await house.dispatch_all()
    house.slots.paused = True
    (first,) = house.active
    first.state = State.COMPLETED
    await house.dispatch.release(first.id, 1)
    await house.dispatch_all()
    assert house.active == []
    assert await house.slots.taken() == []


async def test_a_user_at_his_maximum_waits_and_lets_others_go_first() -> None:
    crowd = [queued(rank) for rank in range(5)]
    other = queued(9, user=BOB)
    house = House(4, *crowd, other, shares=await shares(max_running=2))
    await house.dispatch_all()
    assert [test.id for test in house.active] == [crowd[0][0].id, crowd[1][0].id, other[0].id]
    crowd[0][0].state = State.COMPLETED
    await house.dispatch.release(crowd[0][0].id, 1)
    await house.dispatch_all()
    assert {test.id for test in house.active} == {crowd[1][0].id, crowd[2][0].id, other[0].id}


async def test_what_an_admin_set_for_a_user_goes_before_the_default() -> None:
    many, few = [queued(rank) for rank in range(4)], [queued(rank, user=BOB) for rank in range(4)]
    own = UserLimits(id=ALICE, max_running=0)
    house = House(9, *many, *few, shares=await shares(own, max_running=1))
    await house.dispatch_all()
    assert sorted(test.user_id for test in house.active) == [ALICE] * 4 + [BOB]


class SlotsWithARival(SlotsInMemory):
    """Another scheduler takes the last slot for Alice when ours takes one for her."""

    rivals = True

    async def take(self, *, test: TestId, user: UserId, attempt: int, now: datetime) -> int | None:
        last = max(self.slots)
        if self.rivals and user == ALICE and self.slots[last].test_id is None:
            self.slots[last] = Slot(id=last, test_id=new_test_id(), user_id=user, attempt=1, since=now)
        return await super().take(test=test, user=user, attempt=attempt, now=now)


async def test_of_two_schedulers_that_take_a_users_last_slot_at_once_the_later_one_gives_it_back() -> None:
    house = House(4, queued(1), queued(2, user=BOB))
    house.slots = rival = SlotsWithARival(4)
    house.dispatch = Dispatch(house.tests, house.line, rival, house.clock, shares=await shares(max_running=1))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(house.dispatch.run(60))
        house.dispatch.wake()
        await until(lambda: house.active)
        assert [test.user_id for test in house.active] == [BOB]
        assert house.slots.slots[3].user_id == ALICE
        house.slots.slots[3] = Slot(id=3)  # the rival gave back, too, as it may: nobody tells us of it
        rival.rivals = False
        await until(lambda: len(house.active) == 2)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_how_long_slots_were_held_is_remembered_by_who_granted_them() -> None:
    house = House(2, queued(1), queued(2))
    await house.dispatch_all()
    first, second = house.active
    house.clock.advance(timedelta(seconds=7))
    await house.dispatch.release(first.id, 1)
    await house.dispatch.release(first.id, 1)
    await house.dispatch.release(execution().id, 1)  # another scheduler granted that one
    house.clock.advance(timedelta(seconds=3))
    await house.dispatch.release(second.id, 1)
    await house.dispatch.record()
    await house.dispatch.record()
    assert house.line.holds == [
        Spell(NOW + timedelta(seconds=9), 7.0),
        Spell(NOW + timedelta(seconds=12), 10.0),
    ]
