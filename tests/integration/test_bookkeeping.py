"""Usage and cost on a real store: every test counted once, whoever dies in the middle and however many keep books."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.orchestrator.bookkeeping import LOG_PATIENCE, Bookkeeping
from shared.domain.lifecycle import State
from shared.domain.pricing import Prices
from shared.domain.usage import EVERYBODY, Kind, day
from shared.events.packages import PackageReady, PackageRequested
from shared.events.tests import TestArchived, TestCompleted, TestFailed, TestSubmitted
from shared.ids import TestId
from shared.store.books import Batch, Books
from shared.store.connect import Database
from shared.store.counters import Counter, Counters, Grouping
from shared.store.documents import Execution, Metrics, PackageClaim, Resources, Result
from shared.store.executions import Executions, Move
from shared.store.packages import Packages
from tests.support.samples import ALICE, BOB, NOW, execution, made, package

LATER = NOW + timedelta(hours=1)


class Clock:
    """Stands still unless it is moved."""

    def __init__(self, at: datetime = LATER) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


class Died(Exception):
    """The process is gone."""


class Mortal(Books):
    """Dies after so many writes."""

    def __init__(self, database: Database, writes: int) -> None:
        super().__init__(database)
        self.left = writes

    def _step(self) -> None:
        if self.left == 0:
            raise Died
        self.left -= 1

    async def begin(self, owner: str, entries: Sequence[Any]) -> Batch | None:
        self._step()
        return await super().begin(owner, entries)

    async def mark(self, batch: Batch) -> None:
        self._step()
        await super().mark(Batch(batch.number, batch.entries[: len(batch.entries) // 2]))  # dies in the middle, too
        self._step()
        await super().mark(batch)

    async def count(self, number: int, changes: Any) -> None:
        self._step()
        some = dict(list(changes.items())[: len(changes) // 2])
        await super().count(number, some)
        self._step()
        await super().count(number, changes)

    async def close(self, owner: str, number: int) -> None:
        self._step()
        await super().close(owner, number)


def keeper(
    database: Database, *, owner: str = "one", books: Books | None = None, clock: Clock | None = None, **more: Any
) -> Bookkeeping:
    options: dict[str, Any] = {"prices": Prices(), "charged": frozenset({"fake"}), **more}
    return Bookkeeping(books or Books(database), clock or Clock(), owner=owner, **options)


@pytest.fixture
def tests(database: Database) -> Executions:
    return Executions(database, lambda letters: None)


async def hand_in(tests: Executions, **given: Any) -> Execution:
    test = execution(**given)
    await tests.submit(test, TestSubmitted(test_id=test.id, user_id=test.user_id, at=test.times.submitted, priority=4))
    return test


async def end(
    tests: Executions,
    test: Execution,
    to: State = State.COMPLETED,
    *,
    at: datetime = NOW + timedelta(minutes=1),
    run_ms: float = 1000.0,
    logs_ended: bool = True,
) -> None:
    """As if it had run, whatever it did before."""
    await tests.change(
        test.id,
        where={},
        set={
            "state": State.RUNNING,
            "attempt": 1,
            "task": {"runtime": "fake", "launch_token": "t", "handle": {"number": 1}},
            "history": [
                {"state": State.BUILDING, "at": at - timedelta(seconds=90), "by": "x", "attempt": 1},
                {"state": State.RUNNING, "at": at - timedelta(seconds=80), "by": "x", "attempt": 1},
            ],
            "logs": {"ended": logs_ended, "bytes": 10**6},
        },
    )
    ids: dict[str, Any] = {"test_id": test.id, "user_id": test.user_id, "attempt": 1, "at": at}
    failed = to is State.FAILED
    failure = {"code": "AGENT_EXCEPTION", "stage": "run", "message": "m", "hint": "h"}
    result = Result(success=not failed, metrics=Metrics(run_ms=run_ms, queue_ms=10, peak_memory_bytes=1000))
    moved = await tests.move(
        Move(
            test_id=test.id,
            source=State.RUNNING,
            attempt=1,
            to=to,
            at=at,
            by="orchestrator",
            telling=(
                TestFailed(**ids, code="AGENT_EXCEPTION", stage="run", message="m")  # type: ignore[arg-type]
                if failed
                else TestCompleted(**ids),
            ),
            set={
                "times.finished": at,
                "result": result.model_dump(exclude_none=True),
                **({"failure": failure} if failed else {}),
            },
        )
    )
    assert moved


async def archive(tests: Executions, test: TestId, source: State = State.COMPLETED) -> None:
    assert await tests.move(
        Move(
            test_id=test,
            source=source,
            attempt=1,
            to=State.ARCHIVED,
            at=LATER,
            by="alice",
            telling=(TestArchived(test_id=test, user_id=ALICE, attempt=1, at=LATER),),
        )
    )


async def today(database: Database, user: str = EVERYBODY) -> Counter:
    found = await Counters(database).steps(Kind.DAY, user, day(NOW), day(NOW) + timedelta(days=1))
    assert len(found) <= 1
    return found[0] if found else Counter(kind=Kind.DAY, user=user)


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
    batch = await books.begin("one", await slow._due())
    assert batch is not None
    await keeper(database, owner="two", clock=Clock(LATER + timedelta(minutes=1))).round()
    await end(tests, await hand_in(tests))
    await keeper(database, owner="two", clock=Clock(LATER + timedelta(minutes=2))).round()
    await slow._count(batch)
    everybody = await today(database)
    assert (everybody.submitted, everybody.completed) == (5, 5)
    assert await books.begin("one", []) is None  # and it keeps the books no more


async def test_many_bookkeepers_at_once_count_each_test_once(database: Database, tests: Executions) -> None:
    keepers = [keeper(database, owner=f"keeper-{number}") for number in range(4)]

    async def work() -> None:
        for _ in range(20):
            await end(tests, await hand_in(tests))

    async def keep(one: Bookkeeping) -> None:
        for _ in range(10):
            await one.round()

    async def look() -> None:
        most = 0
        while most < 40:
            completed = (await Counters(database).totals(None))[State.COMPLETED]
            assert most <= completed <= 40
            most = completed

    await asyncio.gather(work(), work(), look(), *(keep(one) for one in keepers))
    await keeper(database, owner="last", clock=Clock(LATER + timedelta(hours=1))).round()
    everybody = await today(database)
    assert (everybody.submitted, everybody.completed) == (40, 40)


async def test_a_test_costs_its_task_and_its_logs(database: Database, tests: Executions) -> None:
    test = await hand_in(tests, labels=["team=a"])
    test.input.resources = Resources(cpu=0.25, memory_mib=600)
    await tests.change(test.id, where={}, set={"input.resources": test.input.resources.model_dump()})
    await end(tests, test)
    await keeper(database).round()
    # 90 s of the next size above 600 MiB, which is 1 GiB, and 1 MB of lines.
    task = 0.25 * 90 / 3600 * 0.04048 + 1 * 90 / 3600 * 0.004445
    stored = await tests.get(test.id)
    assert stored is not None
    assert stored.result is not None
    assert stored.result.cost is not None
    assert stored.result.cost.charge().total == pytest.approx(task + 0.0005)
    for kind in (Kind.DAY, Kind.AGENT_DAY, Kind.LABEL_DAY):
        (row,) = await Counters(database).steps(kind, "alice", day(NOW), LATER)
        assert row.cost.charge().total == pytest.approx(task + 0.0005)


async def test_what_is_not_charged_for_has_no_cost(database: Database, tests: Executions) -> None:
    test = await hand_in(tests)
    await end(tests, test)
    await keeper(database, charged=frozenset({"ecs"})).round()
    stored = await tests.get(test.id)
    assert stored is not None
    assert stored.result is not None
    assert stored.result.cost is None
    assert (await today(database)).cost.charge().total == 0


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


async def test_a_kept_package_costs_its_storage_once_for_each_time_it_was_made(
    database: Database, tests: Executions
) -> None:
    test = await hand_in(tests, labels=["team=a"])
    packages = Packages(database, lambda letters: None)
    one = package(test.id)
    ids: dict[str, Any] = {"test_id": test.id, "user_id": ALICE, "package_id": one.id, "at": NOW}
    await packages.request(one, PackageRequested(**ids))
    claimed = await packages.claim(one.id, PackageClaim(owner="p", token="t", until=LATER), LATER)
    assert claimed is not None
    assert await packages.ready(claimed, made(size=10**9), PackageReady(**ids))
    for _ in range(2):
        await keeper(database).round()
    assert (await today(database, "alice")).cost.storage == pytest.approx(0.023 / 30)
    (row,) = await Counters(database).steps(Kind.LABEL_DAY, "alice", day(NOW), datetime(2100, 1, 1, tzinfo=UTC))
    assert row.key == "team=a"
    assert row.cost.storage == pytest.approx(0.023 / 30)


async def test_costs_are_added_up_in_the_store(database: Database, tests: Executions) -> None:
    for number, labels in enumerate((["team=a"], ["team=b"], ["team=b", "tea=x"], ["teams=y"], ["team="])):
        user = BOB if number == 1 else ALICE
        await end(tests, await hand_in(tests, user_id=user, labels=labels), at=NOW + timedelta(days=number % 2))
    await keeper(database, clock=Clock(LATER + timedelta(days=2))).round()
    counters = Counters(database)
    first, end_of = day(NOW), day(NOW) + timedelta(days=2)

    async def keys(by: Grouping, user: str | None = None, most: int = 10, label: str = "") -> list[tuple[str, int]]:
        found = await counters.costs(by, user, first, end_of, label=label, most=most)
        everything = await counters.costs(by, user, first, end_of, label=label, most=1_000)
        assert found.total == everything.total
        assert found.total.tests == sum(row.tests for row in everything.rows)
        assert found.total.charge.total == pytest.approx(sum(row.charge.total for row in everything.rows))
        return [(row.key, row.tests) for row in found.rows]

    assert await keys(Grouping.DAY) == [(f"{first:%Y-%m-%d}", 3), (f"{first + timedelta(days=1):%Y-%m-%d}", 2)]
    assert await keys(Grouping.DAY, "bob") == [(f"{first + timedelta(days=1):%Y-%m-%d}", 1)]
    assert await keys(Grouping.USER) == [("alice", 4), ("bob", 1)]
    assert await keys(Grouping.USER, "bob") == [("bob", 1)]
    assert await keys(Grouping.AGENT) == [("agent", 5)]
    assert await keys(Grouping.LABEL, label="team") == [("b", 2), ("", 1), ("a", 1)]
    assert await keys(Grouping.LABEL, "alice", label="team") == [("", 1), ("a", 1), ("b", 1)]
    assert await keys(Grouping.LABEL, label="team", most=1) == [("b", 2)]
    assert await keys(Grouping.LABEL, label="none") == []


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
