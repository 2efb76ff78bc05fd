import asyncio
import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.domain.lifecycle import State
from shared.domain.limits import Limits
from shared.domain.ratelimit import WINDOW, left_by
from shared.events.tests import TestSubmitted
from shared.ids import TestId, first_test_id, new_test_id
from shared.store.admissions import OLDEST, SELDOM, UNSEEN, Admissions
from shared.store.connect import Database
from shared.store.documents import Execution
from shared.store.executions import Executions
from tests.support.samples import ALICE, BOB, NOW, execution

TEN = Limits(submissions_per_hour=10)
MINUTE = timedelta(minutes=1)


def made(minutes_ago: float) -> TestId:
    """An id that was made so long before NOW."""
    return TestId(first_test_id(NOW - minutes_ago * MINUTE)[:-8] + f"{random.getrandbits(32):08x}")


async def stored(database: Database, state: State, **changes: Any) -> Execution:
    test = execution(State.SUBMITTED, id=made(2), **changes)
    event = TestSubmitted(test_id=test.id, user_id=test.user_id, at=test.times.submitted, priority=4)
    await Executions(database, lambda letters: None).submit(test, event)
    await becomes(database, test.id, state)
    return test


async def becomes(database: Database, test: TestId, state: State) -> None:
    await database["executions"].update_one({"_id": test}, {"$set": {"state": state}})


async def count(database: Database, field: str) -> int:
    found = await database["rate_windows"].find_one({"_id": ALICE})
    return len(found[field]) if found and field in found else 0


async def test_of_fifty_at_once_as_many_are_let_in_as_may(database: Database) -> None:
    gateways = [Admissions(database) for _ in range(5)]
    answers = await asyncio.gather(
        *(gateways[number % 5].enter(ALICE, new_test_id(), NOW, TEN) for number in range(50))
    )
    assert sum(1 for answer in answers if answer is None) == 10
    assert all(len(answer.at) == 10 for answer in answers if answer is not None)
    assert await gateways[0].enter(BOB, new_test_id(), NOW, TEN) is None


async def test_fifty_at_once_after_an_hour_are_ten_again(database: Database) -> None:
    windows = Admissions(database)
    for _ in range(10):
        assert await windows.enter(ALICE, new_test_id(), NOW, TEN) is None
    later = NOW + WINDOW
    answers = await asyncio.gather(*(windows.enter(ALICE, new_test_id(), later, TEN) for _ in range(50)))
    assert sum(1 for answer in answers if answer is None) == 10


@pytest.mark.parametrize("seed", range(8))
async def test_the_window_in_the_store_lets_in_whoever_the_rule_lets_in(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    limit, now = chance.randint(1, 6), NOW
    limits, windows = Limits(submissions_per_hour=limit), Admissions(database)
    let_in: list[datetime] = []
    for _ in range(60):
        now += timedelta(seconds=chance.choice([0, 1, 60, 600, 1800, 3600]))
        inside = [at for at in let_in if at > left_by(now)]
        answer = await windows.enter(ALICE, new_test_id(), now, limits)
        assert (answer is None) == (len(inside) < limit)
        if answer is None:
            let_in.append(now)
    assert await count(database, "at") <= limit


async def test_an_entry_that_is_given_back_is_free_again(database: Database) -> None:
    windows, limits = Admissions(database), Limits(submissions_per_hour=1, max_pending=1)
    test = new_test_id()
    assert await windows.enter(ALICE, test, NOW, limits) is None
    assert await windows.enter(ALICE, new_test_id(), NOW, limits) is not None
    for _ in range(2):
        await windows.leave(ALICE, test)
    await windows.leave(BOB, test)
    assert await windows.enter(ALICE, new_test_id(), NOW, limits) is None


async def test_who_has_no_limit_costs_no_write(database: Database) -> None:
    assert await Admissions(database).enter(ALICE, new_test_id(), NOW, Limits(max_running=5)) is None
    assert await database["rate_windows"].count_documents({}) == 0


async def test_a_lower_limit_holds_at_once(database: Database) -> None:
    windows = Admissions(database)
    for _ in range(6):
        await windows.enter(ALICE, new_test_id(), NOW, TEN)
    full = await windows.enter(ALICE, new_test_id(), NOW, Limits(submissions_per_hour=3))
    assert full is not None
    assert len(full.at) == 6


async def test_of_fifty_at_once_no_more_wait_than_may(database: Database) -> None:
    windows, limits = Admissions(database), Limits(max_pending=5)
    answers = await asyncio.gather(*(windows.enter(ALICE, new_test_id(), NOW, limits) for _ in range(50)))
    assert sum(1 for answer in answers if answer is None) == 5


async def test_tests_that_do_not_wait_any_more_make_room(database: Database) -> None:
    windows, limits = Admissions(database), Limits(max_pending=3)
    waiting = [await stored(database, state) for state in (State.SUBMITTED, State.QUEUED, State.QUEUED)]
    for test in waiting:
        assert await windows.enter(ALICE, test.id, NOW, limits) is None
    assert await windows.enter(ALICE, new_test_id(), NOW, limits) is not None
    for state in (State.BUILDING, State.FAILED):
        await becomes(database, waiting.pop().id, state)
    answers = await asyncio.gather(*(windows.enter(ALICE, new_test_id(), NOW, limits) for _ in range(9)))
    assert sum(1 for answer in answers if answer is None) == 2
    assert await count(database, "waiting") == 3


async def many_waiting(database: Database, count: int) -> list[TestId]:
    """As many tests that wait as may, oldest first; all have just been looked at."""
    found = await asyncio.gather(*(stored(database, State.QUEUED) for _ in range(count)))
    tests = sorted(test.id for test in found)
    windows = Admissions(database)
    for test in tests:
        assert await windows.enter(ALICE, test, NOW, Limits(max_pending=count)) is None
    assert await windows.enter(ALICE, new_test_id(), NOW, Limits(max_pending=count)) is not None
    return tests


async def test_of_many_that_wait_the_oldest_make_room_at_once(database: Database) -> None:
    limits = Limits(max_pending=OLDEST + 20)
    tests = await many_waiting(database, limits.max_pending)
    for test in (tests[0], tests[OLDEST - 1]):
        await becomes(database, test, State.BUILDING)
    answers = await asyncio.gather(*(Admissions(database).enter(ALICE, made(0), NOW, limits) for _ in range(9)))
    assert sum(1 for answer in answers if answer is None) == 2
    assert await count(database, "waiting") == limits.max_pending


async def test_of_many_that_wait_all_are_looked_at_once_in_a_while(database: Database) -> None:
    limits, windows = Limits(max_pending=OLDEST + 20), Admissions(database)
    tests = await many_waiting(database, limits.max_pending)
    for test in tests[-3:]:
        await becomes(database, test, State.FAILED)
    full = await windows.enter(ALICE, made(0), NOW + SELDOM / 2, limits)
    assert full is not None
    assert len(full.waiting) == limits.max_pending
    answers = await asyncio.gather(*(windows.enter(ALICE, made(0), NOW + SELDOM, limits) for _ in range(9)))
    late = [await windows.enter(ALICE, made(0), NOW + 2 * SELDOM, limits) for _ in range(9)]
    assert sum(1 for answer in (*answers, *late) if answer is None) == 3


async def test_a_clock_that_was_wrong_keeps_nobody_out(database: Database) -> None:
    limits, windows = Limits(max_pending=OLDEST + 1), Admissions(database)
    tests = await many_waiting(database, limits.max_pending)
    assert await windows.enter(ALICE, made(0), NOW + timedelta(days=1), limits) is not None
    await becomes(database, tests[-1], State.FAILED)
    assert await windows.enter(ALICE, made(0), NOW, limits) is None


async def test_many_that_have_left_make_room_at_once_for_a_lower_limit(database: Database) -> None:
    windows = Admissions(database)
    tests = await many_waiting(database, 3 * OLDEST)
    for test in tests[1:]:
        await becomes(database, test, State.COMPLETED)
    lower = Limits(max_pending=2)
    assert await windows.enter(ALICE, made(0), NOW + SELDOM, lower) is None
    assert await windows.enter(ALICE, made(0), NOW + SELDOM, lower) is not None


async def test_a_test_that_was_never_stored_holds_its_place_for_a_minute(database: Database) -> None:
    windows, limits = Admissions(database), Limits(max_pending=1)
    assert await windows.enter(ALICE, made(0), NOW, limits) is None
    assert await windows.enter(ALICE, made(0), NOW + UNSEEN / 2, limits) is not None
    assert await windows.enter(ALICE, made(0), NOW + 1.1 * UNSEEN, limits) is None


async def test_either_limit_refuses_and_then_nothing_is_counted(database: Database) -> None:
    windows = Admissions(database)
    waiting = await stored(database, State.QUEUED)
    assert await windows.enter(ALICE, waiting.id, NOW, Limits(submissions_per_hour=9, max_pending=1)) is None
    assert await windows.enter(ALICE, new_test_id(), NOW, Limits(submissions_per_hour=9, max_pending=1)) is not None
    assert await count(database, "at") == 1
    assert await windows.enter(ALICE, new_test_id(), NOW, Limits(submissions_per_hour=1, max_pending=9)) is not None
    assert await count(database, "waiting") == 1


async def test_what_nobody_listed_counts_when_a_limit_is_set(database: Database) -> None:
    windows = Admissions(database)
    old = execution(id=made(90), at=NOW - 90 * MINUTE)
    await Executions(database, lambda letters: None).submit(
        old, TestSubmitted(test_id=old.id, user_id=ALICE, at=NOW, priority=4)
    )
    for state in (State.QUEUED, State.RUNNING, State.FAILED):
        await stored(database, state, at=NOW - 2 * MINUTE)
    listed = await stored(database, State.QUEUED, at=NOW - 2 * MINUTE)
    assert await windows.enter(ALICE, listed.id, listed.times.submitted, Limits(submissions_per_hour=9)) is None
    for _ in range(2):
        await windows.recall(ALICE, NOW)
        await windows.recall(BOB, NOW)
    assert await count(database, "at") == 4
    assert await count(database, "waiting") == 3  # the old one waits, too
    assert await windows.enter(ALICE, new_test_id(), NOW, Limits(submissions_per_hour=4)) is not None
    assert await windows.enter(ALICE, new_test_id(), NOW, Limits(max_pending=3)) is not None
    assert await windows.enter(ALICE, new_test_id(), NOW, Limits(submissions_per_hour=5, max_pending=4)) is None
