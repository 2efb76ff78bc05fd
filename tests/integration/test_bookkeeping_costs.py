"""What tests and packages cost, on a real store: each once, however it ended and however often it was made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.orchestrator.bookkeeping import LOG_PATIENCE
from services.orchestrator.finish import Finish
from services.scheduler.sweep import Sweep
from services.scheduler.withdraw import Withdrawal
from shared.domain.failure import Failure, FailureCode
from shared.domain.lifecycle import MAX_ATTEMPTS, State
from shared.domain.usage import Kind, day
from shared.events.packages import PackageFailed, PackageReady, PackageRequested
from shared.events.tests import TestRequeued
from shared.ids import TestId
from shared.store.books import Books
from shared.store.connect import Database
from shared.store.counters import Counters, Grouping
from shared.store.documents import Execution, HistoryEntry, Resources
from shared.store.executions import Executions, Move
from shared.store.package_documents import PackageClaim
from shared.store.packages import Packages
from tests.support.books import LATER, Clock, end, hand_in, is_closed, keeper, today
from tests.support.samples import ALICE, BOB, NOW, lease, made, package, task


@pytest.fixture
def tests(database: Database) -> Executions:
    return Executions(database, lambda letters: None)


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
    assert stored.cost is not None
    assert stored.cost.charge().total == pytest.approx(task + 0.0005)
    for kind in (Kind.DAY, Kind.AGENT_DAY, Kind.LABEL_DAY):
        (row,) = await Counters(database).steps(kind, "alice", day(NOW), LATER)
        assert row.cost.charge().total == pytest.approx(task + 0.0005)


async def attempt_of(
    tests: Executions, test: Execution, number: int, *, at: datetime, states: Sequence[State], launched: bool = True
) -> Execution:
    """An attempt that began at `at` and has come through these states, ten seconds each."""
    moves = [
        HistoryEntry(state=to, at=at + timedelta(seconds=10 * step), by="x", attempt=number)
        for step, to in enumerate(states)
    ]
    place: dict[str, Any] = {} if launched else {"handle": None, "log_source": None}
    changed = await tests.change(
        test.id,
        where={},
        set={
            "state": states[-1],
            "attempt": number,
            "task": task(test.id, number, **place).model_dump(exclude_none=True),
            "lease": lease(at).model_dump(),
            "history": [entry.model_dump() for entry in (*test.history, *moves)],
        },
    )
    assert changed is not None
    return changed


async def lost(tests: Executions, test: Execution) -> Execution:
    """The infrastructure failed under its first attempt, after 70 s; it waits for the next one."""
    at = NOW + timedelta(seconds=70)
    await attempt_of(tests, test, 1, at=NOW, states=RAN)
    ids: dict[str, Any] = {"test_id": test.id, "user_id": test.user_id, "attempt": 1, "at": at}
    assert await tests.move(
        Move(
            test_id=test.id,
            source=State.RUNNING,
            attempt=1,
            to=State.QUEUED,
            at=at,
            by="orchestrator",
            telling=(TestRequeued(code=FailureCode.TASK_LOST, message="m", **ids),),
            unset=("lease", "task.handle", "task.log_source", "logs.until", "times.started"),
        )
    )
    found = await tests.get(test.id)
    assert found is not None
    return found


class NoLine:
    """Nobody waits."""

    async def remove(self, test_id: str) -> None:
        pass


RAN = (State.BUILDING, State.RUNNING)
NOTHING: Any = None
"""Takes the place of what is not asked for anything."""


async def withdrawn(tests: Executions, test: Execution) -> None:
    await lost(tests, test)
    await tests.change(test.id, where={}, set={"cancel": {"requested_at": LATER, "by": "alice"}})
    line: Any = NoLine()
    assert await Withdrawal(tests, line, Clock()).withdraw(test.id)


async def never_started(tests: Executions, test: Execution) -> None:
    waits = await lost(tests, test)
    last = await attempt_of(tests, waits, 2, at=NOW + timedelta(minutes=5), states=[State.BUILDING], launched=False)
    ending = Finish(tests, NOTHING, NOTHING, Clock(), owner="one", outputs=NOTHING)
    await ending.never_started(last, Failure.of(FailureCode.CREDENTIALS_INVALID, "m"))


async def given_up(tests: Executions, test: Execution, *, states: Sequence[State] = RAN) -> None:
    last = await attempt_of(tests, test, MAX_ATTEMPTS, at=LATER - timedelta(seconds=70), states=states)
    parts: dict[str, Any] = dict.fromkeys(("admission", "dispatch", "withdrawal", "shares"))
    await Sweep(tests, NOTHING, NOTHING, Clock(), silence=timedelta(minutes=15), **parts)._give_up(last)


async def given_up_before_it_ran(tests: Executions, test: Execution) -> None:
    await given_up(tests, test, states=[State.BUILDING])


@pytest.mark.parametrize("ended", [withdrawn, never_started, given_up, given_up_before_it_ran])
async def test_a_test_that_ended_without_a_result_costs_what_ran(
    database: Database, tests: Executions, ended: Callable[[Executions, Execution], Awaitable[None]]
) -> None:
    test = await hand_in(tests)
    await ended(tests, test)
    clock = Clock(LATER + 2 * LOG_PATIENCE)
    await keeper(database, clock=clock).round()
    dollars = 70 / 3600 * (0.25 * 0.04048 + 0.5 * 0.004445)
    stored = await tests.get(test.id)
    assert stored is not None
    assert (stored.state, stored.result) == (State.FAILED, None)
    assert stored.cost is not None
    assert stored.cost.charge().total == pytest.approx(dollars)
    assert (await today(database)).cost.charge().total == pytest.approx(dollars)


async def test_a_test_of_which_nothing_ran_has_no_cost(database: Database, tests: Executions) -> None:
    test = await hand_in(tests)
    last = await attempt_of(tests, test, 1, at=NOW, states=[State.BUILDING], launched=False)
    ending = Finish(tests, NOTHING, NOTHING, Clock(), owner="one", outputs=NOTHING)
    await ending.never_started(last, Failure.of(FailureCode.CREDENTIALS_INVALID, "m"))
    await keeper(database, clock=Clock(LATER + LOG_PATIENCE)).round()
    stored = await tests.get(test.id)
    assert stored is not None
    assert (stored.state, stored.cost) == (State.FAILED, None)


async def test_what_is_not_charged_for_has_no_cost(database: Database, tests: Executions) -> None:
    test = await hand_in(tests)
    await end(tests, test)
    await keeper(database, charged=frozenset({"ecs"})).round()
    stored = await tests.get(test.id)
    assert stored is not None
    assert stored.cost is None
    assert (await today(database)).cost.charge().total == 0


class Kept:
    """A package of a test, a gigabyte large and kept for a day each time it is made."""

    def __init__(self, database: Database, test: TestId) -> None:
        self.packages = Packages(database, lambda letters: None)
        self.one = package(test)
        self.ids: dict[str, Any] = {"test_id": test, "user_id": ALICE, "package_id": self.one.id, "at": NOW}

    async def made(self) -> None:
        await self.packages.request(self.one, PackageRequested(**self.ids))
        claimed = await self.packages.claim(self.one.id, PackageClaim(owner="p", token="t", until=LATER), LATER)
        assert claimed is not None
        at = NOW + (claimed.generation - 1) * timedelta(days=1)
        assert await self.packages.ready(claimed, made(at=at, size=10**9), PackageReady(**self.ids))

    async def renewed(self) -> None:
        """Its time is over, and it was asked for again."""
        now = await self.packages.get(self.one.id)
        assert now is not None
        assert await self.packages.renew(now, at=LATER, claim=PackageClaim(until=LATER), telling=[], traceparent="")

    async def failed(self) -> None:
        claimed = await self.packages.claim(self.one.id, PackageClaim(owner="p", token="t", until=LATER), LATER)
        assert claimed is not None
        failure = {"code": "INTERNAL", "stage": "package", "message": "m", "hint": "h"}
        assert await self.packages.failed(claimed, failure, PackageFailed(**self.ids, message="m"))


A_DAY = 0.023 / 30
"""Dollars for a gigabyte."""


async def storage(database: Database) -> list[float]:
    """Dollars by day."""
    found = await Counters(database).steps(Kind.DAY, "alice", day(NOW), datetime(2100, 1, 1, tzinfo=UTC))
    return [row.cost.storage for row in found if row.cost.storage]


@pytest.fixture
async def kept(database: Database, tests: Executions) -> Kept:
    return Kept(database, (await hand_in(tests, labels=["team=a"])).id)


NEXT_DAY = LATER + timedelta(days=3)


async def test_a_kept_package_costs_its_storage_once_for_each_time_it_was_made(database: Database, kept: Kept) -> None:
    await kept.made()
    for _ in range(2):
        await keeper(database).round()
    assert (await today(database, "alice")).cost.storage == pytest.approx(A_DAY)
    (row,) = await Counters(database).steps(Kind.LABEL_DAY, "alice", day(NOW), datetime(2100, 1, 1, tzinfo=UTC))
    assert row.key == "team=a"
    assert row.cost.storage == pytest.approx(A_DAY)
    await kept.renewed()
    await kept.made()
    for _ in range(2):
        await keeper(database, clock=Clock(NEXT_DAY)).round()
    assert await storage(database) == pytest.approx([A_DAY, A_DAY])


@pytest.mark.parametrize("fails", [False, True], ids=["is being made", "failed"])
async def test_a_package_that_is_made_again_before_it_was_counted_costs_its_first_time_and_stops_nobody(
    database: Database, tests: Executions, kept: Kept, fails: bool
) -> None:
    await kept.made()
    await kept.renewed()
    if fails:
        await kept.failed()
    await end(tests, await hand_in(tests))
    await keeper(database).round()
    assert await storage(database) == pytest.approx([A_DAY])
    assert (await today(database)).completed == 1
    assert await is_closed(database)


async def test_a_package_that_is_made_several_times_before_it_was_counted_costs_each_time(
    database: Database, kept: Kept
) -> None:
    for _ in range(3):
        await kept.made()
        await kept.renewed()
    await kept.failed()
    await keeper(database, clock=Clock(NEXT_DAY)).round()
    assert await storage(database) == pytest.approx([A_DAY, A_DAY, A_DAY])
    assert await database["packages"].count_documents({"books.due": {"$exists": True}}) == 0


async def test_a_package_that_is_made_again_while_it_is_being_counted_costs_each_time(
    database: Database, kept: Kept
) -> None:
    """What comes between the look and the mark stays due."""
    await kept.made()
    await kept.renewed()
    slow, books = keeper(database), Books(database)
    due = (await slow._due()).entries
    await kept.made()
    assert await books.take("one", LATER, LATER) is not None
    batch = await books.begin("one", due)
    assert batch is not None
    await slow._count(batch)
    await keeper(database, owner="two", clock=Clock(NEXT_DAY)).round()
    assert await storage(database) == pytest.approx([A_DAY, A_DAY])


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
