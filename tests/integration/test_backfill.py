"""Tests of an earlier version, as this one needs them: found and counted like any other."""

from __future__ import annotations

from datetime import timedelta

from shared.domain.lifecycle import State
from shared.ids import new_test_id
from shared.store.backfill import backfill
from shared.store.connect import Database
from shared.store.counters import Counters
from shared.store.executions import Executions
from shared.store.history import History
from shared.store.listing import Order, Wanted
from tests.support.books import LATER, Clock, end, hand_in, keeper, today
from tests.support.samples import ALICE


async def test_tests_of_an_earlier_version_are_found_and_counted(database: Database) -> None:
    tests = Executions(database, lambda letters: None)
    done, waits, known = [await hand_in(tests, labels=["team=a"]) for _ in range(3)]
    await end(tests, done)
    await end(tests, known)
    await keeper(database).round()
    old = {"_id": {"$in": [done.id, waits.id]}}
    await database["executions"].update_many(old, {"$unset": {"facets": "", "books": ""}})
    await database["counters"].delete_many({})
    strange = new_test_id()
    await database["executions"].insert_one({"_id": strange, "state": "UNHEARD_OF"})  # of a version yet to come

    team = Wanted(ALICE, labels=(("team", "a"),))
    past = History(database)
    assert [test.id for test in (await past.page(team, Order.OLDEST, None, 9)).tests] == [known.id]
    assert await backfill(database, LATER) == 2
    assert await backfill(database, LATER) == 0
    assert [test.id for test in (await past.page(team, Order.OLDEST, None, 9)).tests] == [done.id, waits.id, known.id]
    await keeper(database, clock=Clock(LATER + timedelta(hours=1))).round()
    counted = await today(database)
    assert (counted.submitted, counted.completed) == (2, 1)  # the known one is not counted again
    assert (await Counters(database).totals(ALICE))[State.SUBMITTED] == 1
