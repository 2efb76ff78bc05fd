"""Tests of an earlier version, as this one needs them: found and counted like any other."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from shared.domain.lifecycle import State
from shared.ids import new_test_id
from shared.store.backfill import backfill
from shared.store.connect import Database
from shared.store.counters import Counters
from shared.store.executions import Executions
from shared.store.history import History
from shared.store.listing import Order, Wanted
from tests.support.books import LATER, Clock, end, hand_in, keeper
from tests.support.samples import ALICE


async def test_tests_of_an_earlier_version_are_found_and_counted(database: Database) -> None:
    tests = Executions(database, lambda letters: None)
    done, runs, known = [await hand_in(tests, labels=["team=a"]) for _ in range(3)]
    await end(tests, done)
    await end(tests, known)
    await keeper(database).round()
    old = {"_id": {"$in": [done.id, runs.id]}}
    await database["executions"].update_many(old, {"$unset": {"facets": "", "books": ""}})
    await database["counters"].delete_many({})
    strange = new_test_id()
    await database["executions"].insert_one({"_id": strange, "state": "UNHEARD_OF"})  # of a version yet to come

    team = Wanted(ALICE, labels=(("team", "a"),))
    past = History(database)
    assert [test.id for test in (await past.page(team, Order.OLDEST, None, 9)).tests] == [known.id]
    assert await backfill(database, LATER) == 1
    # A service of the earlier version ends the other one, and tells the books nothing.
    await database["executions"].update_one({"_id": runs.id}, {"$set": {"state": State.COMPLETED}})
    assert await backfill(database, LATER) == 1
    assert await backfill(database, LATER) == 0
    assert [test.id for test in (await past.page(team, Order.OLDEST, None, 9)).tests] == [done.id, runs.id, known.id]
    await keeper(database, clock=Clock(LATER + timedelta(hours=1))).round()
    assert (await Counters(database).totals(ALICE))[State.COMPLETED] == 2  # the known one is not counted again


async def test_a_long_history_is_marked_as_it_is_counted(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.store.backfill.BATCH", 2)
    tests = Executions(database, lambda letters: None)
    for _ in range(9):
        await end(tests, await hand_in(tests))
    await database["executions"].update_many({}, {"$unset": {"facets": "", "books": ""}})
    most = 0

    async def count() -> None:
        nonlocal most
        while True:
            most = max(most, await database["executions"].count_documents({"books.due": {"$exists": True}}))
            await keeper(database, clock=Clock(LATER + timedelta(hours=1))).round()
            await asyncio.sleep(0.05)

    counting = asyncio.create_task(count())
    try:
        assert await backfill(database, LATER, most_due=3) == 9
    finally:
        counting.cancel()
    assert most <= 3 + 2
