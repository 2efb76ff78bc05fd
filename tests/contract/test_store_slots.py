import asyncio

import pytest

from shared.ids import TestId, new_test_id
from shared.store.connect import Database
from shared.store.documents import Slot
from shared.store.slots import Slots
from tests.support.samples import ALICE, NOW


@pytest.fixture
async def slots(database: Database) -> Slots:
    found = Slots(database)
    await found.ensure(5)
    return found


async def take(slots: Slots, test: TestId | None = None, attempt: int = 1) -> int | None:
    return await slots.take(test=test or new_test_id(), user=ALICE, attempt=attempt, now=NOW)


async def test_fifty_takers_get_as_many_slots_as_there_are_and_no_slot_twice(database: Database, slots: Slots) -> None:
    schedulers = [Slots(database) for _ in range(5)]
    numbers = await asyncio.gather(*(take(schedulers[number % 5]) for number in range(50)))
    given = [number for number in numbers if number is not None]
    assert sorted(given) == [0, 1, 2, 3, 4]
    assert await slots.free() == 0
    assert await slots.occupancy() == (5, 5)


async def test_takers_and_releasers_at_once_never_overbook(slots: Slots, database: Database) -> None:
    held: set[int] = set()

    async def live(name: int) -> None:
        mine = Slots(database)
        for attempt in range(1, 8):
            test = new_test_id()
            number = await take(mine, test, attempt)
            if number is None:
                continue
            assert number not in held
            held.add(number)
            await asyncio.sleep(0)
            held.discard(number)
            assert await mine.release_all([(test, attempt)]) == 1

    await asyncio.gather(*(live(name) for name in range(20)))
    assert await slots.occupancy() == (0, 5)


async def test_a_slot_knows_its_test(slots: Slots) -> None:
    test = new_test_id()
    number = await take(slots, test, attempt=2)
    assert number is not None
    assert await slots.taken() == [Slot(id=number, test_id=test, user_id=ALICE, attempt=2, since=NOW)]
    assert await slots.free() == 4


async def test_freeing_twice_frees_once(slots: Slots) -> None:
    test, other = new_test_id(), new_test_id()
    await take(slots, test)
    await take(slots, other)
    assert await slots.release_all([(test, 1), (test, 1)]) == 1
    assert await slots.release_all([(test, 1)]) == 0
    assert await slots.release_all([]) == 0
    assert [slot.test_id for slot in await slots.taken()] == [other]


async def test_a_late_word_of_an_earlier_attempt_frees_nothing(slots: Slots) -> None:
    test = new_test_id()
    await take(slots, test, attempt=2)
    assert await slots.release_all([(test, 1)]) == 0
    assert await slots.release_all([(test, 3)]) == 1


async def test_an_attempt_that_holds_two_slots_frees_both(slots: Slots) -> None:
    test = new_test_id()
    await take(slots, test)
    await take(slots, test)
    assert await slots.release_all([(test, 1)]) == 2


async def test_one_slot_of_two_can_be_given_back(slots: Slots) -> None:
    test = new_test_id()
    kept, surplus = await take(slots, test), await take(slots, test)
    assert surplus is not None
    assert await slots.give_back([Slot(id=surplus, test_id=test, attempt=1)]) == 1
    assert [slot.id for slot in await slots.taken()] == [kept]
    again = await take(slots, new_test_id())
    assert again is not None
    # What it was given back as is not what it is now.
    assert await slots.give_back([Slot(id=again, test_id=test, attempt=1)]) == 0


async def test_a_capacity_set_at_run_time_is_kept_over_a_restart_with_the_same_settings(slots: Slots) -> None:
    await slots.resize(8)
    await slots.ensure(5)
    assert (await slots.occupancy()).capacity == 8


async def test_a_capacity_that_was_changed_in_the_settings_is_applied_at_the_next_start(slots: Slots) -> None:
    await slots.ensure(50)
    assert (await slots.occupancy()).capacity == 50


async def test_schedulers_that_start_at_once_make_the_slots_once(database: Database) -> None:
    await asyncio.gather(*(Slots(database).ensure(7) for _ in range(10)))
    assert await Slots(database).occupancy() == (0, 7)


async def test_a_slot_in_use_is_not_given_out_again_after_the_capacity_was_lowered(slots: Slots) -> None:
    tests = [new_test_id() for _ in range(5)]
    for test in tests:
        await take(slots, test)
    await slots.resize(2)
    assert await slots.occupancy() == (5, 2)
    await slots.release_all([(test, 1) for test in tests])
    assert await slots.occupancy() == (0, 2)
    assert await slots.free() == 2
    assert [await take(slots) for _ in range(3)].count(None) == 1
    await slots.resize(4)
    assert await slots.occupancy() == (2, 4)
    assert await slots.free() == 2


async def test_a_capacity_that_is_raised_again_gives_the_slots_back(slots: Slots) -> None:
    tests = [new_test_id() for _ in range(5)]
    for test in tests:
        await take(slots, test)
    await slots.resize(1)
    await slots.resize(5)
    await slots.release_all([(test, 1) for test in tests])
    assert await slots.free() == 5
