"""Usage and cost on a real store: every test counted once, whoever dies in the middle and however many keep books."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.orchestrator.bookkeeping import HOLD, LOG_PATIENCE, Bookkeeping
from shared.domain.lifecycle import State
from shared.domain.usage import EVERYBODY, Kind
from shared.store.books import Batch, Books
from shared.store.connect import Database
from shared.store.counters import Counters
from shared.store.documents import Document
from shared.store.executions import Executions
from tests.support.books import LATER, Clock, Died, Mortal, archive, end, hand_in, keeper, today
from tests.support.samples import ALICE, BOB, NOW


class Slow(Books):
    """Is paused now and then between its steps, while others take the books over."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.left_open = 0
        """How often it found the batch of another one open."""

    async def _pause(self) -> None:
        await asyncio.sleep(random.choice((0, 0, 0, 0.1)))

    async def take(self, owner: str, now: datetime, until: datetime) -> Batch | None:
        found = await super().take(owner, now, until)
        self.left_open += bool(found and found.number)
        return found

    async def due_packages(self, before: datetime, limit: int) -> list[Document]:
        await self._pause()  # what is due of the tests is read already
        return await super().due_packages(before, limit)

    async def mark(self, batch: Batch) -> None:
        await self._pause()
        await super().mark(batch)

    async def count(self, number: int, changes: Any) -> dict[str, str]:
        await self._pause()
        return await super().count(number, changes)

    async def close(self, owner: str, number: int) -> None:
        await self._pause()
        await super().close(owner, number)


@pytest.fixture
def tests(database: Database) -> Executions:
    return Executions(database, lambda letters: None)


async def check_what_is_told_at_once(database: Database) -> None:
    """Whatever the bookkeeper is in the middle of: totals are as the tests stand, and whose end is in the figures of
    their agent is known of each."""
    counters = Counters(database)
    stored = [one async for one in database["executions"].find({}, {"state": 1, "user_id": 1})]
    for user in (ALICE, None):
        states = [one["state"] for one in stored if user in {one["user_id"], None}]
        assert await counters.totals(user) == {state: states.count(state) for state in State}
    for scope in ("alice", EVERYBODY):
        counter, _ = await counters.agent(scope, "agent")
        counted = counter.completed + counter.failed + counter.timed_out if counter else 0
        assert counted == sum([(await counters.agent(scope, "agent", one["_id"])).includes for one in stored])


async def test_what_was_handed_in_and_what_ended_is_counted_by_hour_and_day(
    database: Database, tests: Executions
) -> None:
    done = [await hand_in(tests) for _ in range(3)]
    bobs = await hand_in(tests, user_id=BOB)
    for test in done[:2]:
        await end(tests, test, run_ms=2000.0)
    await end(tests, bobs, State.FAILED)
    await keeper(database).round()
    everybody, alice = await today(database), await today(database, "alice")
    assert (everybody.submitted, everybody.completed, everybody.failed) == (4, 2, 1)
    assert (alice.submitted, alice.completed, alice.failed) == (3, 2, 0)
    assert alice.run_ms.distribution().quantile(0.5) == pytest.approx(2000, rel=0.02)
    hours = await Counters(database).steps(Kind.HOUR, "alice", NOW - timedelta(hours=1), NOW + timedelta(hours=2))
    assert [(hour.start, hour.submitted) for hour in hours] == [(NOW, 3)]
    agent, _ = await Counters(database).agent("alice", "agent")
    assert agent is not None
    assert (agent.completed, agent.last_submitted) == (2, NOW)


async def test_a_round_without_anything_new_changes_nothing(database: Database, tests: Executions) -> None:
    await end(tests, await hand_in(tests))
    books = keeper(database)
    await books.round()
    before = [one async for one in database["counters"].find()]
    for _ in range(3):
        await books.round()
    await keeper(database, owner="two", clock=Clock(LATER + timedelta(hours=1))).round()
    assert [one async for one in database["counters"].find()] == before


@pytest.mark.parametrize("writes", range(6))
async def test_wherever_a_bookkeeper_dies_the_next_one_counts_each_test_once(
    database: Database, tests: Executions, writes: int
) -> None:
    done = [await hand_in(tests, labels=[f"n={number}"]) for number in range(6)]
    waiting = [await hand_in(tests) for _ in range(3)]
    for test in done:
        await end(tests, test)
    with pytest.raises(Died):
        await keeper(database, books=Mortal(database, writes)).round()
    await check_what_is_told_at_once(database)
    # Meanwhile life goes on: what was about to be counted moves on, and more comes in.
    await archive(tests, done[0].id)
    await end(tests, waiting[0], State.FAILED)
    await hand_in(tests)
    await check_what_is_told_at_once(database)
    after = Clock(LATER + timedelta(minutes=5))
    await keeper(database, owner="two", clock=after).round()
    await check_what_is_told_at_once(database)
    await keeper(database, owner="two", clock=after).round()
    everybody = await today(database)
    assert (everybody.submitted, everybody.completed, everybody.failed, everybody.tests) == (10, 6, 1, 7)
    assert everybody.run_ms.count == 7
    totals = await Counters(database).totals(None)
    assert {state: count for state, count in totals.items() if count} == {
        State.COMPLETED: 5,
        State.ARCHIVED: 1,
        State.FAILED: 1,
        State.SUBMITTED: 3,
    }
    assert await database["executions"].count_documents({"books.due": {"$exists": True}}) == 0


async def test_a_bookkeeper_that_was_paused_counts_nothing_twice(database: Database, tests: Executions) -> None:
    """It opened a batch, was away for so long that another one took over, and goes on where it was."""
    for test in [await hand_in(tests) for _ in range(4)]:
        await end(tests, test)
    books = Books(database)
    slow = keeper(database, books=books)
    assert await books.take("one", LATER, LATER + timedelta(seconds=1)) is not None
    batch = await books.begin("one", (await slow._due()).entries)
    assert batch is not None
    await keeper(database, owner="two", clock=Clock(LATER + timedelta(minutes=1))).round()
    await end(tests, await hand_in(tests))
    await keeper(database, owner="two", clock=Clock(LATER + timedelta(minutes=2))).round()
    await slow._count(batch)
    everybody = await today(database)
    assert (everybody.submitted, everybody.completed) == (5, 5)
    assert await books.begin("one", []) is None  # and it keeps the books no more


async def test_what_others_counted_between_the_look_and_the_batch_is_not_counted_again(
    database: Database, tests: Executions
) -> None:
    for test in [await hand_in(tests) for _ in range(4)]:
        await end(tests, test)
    books = Books(database)
    slow = keeper(database, books=books)
    due = (await slow._due()).entries
    await keeper(database, owner="two").round()
    assert await books.take("one", LATER + timedelta(minutes=1), LATER + timedelta(minutes=2)) == Batch(0, [])
    batch = await books.begin("one", due)
    assert batch is not None
    assert not await slow._count(batch)
    everybody = await today(database)
    assert (everybody.submitted, everybody.completed) == (4, 4)


async def test_bookkeepers_that_take_over_from_one_another_all_the_time_count_each_test_once(
    database: Database, tests: Executions
) -> None:
    clock = Clock()
    books = Slow(database)
    keepers = [keeper(database, owner=f"keeper-{number}", books=books, clock=clock) for number in range(4)]
    working = 2

    async def work() -> None:
        nonlocal working
        for _ in range(50):
            await end(tests, await hand_in(tests))
        working -= 1

    async def keep(one: Bookkeeping) -> None:
        while working or books.left_open < 10:
            clock.at += HOLD + timedelta(seconds=1)  # whoever has the books has had them for too long
            await one.round()
            if not working:  # it goes on until there was enough to take over
                await end(tests, await hand_in(tests))

    async def look() -> None:
        most = 0
        while working:
            completed = (await Counters(database).totals(None))[State.COMPLETED]
            assert most <= completed
            most = completed

    await asyncio.gather(work(), work(), look(), *(keep(one) for one in keepers))
    clock.at += timedelta(hours=1)
    await keeper(database, owner="last", clock=clock).round()
    everybody, ended = await today(database), await database["executions"].count_documents({})
    assert (everybody.submitted, everybody.completed, everybody.run_ms.count) == (ended, ended, ended)
    assert (await Counters(database).totals(None))[State.COMPLETED] == ended >= 100


async def test_a_test_whose_log_is_still_read_is_counted_when_it_is_whole_or_after_a_while(
    database: Database, tests: Executions
) -> None:
    test = await hand_in(tests)
    await end(tests, test, logs_ended=False, at=LATER)
    clock = Clock(LATER + timedelta(seconds=10))
    books = keeper(database, clock=clock)
    await books.round()
    assert (await today(database)).completed == 0
    assert (await Counters(database).totals(ALICE))[State.COMPLETED] == 1  # where it stands is told at once
    clock.at = LATER + LOG_PATIENCE + timedelta(seconds=10)
    await books.round()
    assert (await today(database)).completed == 1


async def test_totals_are_right_at_every_moment(database: Database, tests: Executions) -> None:
    books = keeper(database)
    first, second, third = [await hand_in(tests) for _ in range(3)]
    counters = Counters(database)

    async def totals() -> dict[str, int]:
        found = await counters.totals(ALICE)
        assert await counters.totals(None) == found
        return {state.value: count for state, count in found.items() if count}

    assert await totals() == {"SUBMITTED": 3}
    await end(tests, first)
    await end(tests, second, State.FAILED)
    assert await totals() == {"SUBMITTED": 1, "COMPLETED": 1, "FAILED": 1}
    await books.round()
    assert await totals() == {"SUBMITTED": 1, "COMPLETED": 1, "FAILED": 1}
    await archive(tests, first.id)
    assert await totals() == {"SUBMITTED": 1, "ARCHIVED": 1, "FAILED": 1}
    await books.round()
    await end(tests, third)
    assert await totals() == {"COMPLETED": 1, "ARCHIVED": 1, "FAILED": 1}
