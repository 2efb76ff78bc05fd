"""Lists of tests against a list in memory: whatever the filter and the order, page by page, while others hand in."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.facets import words
from shared.domain.failure import FailureCode, Stage
from shared.domain.lifecycle import ENDED, State
from shared.ids import TestId, UserId
from shared.store.connect import Database
from shared.store.documents import Execution, FailureDoc, Input, Metrics, ModelSetting, Result, Times
from shared.store.history import History
from shared.store.listing import LIFE, Order, Place, Wanted
from tests.support.samples import ALICE, BOB, execution

T0 = datetime(2026, 3, 1, tzinfo=UTC)
WORDS = ["refund", "weather", "please", "order"]
FAILURES = [FailureCode.AGENT_EXCEPTION, FailureCode.OUT_OF_MEMORY]


def id_at(at: datetime, number: int) -> TestId:
    """As it would have been made then."""
    return TestId(f"tst_{int(at.timestamp() * 1000):012x}7{number:019x}")


def made(number: int, dice: random.Random) -> Execution:
    """The test of this number: handed in `number` minutes after the beginning, the rest by chance."""
    at = T0 + timedelta(minutes=number, microseconds=1000 * dice.randrange(1000))
    state = dice.choice(list(State))
    ran = state in ENDED and dice.random() < 0.8
    failed = state in {State.FAILED, State.TIMED_OUT} or (state is State.ARCHIVED and dice.random() < 0.5)
    return execution(
        state,
        id=id_at(at, number),
        user_id=dice.choice([ALICE, ALICE, BOB]),
        agent_id=dice.choice(["bot", "cat"]),
        labels=sorted({f"team={dice.choice('ab')}", f"env={dice.choice(['prod', 'dev'])}"}),
        input=Input(
            name=dice.choice(WORDS).title(),
            query=" ".join(dice.choices(WORDS, k=2)),
            model=dice.choice([None, ModelSetting(provider="ollama"), ModelSetting(provider="bedrock")]),
        ),
        times=Times(submitted=at, finished=at + timedelta(minutes=1) if state in ENDED else None),
        failure=FailureDoc(code=dice.choice(FAILURES), stage=Stage.RUN, message="m", hint="h") if failed else None,
        result=Result(success=not failed, metrics=Metrics(run_ms=float(dice.randrange(5)) if ran else None))
        if state in ENDED
        else None,
    )


def matches(test: Execution, wanted: Wanted) -> bool:
    """What a filter means, said plainly."""
    text = set(words(f"{test.input.name}\n{test.input.query}"))
    labels = dict(label.split("=", 1) for label in test.labels)
    return all(
        (
            wanted.user_id in {None, test.user_id},
            test.state in wanted.states,
            wanted.agent_id in {"", test.agent_id},
            all(key in labels and value in {"", labels[key]} for key, value in wanted.labels),
            not wanted.provider or (test.input.model is not None and test.input.model.provider == wanted.provider),
            not wanted.failure_code or (test.failure is not None and test.failure.code == wanted.failure_code),
            wanted.submitted_from is None or test.times.submitted >= wanted.submitted_from,
            wanted.submitted_before is None or test.times.submitted < wanted.submitted_before,
            set(wanted.words) <= text,
            wanted.finished_before is None
            or (test.times.finished is not None and test.times.finished < wanted.finished_before),
        )
    )


def run_ms(test: Execution) -> float:
    found = test.result.metrics.run_ms if test.result else None
    return -1.0 if found is None else found


def in_order(tests: Sequence[Execution], order: Order) -> list[TestId]:
    newest = sorted(tests, key=lambda test: test.id, reverse=True)
    key: dict[Order, Callable[[Execution], Any]] = {
        Order.NEWEST: lambda _: 0,
        Order.STATE: lambda test: LIFE.index(test.state),
        Order.RUN_TIME: lambda test: -run_ms(test),
    }
    if order is Order.OLDEST:
        return [test.id for test in reversed(newest)]
    return [test.id for test in sorted(newest, key=key[order])]


async def stored(database: Database, tests: Sequence[Execution]) -> None:
    documents = [test.model_dump(by_alias=True, exclude_none=True) | {"facets": test.facets()} for test in tests]
    await database["executions"].insert_many(documents)


async def all_pages(past: History, wanted: Wanted, order: Order, size: int) -> list[TestId]:
    found: list[TestId] = []
    after: Place | None = None
    for _ in range(500):
        page = await past.page(wanted, order, after, size)
        assert len(page.tests) <= size
        found += [test.id for test in page.tests]
        after = page.next
        if after is None:
            return found
    raise AssertionError("the list has no end")


TIMES = st.one_of(st.none(), st.integers(0, 125).map(lambda minute: T0 + timedelta(minutes=minute)))
LABELS = st.lists(
    st.sampled_from([("team", "a"), ("team", ""), ("env", "prod"), ("none", "")]), max_size=2, unique=True
)
WANTED = st.builds(
    Wanted,
    user_id=st.sampled_from([ALICE, ALICE, None, UserId("nobody")]),
    states=st.one_of(
        st.just(frozenset(State)),
        st.just(frozenset(State) - {State.ARCHIVED}),
        st.frozensets(st.sampled_from(list(State)), min_size=1, max_size=3),
    ),
    agent_id=st.sampled_from(["", "", "bot", "ant"]),
    labels=LABELS.map(lambda found: tuple(sorted(found))),
    provider=st.sampled_from(["", "", "ollama"]),
    failure_code=st.sampled_from(["", "", FailureCode.OUT_OF_MEMORY]),
    submitted_from=TIMES,
    submitted_before=TIMES,
    words=st.lists(st.sampled_from(WORDS), max_size=2, unique=True).map(tuple),
    finished_before=st.sampled_from([None, None, T0 + timedelta(minutes=60)]),
)


@pytest.fixture
async def hundred(database: Database) -> list[Execution]:
    """120 tests, the same in each run."""
    dice = random.Random(7)
    tests = [made(number, dice) for number in range(120)]
    await stored(database, tests)
    return tests


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=WANTED, order=st.sampled_from(list(Order)), size=st.sampled_from([1, 3, 7, 50]))
async def test_a_list_is_what_matches_in_its_order_page_by_page(
    database: Database, hundred: list[Execution], wanted: Wanted, order: Order, size: int
) -> None:
    past = History(database)
    expected = [test for test in hundred if matches(test, wanted)]
    assert await all_pages(past, wanted, order, size) == in_order(expected, order)
    assert await past.count(wanted) == len(expected)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=WANTED, order=st.sampled_from(list(Order)), most=st.sampled_from([1, 2, 10]))
async def test_a_page_that_stops_early_says_where_to_go_on(
    database: Database, hundred: list[Execution], wanted: Wanted, order: Order, most: int
) -> None:
    past = History(database, most_looked_at=most)
    expected = [test for test in hundred if matches(test, wanted)]
    assert await all_pages(past, wanted, order, 7) == in_order(expected, order)


async def test_a_page_by_run_time_that_stops_among_tests_that_did_not_run_has_those_that_did(
    database: Database,
) -> None:
    dice = random.Random(3)
    tests = [made(number, dice).model_copy(update={"state": State.RUNNING, "result": None}) for number in range(20)]
    ran = Result(success=True, metrics=Metrics(run_ms=5.0))
    tests[4] = tests[4].model_copy(update={"state": State.COMPLETED, "result": ran})
    await stored(database, tests)
    wanted = Wanted(labels=(("team", ""),))
    for most in (1, 5, 50):
        past = History(database, most_looked_at=most)
        assert await all_pages(past, wanted, Order.RUN_TIME, 7) == in_order(tests, Order.RUN_TIME)


@pytest.mark.parametrize("order", [Order.NEWEST, Order.STATE, Order.RUN_TIME])
async def test_tests_that_come_in_while_one_turns_pages_neither_repeat_nor_hide_others(
    database: Database, hundred: list[Execution], order: Order
) -> None:
    past, dice = History(database), random.Random(8)
    seen: list[TestId] = []
    after: Place | None = None
    number = 200
    while True:
        page = await past.page(Wanted(), order, after, 9)
        seen += [test.id for test in page.tests]
        after = page.next
        if after is None:
            break
        newcomer = made(number, dice).model_copy(update={"state": State.SUBMITTED, "result": None})
        await stored(database, [newcomer])
        number += 1
    old = {test.id for test in hundred}
    assert [test for test in seen if test in old] == in_order(hundred, order)
    assert len(seen) == len(set(seen))


class Disturbed(History):
    """Something happens after each of its reads."""

    def __init__(self, database: Database, happens: Callable[[], Awaitable[None]], *, most_looked_at: int) -> None:
        super().__init__(database, most_looked_at=most_looked_at)
        self._happens = happens

    async def _matching(self, *given: Any, **more: Any) -> list[Execution]:
        found = await super()._matching(*given, **more)
        await self._happens()
        return found

    async def _last_looked_at(self, *given: Any) -> Place | None:
        found = await super()._last_looked_at(*given)
        await self._happens()
        return found


@pytest.mark.parametrize("order", [Order.NEWEST, Order.STATE, Order.RUN_TIME])
@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(ALICE, states=frozenset(State) - {State.BUILDING}, labels=(("team", "a"),), provider="ollama"),
        Wanted(ALICE, states=frozenset({State.QUEUED, State.COMPLETED, State.FAILED}), labels=(("team", "a"),)),
        Wanted(states=frozenset({State.QUEUED, State.COMPLETED, State.FAILED}), words=("refund",)),
    ],
)
async def test_tests_that_come_and_go_between_the_reads_of_a_page_neither_repeat_nor_hide_others(
    database: Database, hundred: list[Execution], wanted: Wanted, order: Order
) -> None:
    dice = random.Random(9)
    numbers: Iterator[int] = iter(())

    async def happens() -> None:
        if newcomers := [made(number, dice) for number in islice(numbers, 5)]:
            await stored(database, newcomers)
        waiting = await database["executions"].find({"state": State.QUEUED}, {"_id": 1}).sort("_id", -1).to_list(2)
        gone = [found["_id"] for found in waiting]
        await database["executions"].update_many({"_id": {"$in": gone}}, {"$set": {"state": State.BUILDING}})

    for round_, most in enumerate((3, 10, 150), 2):
        numbers = iter(range(round_ * 100, round_ * 100 + 100))  # then it is quiet, so that the list has an end
        before = [Execution.model_validate(found) async for found in database["executions"].find()]
        seen = await all_pages(Disturbed(database, happens, most_looked_at=most), wanted, order, 7)
        assert len(seen) == len(set(seen))
        unmoved = [test for test in before if matches(test, wanted) and test.state is not State.QUEUED]
        assert [test for test in seen if test in {one.id for one in unmoved}] == in_order(unmoved, order)
        still = {found["_id"] async for found in database["executions"].find({"state": State.QUEUED}, {"_id": 1})}
        assert {test.id for test in before if matches(test, wanted) and test.id in still} <= set(seen)


async def test_a_list_is_brief_unless_the_whole_is_asked_for(database: Database, hundred: list[Execution]) -> None:
    past = History(database)
    brief = (await past.page(Wanted(), Order.NEWEST, None, 1)).tests[0]
    whole = (await past.page(Wanted(), Order.NEWEST, None, 1, whole=True)).tests[0]
    assert (brief.input.agent_code, brief.history) == ("", [])
    assert whole.input.agent_code == hundred[-1].input.agent_code
    assert whole.id == brief.id == hundred[-1].id


async def test_a_count_has_a_limit_where_it_is_given_one(database: Database, hundred: list[Execution]) -> None:
    assert await History(database).count(Wanted(), limit=10) == 10
    assert await History(database).count(replace(Wanted(), agent_id="bot")) == sum(
        test.agent_id == "bot" for test in hundred
    )
