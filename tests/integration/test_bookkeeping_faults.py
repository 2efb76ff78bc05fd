"""What cannot be counted, on a real store: it is told, stays where it is, and holds up nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient, monitoring
from structlog.testing import capture_logs

from services.orchestrator.bookkeeping import LIMIT, UNREADABLE_AGAIN
from shared.domain.lifecycle import State
from shared.domain.usage import EVERYBODY, Kind
from shared.store.books import Books
from shared.store.connect import Database
from shared.store.counters import Counters
from shared.store.executions import Executions
from tests.support.books import LATER, Clock, Died, Mortal, end, hand_in, is_closed, keeper, today
from tests.support.samples import NOW


@pytest.fixture
def tests(database: Database) -> Executions:
    return Executions(database, lambda letters: None)


def told(logs: list[Any], event: str) -> list[str]:
    return [entry.get("id") or entry["counter"] for entry in logs if entry["event"] == event]


@pytest.mark.parametrize(
    "broken",
    [{"input.resources.cpu": "much"}, {"times": None}, {"result.metrics.run_ms": float("nan")}],
    ids=["another type", "no times", "not a number"],
)
async def test_a_test_that_cannot_be_counted_holds_up_no_other_and_is_counted_when_it_can_be(
    database: Database, tests: Executions, broken: dict[str, Any]
) -> None:
    bad, good = await hand_in(tests), await hand_in(tests)
    for test in (bad, good):
        await end(tests, test)
    whole = await database["executions"].find_one({"_id": bad.id})
    assert whole is not None
    await tests._collection.update_one({"_id": bad.id}, {"$set": broken})
    clock = Clock()
    books = keeper(database, clock=clock)
    with capture_logs() as logs:
        for _ in range(5):
            await books.round()
    assert told(logs, "not_counted") == [bad.id]
    assert (await today(database)).completed == 1
    assert await is_closed(database)
    assert (await Counters(database).totals(None))[State.COMPLETED] == 2  # where it stands is known all the same
    fields = ("input", "times", "result")
    await tests._collection.update_one({"_id": bad.id}, {"$set": {name: whole[name] for name in fields}})
    clock.at += UNREADABLE_AGAIN + timedelta(seconds=2)
    await books.round()
    assert (await today(database)).completed == 2
    assert await database["executions"].count_documents({"books.unreadable": {"$exists": True}}) == 0


async def test_a_package_that_cannot_be_counted_holds_up_no_other(database: Database, tests: Executions) -> None:
    await end(tests, await hand_in(tests))
    made = {"1": {"size": 5, "ready_at": "soon", "expires_at": NOW}}
    broken = {"_id": "pkg_1", "test_id": "t", "user_id": "u", "agent_id": "a", "generation": 1, "books": {"due": NOW}}
    broken["books"] = {"due": NOW, "made": made}
    await database["packages"].insert_one(broken)
    with capture_logs() as logs:
        for _ in range(3):
            await keeper(database).round()
    assert told(logs, "not_counted") == ["pkg_1"]
    assert (await today(database)).completed == 1


async def test_more_tests_that_nobody_can_read_than_fit_into_a_batch_keep_none_from_being_counted(
    database: Database, tests: Executions
) -> None:
    due = NOW - timedelta(days=1)
    await database["executions"].insert_many(
        {"_id": f"tst_{n}", "user_id": "u", "request_key": f"{n}", "state": "COMPLETED", "books": {"due": due}}
        for n in range(LIMIT + 50)
    )
    await end(tests, await hand_in(tests))
    with capture_logs() as logs:
        for owner in ("one", "two", "one"):
            await keeper(database, owner=owner).round()
    assert len(told(logs, "not_counted")) == LIMIT + 50
    assert (await today(database)).completed == 1


async def test_a_test_that_breaks_in_an_open_batch_does_not_keep_it_open(database: Database, tests: Executions) -> None:
    bad, good = await hand_in(tests), await hand_in(tests)
    for test in (bad, good):
        await end(tests, test)
    with pytest.raises(Died):
        await keeper(database, books=Mortal(database, 3)).round()  # all is marked, nothing counted
    times = (await database["executions"].find_one({"_id": bad.id}, {"times": 1}) or {})["times"]
    await database["executions"].update_one({"_id": bad.id}, {"$set": {"times": None}})
    with capture_logs() as logs:
        await keeper(database).round()
    assert told(logs, "not_counted") == [bad.id]
    assert (await today(database)).completed == 1
    assert await is_closed(database)
    assert (await Counters(database).totals(None))[State.COMPLETED] == 2
    assert not (await Counters(database).agent("alice", "agent", bad.id)).includes
    await database["executions"].update_one({"_id": bad.id}, {"$set": {"times": times}})  # a newer version can read it
    await keeper(database, clock=Clock(LATER + 2 * UNREADABLE_AGAIN)).round()
    assert (await today(database)).completed == 2
    assert (await Counters(database).totals(None))[State.COMPLETED] == 2


async def test_a_package_that_breaks_in_an_open_batch_is_charged_when_it_can_be(database: Database) -> None:
    made = {str(n): {"size": 10**9, "ready_at": NOW, "expires_at": NOW + timedelta(days=1)} for n in (2, 3)}
    kept = {"_id": "pkg_1", "test_id": "t", "user_id": "u", "agent_id": "a", "generation": 3, "books": {"due": NOW}}
    await database["packages"].insert_one(kept | {"books": {"due": NOW, "made": made}})
    with pytest.raises(Died):
        await keeper(database, books=Mortal(database, 3)).round()
    await database["packages"].update_one({"_id": "pkg_1"}, {"$unset": {"user_id": ""}})
    await keeper(database).round()
    assert await is_closed(database)
    again = {"user_id": "u", "books.made.4": made["3"]}  # and made once more meanwhile
    await database["packages"].update_one({"_id": "pkg_1"}, {"$set": again})
    await keeper(database, clock=Clock(LATER + 2 * UNREADABLE_AGAIN)).round()
    assert (await today(database)).cost.storage == pytest.approx(3 * 0.023 / 30)


@pytest.mark.parametrize(
    "full",
    [{"completed": 2**63 - 1}, {"completed": "many"}, {"run_ms": 5}],
    ids=["overflows", "is no number", "is no distribution"],
)
async def test_a_counter_that_refuses_a_change_holds_up_no_other(
    database: Database, tests: Executions, full: Mapping[str, Any]
) -> None:
    test = await hand_in(tests)
    await keeper(database).round()
    await database["counters"].update_one({"kind": Kind.DAY, "user": EVERYBODY}, {"$set": full})
    await end(tests, test)
    with capture_logs() as logs:
        for _ in range(3):
            await keeper(database).round()
    assert told(logs, "counter_not_changed") == [f"day|*|{NOW:%Y-%m-%d}T00|"]
    assert await is_closed(database)
    assert (await today(database, "alice")).completed == 1
    assert (await Counters(database).totals(None))[State.COMPLETED] == 1


class Writes(monitoring.CommandListener):
    """The write concerns that commands ask for, by collection."""

    def __init__(self) -> None:
        self.asked: dict[str, set[Any]] = {}

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in {"update", "findAndModify"}:
            concern = event.command.get("writeConcern", {})
            self.asked.setdefault(event.command[event.command_name], set()).add(concern.get("w"))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


async def test_a_batch_is_closed_when_no_failover_can_take_anything_of_it_back(
    database: Database, tests: Executions, mongo_url: str, store_name: str
) -> None:
    await end(tests, await hand_in(tests))
    made = {"1": {"size": 5, "ready_at": NOW, "expires_at": LATER}}
    kept = {"_id": "pkg_1", "test_id": "t", "user_id": "u", "agent_id": "a", "generation": 1}
    await database["packages"].insert_one({**kept, "books": {"due": NOW, "made": made}})
    writes = Writes()
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        mongo_url, tz_aware=True, w="majority", event_listeners=[writes]
    )
    async with client:
        await keeper(database, books=Books(client.get_database(store_name))).round()
    assert (await today(database)).completed == 1
    assert writes.asked == {name: {"majority"} for name in ("executions", "packages", "counters", "meta")}
