import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import pytest
from pymongo.asynchronous.collection import AsyncCollection

from shared.ids import TestId, UserId, new_test_id
from shared.store.connect import Database
from shared.store.documents import Document, Slot
from shared.store.slots import Slots
from tests.support.samples import ALICE, BOB, NOW
from tests.support.until import until


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


async def test_the_slots_that_are_held_longest_come_first(slots: Slots) -> None:
    await slots.ensure(4)
    tests = [new_test_id() for _ in range(3)]
    for minutes, test in zip((5, 9, 2), tests, strict=True):
        await slots.take(test=test, user=ALICE, attempt=1, now=NOW - timedelta(minutes=minutes))
    assert [slot.test_id for slot in await slots.held_longest(9)] == [tests[1], tests[0], tests[2]]
    assert [slot.test_id for slot in await slots.held_longest(1)] == [tests[1]]


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


class Died(Exception):
    """The scheduler is gone."""


class Mortal:
    """A database that its user does not survive for long: after so many writes to `meta` the next one does not come."""

    def __init__(self, database: Database, writes: int) -> None:
        self._database = database
        self._left = writes

    def __getitem__(self, name: str) -> Any:
        return _MortalCollection(self, self._database[name]) if name == "meta" else self._database[name]

    def write(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Died


class _MortalCollection:
    def __init__(self, mortal: Mortal, collection: AsyncCollection[Document]) -> None:
        self._mortal = mortal
        self._collection = collection

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._collection, name)
        if not name.startswith(("find_one_and", "insert", "replace", "update")):
            return method

        def writes(*args: Any, **options: Any) -> Any:
            self._mortal.write()
            return method(*args, **options)

        return writes


@pytest.mark.parametrize("writes", range(5))
@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param({"configured": 5, "capacity": 5}, 50, id="changed"),
        pytest.param({"configured": 5, "capacity": 8}, 50, id="changed-after-an-admin"),
        pytest.param({"configured": 50, "capacity": 8}, 8, id="not-changed"),
        pytest.param({"configured": 50, "capacity": 0}, 0, id="nothing"),
        pytest.param({"configured": 5}, 50, id="changed-since-an-earlier-version"),
        pytest.param({"configured": 50}, 5, id="an-earlier-version"),
        pytest.param({"capacity": 3}, 3, id="an-admin-was-first"),
        pytest.param({"paused_at": NOW}, 5, id="a-pause-was-first"),
        pytest.param(None, 50, id="the-first-start"),
    ],
)
async def test_a_scheduler_that_dies_at_its_start_leaves_the_rest_to_the_next_one(
    database: Database, slots: Slots, before: Document | None, after: int, writes: int
) -> None:
    await slots.agree()
    await database["meta"].delete_one({"_id": "capacity"})
    if before is not None:
        await database["meta"].insert_one({"_id": "capacity", **before})
    mortal: Any = Mortal(database, writes)
    with contextlib.suppress(Died):
        await Slots(mortal).ensure(50)
    for _ in range(2):
        await Slots(database).ensure(50)
        assert await slots.occupancy() == (0, after)
    await slots.resize(7)
    await slots.ensure(50)
    assert await slots.occupancy() == (0, 7)


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


async def test_a_capacity_of_nothing_survives_a_restart(slots: Slots) -> None:
    await slots.resize(0)
    await slots.ensure(5)
    assert await slots.occupancy() == (0, 0)
    assert await take(slots) is None
    await slots.resize(1)
    assert await take(slots) == 0


async def test_a_capacity_that_was_set_before_the_first_scheduler_is_kept(database: Database) -> None:
    slots = Slots(database)
    await slots.resize(3)
    await slots.ensure(5)
    assert await slots.occupancy() == (0, 3)


async def test_slots_of_a_version_that_wrote_no_capacity_are_kept(database: Database) -> None:
    slots = Slots(database)
    await slots.ensure(5)
    await slots.resize(7)
    await database["meta"].update_one({"_id": "capacity"}, {"$unset": {"capacity": ""}})
    assert (await slots.pool()).capacity == 7
    await asyncio.gather(*(Slots(database).ensure(5) for _ in range(5)))
    assert await slots.occupancy() == (0, 7)


async def test_a_paused_queue_gives_no_slot_until_it_is_resumed(slots: Slots) -> None:
    held = new_test_id()
    await take(slots, held)
    await slots.pause(NOW, "root", "new image")
    assert await slots.pool() == (5, NOW, "root", "new image")
    assert await slots.free() is None
    assert [await take(slots) for _ in range(3)] == [None] * 3
    assert [slot.test_id for slot in await slots.taken()] == [held]
    await slots.release_all([(held, 1)])
    assert await take(slots) is None
    await slots.resume()
    await slots.resume()
    assert await slots.free() == 5
    assert await take(slots) is not None


async def test_of_two_pauses_the_last_one_is_remembered_as_a_whole(slots: Slots) -> None:
    later = NOW + timedelta(hours=1)
    await slots.pause(NOW, "root", "one")
    await slots.pause(later, "ops", "two")
    assert await slots.pool() == (5, later, "ops", "two")
    await slots.resume()
    assert await slots.pool() == (5, None, "", "")


async def test_slots_that_are_added_while_the_queue_is_paused_are_not_given_out(slots: Slots) -> None:
    await slots.pause(NOW, "root", "")
    await slots.resize(8)
    await slots.ensure(5)
    assert (await slots.pool()).capacity == 8
    assert await take(slots) is None
    await slots.resume()
    assert [await take(slots) for _ in range(9)].count(None) == 1


async def test_a_pause_of_a_queue_that_no_scheduler_has_made_yet_holds(database: Database) -> None:
    slots = Slots(database)
    await slots.pause(NOW, "root", "")
    await asyncio.gather(*(Slots(database).ensure(4) for _ in range(5)))
    assert await slots.occupancy() == (0, 4)
    assert await take(slots) is None


async def test_when_a_pause_returns_no_scheduler_is_given_a_slot_any_more(database: Database) -> None:
    schedulers = [Slots(database) for _ in range(4)]
    await schedulers[0].ensure(5)
    given, late, paused = 0, 0, asyncio.Event()

    async def grant(slots: Slots) -> None:
        nonlocal given, late
        while not paused.is_set() or late < 20:
            was_paused, test = paused.is_set(), new_test_id()
            number = await take(slots, test)
            given += number is not None
            late += was_paused
            assert number is None or not was_paused
            await slots.release_all([(test, 1)])

    async def pause() -> None:
        await until(lambda: given > 20, what="slots to be given")
        await schedulers[0].pause(NOW, "root", "")
        paused.set()

    await asyncio.gather(*(grant(slots) for slots in schedulers), pause())


async def test_a_change_that_was_left_half_done_is_finished_by_the_next_round(slots: Slots, database: Database) -> None:
    await database["meta"].update_one({"_id": "capacity"}, {"$set": {"capacity": 2}})
    assert [await take(slots) for _ in range(5)].count(None) >= 3  # what is too much is not used even so
    await slots.agree()
    assert (await slots.occupancy()).capacity == 2
    await database["meta"].update_one({"_id": "capacity"}, {"$set": {"capacity": 6}})
    await slots.agree()
    assert (await slots.occupancy()).capacity == 6
    await slots.agree()
    assert (await slots.occupancy()).capacity == 6


async def test_capacities_that_are_set_at_once_end_in_one_of_them(database: Database) -> None:
    several = [Slots(database) for _ in range(6)]
    await several[0].ensure(5)
    await asyncio.gather(*(slots.resize(number * 3) for number, slots in enumerate(several)))
    capacity = (await several[0].pool()).capacity
    assert await several[0].occupancy() == (0, capacity)
    assert {found["_id"] async for found in database["slots"].find({})} == set(range(capacity))


async def test_slots_are_counted_per_user(slots: Slots) -> None:
    for user in (ALICE, ALICE, BOB):
        await slots.take(test=new_test_id(), user=user, attempt=1, now=NOW)
    assert await slots.holders() == {ALICE: 2, BOB: 1}
    assert [await slots.held_by(user) for user in (ALICE, BOB, UserId("nobody"))] == [2, 1, 0]
