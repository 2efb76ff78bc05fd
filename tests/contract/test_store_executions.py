import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.lifecycle import State
from shared.events.base import Event
from shared.events.letter import Letter
from shared.events.tests import TestQueued, TestRunning, TestScheduled, TestSubmitted
from shared.ids import TestId, new_test_id
from shared.store.connect import Database
from shared.store.documents import BooksMark, Cancel, Execution, ModelSetting, Task
from shared.store.executions import Executions, Move
from shared.store.history import History
from shared.store.listing import Order, Wanted
from tests.support.samples import ALICE, BOB, NOW, execution, lease, task


class Told(list[Letter]):
    """What the store handed on at once."""

    def __call__(self, letters: Sequence[Letter]) -> None:
        self.extend(letters)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def tests(database: Database, told: Told) -> Executions:
    return Executions(database, told)


def submitted(test: Execution) -> TestSubmitted:
    return TestSubmitted(test_id=test.id, user_id=test.user_id, at=NOW, priority=4)


async def stored(tests: Executions, state: State = State.SUBMITTED, **changes: Any) -> Execution:
    """A test in this state, stored as a submission and then put where it should be."""
    test = execution(state, **changes)
    await tests.submit(test, submitted(test))
    return test


async def test_which_attempt_is_under_way_is_told_for_the_tests_that_exist(tests: Executions) -> None:
    runs = await stored(tests, State.RUNNING, attempt=2)
    over = await stored(tests, State.FAILED, attempt=1)
    waits = await stored(tests, State.QUEUED, attempt=1)
    asked = [runs.id, over.id, waits.id, new_test_id()]
    assert await tests.attempts_under_way(asked) == {runs.id: 2, over.id: 0, waits.id: 0}


def queueing(test_id: TestId, rank: float = 1.0, **changes: Any) -> Move:
    fields: dict[str, Any] = {
        "source": State.SUBMITTED,
        "attempt": 0,
        "to": State.QUEUED,
        "at": NOW,
        "by": "scheduler",
        "telling": (TestQueued(test_id=test_id, user_id=ALICE, at=NOW, priority=4, rank=rank),),
        "set": {"rank": rank},
        **changes,
    }
    return Move(test_id=test_id, **fields)


async def outbox(database: Database, test_id: TestId) -> list[dict[str, Any]]:
    found = await database["executions"].find_one({"_id": test_id})
    assert found is not None
    entries: list[dict[str, Any]] = found["outbox"]
    return entries


# -- submitting


async def test_a_test_is_stored_with_its_event_in_the_same_document(
    tests: Executions, told: Told, database: Database
) -> None:
    test = execution()
    answer = await tests.submit(test, submitted(test))
    assert answer.created
    (entry,) = await outbox(database, test.id)
    assert entry["id"] == submitted(test).id == told[0].id
    assert entry["at"] == NOW
    assert TestSubmitted.model_validate_json(entry["body"]) == submitted(test)


async def test_a_test_comes_back_as_it_was_handed_in(tests: Executions) -> None:
    test = execution(labels=["a=b"], traceparent="00-trace")
    test.input.env = {"A.B": "1", "$C": "2", "": "3"}
    test.input.query = "\0 ä \U0001f600"
    test.input.requirements = ["a==1"]
    test.input.model = ModelSetting(provider="ollama", model_id="m")
    await tests.submit(test, submitted(test))
    assert await tests.get(test.id) == test.model_copy(update={"books": BooksMark(due=NOW)})
    assert await tests.get(new_test_id()) is None


async def test_fifty_submissions_of_one_request_store_one_test_and_tell_it_once(
    tests: Executions, told: Told, database: Database
) -> None:
    same = [execution(request_key="one") for _ in range(50)]
    answers = await asyncio.gather(*(tests.submit(test, submitted(test)) for test in same))
    assert sum(answer.created for answer in answers) == 1
    assert len({answer.execution.id for answer in answers}) == 1
    assert await database["executions"].count_documents({}) == 1
    assert [letter.holder for letter in told] == [answers[0].execution.id]


async def test_fifty_submissions_through_several_gateways_store_one_test(database: Database) -> None:
    gateways = [Executions(database, Told()) for _ in range(5)]
    same = [execution(request_key="one") for _ in range(50)]
    answers = await asyncio.gather(
        *(gateways[number % 5].submit(test, submitted(test)) for number, test in enumerate(same))
    )
    assert sum(answer.created for answer in answers) == 1
    assert len({answer.execution.id for answer in answers}) == 1


async def test_the_same_request_of_another_user_is_another_test(tests: Executions) -> None:
    one, other = execution(request_key="one"), execution(request_key="one", user_id=BOB)
    answers = [await tests.submit(test, submitted(test)) for test in (one, other)]
    assert [answer.created for answer in answers] == [True, True]


async def test_a_burst_with_old_and_new_requests_answers_each_rightly(tests: Executions) -> None:
    old = [await stored(tests, request_key=f"r{number}") for number in range(10)]
    again = [execution(request_key=f"r{number}") for number in range(20)]
    answers = await asyncio.gather(*(tests.submit(test, submitted(test)) for test in again))
    assert [answer.created for answer in answers] == [False] * 10 + [True] * 10
    assert [answer.execution.id for answer in answers] == [test.id for test in (*old, *again[10:])]


# -- moving


async def test_of_a_hundred_movers_exactly_one_wins_and_its_event_is_the_only_one(
    tests: Executions, told: Told, database: Database
) -> None:
    test = await stored(tests)
    told.clear()
    answers = await asyncio.gather(*(tests.move(queueing(test.id, float(rank))) for rank in range(100)))
    assert sum(answers) == 1
    moved = await tests.get(test.id)
    assert moved is not None
    assert moved.rank == answers.index(True)
    assert [entry.state for entry in moved.history] == [State.SUBMITTED, State.QUEUED]
    assert len(await outbox(database, test.id)) == 2
    (letter,) = told
    assert TestQueued.model_validate_json(letter.body).rank == moved.rank


async def test_of_movers_in_several_processes_exactly_one_wins(database: Database) -> None:
    schedulers = [Executions(database, Told()) for _ in range(10)]
    test = await stored(schedulers[0])
    answers = await asyncio.gather(*(schedulers[rank % 10].move(queueing(test.id, float(rank))) for rank in range(100)))
    assert sum(answers) == 1
    moved = await schedulers[0].get(test.id)
    assert moved is not None
    assert moved.rank == answers.index(True)


async def test_a_batch_reports_each_winner_and_each_loser(tests: Executions, told: Told) -> None:
    waiting = [await stored(tests) for _ in range(15)]
    gone = [await stored(tests, State.FAILED) for _ in range(15)]
    told.clear()
    mixed = [test for pair in zip(waiting, gone, strict=True) for test in pair]
    answers = await asyncio.gather(*(tests.move(queueing(test.id)) for test in mixed))
    assert answers == [True, False] * 15
    assert [letter.holder for letter in told] == [test.id for test in waiting]
    assert {(await tests.get(test.id)).state for test in gone} == {State.FAILED}  # type: ignore[union-attr]


async def test_a_replay_changes_nothing_and_tells_nothing(tests: Executions, told: Told, database: Database) -> None:
    test = await stored(tests)
    assert await tests.move(queueing(test.id, 1.0))
    before = await database["executions"].find_one({"_id": test.id})
    told.clear()
    assert not await tests.move(queueing(test.id, 2.0))
    assert await database["executions"].find_one({"_id": test.id}) == before
    assert told == []


async def test_a_late_report_of_attempt_one_does_not_touch_attempt_two(tests: Executions) -> None:
    test = await stored(tests, State.RUNNING, attempt=2)
    late = queueing(test.id, source=State.RUNNING, attempt=1, to=State.FAILED)
    assert not await tests.move(late)
    assert await tests.move(queueing(test.id, source=State.RUNNING, attempt=2, to=State.FAILED))


async def test_a_guard_must_hold_too(tests: Executions) -> None:
    test = await stored(tests, State.BUILDING, attempt=1, lease=lease(NOW, "one"))
    move: dict[str, Any] = {"source": State.BUILDING, "attempt": 1, "to": State.FAILED}
    assert not await tests.move(queueing(test.id, **move, guard={"lease.owner": "other"}))
    assert await tests.move(queueing(test.id, **move, guard={"lease.owner": "one"}, unset=("lease",)))
    moved = await tests.get(test.id)
    assert moved is not None
    assert moved.lease is None


async def test_a_move_may_pass_a_state_and_begin_an_attempt_and_the_history_says_so(tests: Executions) -> None:
    test = await stored(tests, State.QUEUED)
    scheduled = TestScheduled(test_id=test.id, user_id=ALICE, attempt=1, at=NOW, slot=0)
    assert await tests.move(
        queueing(test.id, source=State.QUEUED, to=State.BUILDING, new_attempt=1, telling=(scheduled,))
    )
    ended = NOW + timedelta(seconds=1)
    running = TestRunning(test_id=test.id, user_id=ALICE, attempt=1, at=ended)
    assert await tests.move(
        queueing(
            test.id,
            source=State.BUILDING,
            attempt=1,
            via=State.RUNNING,
            to=State.COMPLETED,
            at=ended,
            by="orchestrator",
            reason="answered",
            telling=(running,),
        )
    )
    moved = await tests.get(test.id)
    assert moved is not None
    assert (moved.state, moved.attempt) == (State.COMPLETED, 1)
    assert [(entry.state, entry.attempt, entry.at, entry.by, entry.reason) for entry in moved.history[1:]] == [
        (State.BUILDING, 1, NOW, "scheduler", ""),
        (State.RUNNING, 1, ended, "orchestrator", "answered"),
        (State.COMPLETED, 1, ended, "orchestrator", "answered"),
    ]


async def test_several_moves_of_one_test_in_one_batch_are_each_judged(tests: Executions) -> None:
    test = await stored(tests)
    waiting = await stored(tests)
    answers = await asyncio.gather(
        tests.move(queueing(test.id)),
        tests.move(queueing(test.id, to=State.FAILED)),
        tests.move(queueing(waiting.id)),
        tests.move(queueing(new_test_id())),
    )
    assert sum(answers[:2]) == 1
    assert list(answers[2:]) == [True, False]


# -- changing without a move


async def test_a_change_is_a_compare_and_set_with_its_event(tests: Executions, told: Told, database: Database) -> None:
    test = await stored(tests, State.BUILDING, attempt=1)
    told.clear()
    event: Event = TestRunning(test_id=test.id, user_id=ALICE, attempt=1, at=NOW)
    answers = await asyncio.gather(
        *(
            tests.change(
                test.id,
                where={"state": State.BUILDING, "lease": None},
                set={"lease": lease(NOW, f"owner {number}").model_dump()},
                telling=[event],
            )
            for number in range(30)
        )
    )
    (winner,) = [answer for answer in answers if answer is not None]
    assert winner.lease
    assert winner.lease.owner == f"owner {answers.index(winner)}"
    assert len(told) == 1
    assert [entry["id"] for entry in await outbox(database, test.id)][1:] == [event.id]


async def test_a_change_can_unset_and_answers_briefly_if_asked(tests: Executions) -> None:
    test = await stored(tests, State.BUILDING, attempt=1, lease=lease(NOW))
    brief = await tests.change(test.id, where={}, set={"slot": 3}, unset=["lease"], brief=True)
    assert brief is not None
    assert (brief.slot, brief.lease) == (3, None)
    assert (brief.input.agent_code, brief.history) == ("", [])
    whole = await tests.change(test.id, where={}, set={"slot": 4}, durable=False)
    assert whole is not None
    assert whole.input.agent_code == test.input.agent_code


async def test_a_lease_is_prolonged_by_its_owner_only(tests: Executions) -> None:
    mine = await stored(tests, State.RUNNING, attempt=1, lease=lease(NOW, "one"))
    lost = await stored(tests, State.RUNNING, attempt=1, lease=lease(NOW, "other"))
    done = await stored(tests, State.FAILED, attempt=1)
    later = NOW + timedelta(minutes=1)
    await tests.renew([mine.id, lost.id, done.id], "one", later)
    found = await tests.get_many([mine.id, lost.id, done.id])
    assert [found[test.id].lease for test in (mine, lost, done)] == [lease(later, "one"), lease(NOW, "other"), None]


async def test_a_hold_on_a_log_is_prolonged_by_its_follower_while_the_log_is_open(tests: Executions) -> None:
    later = NOW + timedelta(minutes=1)
    logs = [("one", False), ("other", False), ("one", True)]
    found = [await stored(tests, State.RUNNING, attempt=1) for _ in logs]
    for test, (follower, ended) in zip(found, logs, strict=True):
        await tests.change(test.id, where={}, set={"logs.follower": follower, "logs.until": NOW, "logs.ended": ended})
    await tests.renew_logs([test.id for test in found], "one", later)
    now = await tests.get_many([test.id for test in found])
    assert [now[test.id].logs.until for test in found] == [later, NOW, NOW]
    assert set(await tests.followed_by("one", 9)) == {found[0].id, found[2].id}
    assert await tests.unread(NOW + timedelta(seconds=1), 9) == [found[1].id, found[2].id] or set(
        await tests.unread(NOW + timedelta(seconds=1), 9)
    ) == {found[1].id, found[2].id}


# -- reading


async def test_only_who_asks_for_one_test_sees_its_nonce(tests: Executions, database: Database) -> None:
    test = await stored(tests, State.RUNNING, attempt=1)
    await tests.change(test.id, where={}, set={"task": task(test.id).model_dump()})
    past = History(database)
    (brief,) = (await past.page(Wanted(), Order.NEWEST, None, 1)).tests
    (whole,) = (await past.page(Wanted(), Order.NEWEST, None, 1, whole=True)).tests
    many = (await tests.get_many([test.id]))[test.id]
    assert [isinstance(found.task, Task) and found.task.nonce for found in (brief, whole, many)] == ["", "", ""]
    one = await tests.get(test.id)
    assert one is not None
    assert one.task
    assert one.task.nonce == "nonce"


async def test_sweeps_find_what_waits_too_long_oldest_first(tests: Executions) -> None:
    ages = [3, 9, 1, 6]
    found = {age: await stored(tests, State.QUEUED, at=NOW - timedelta(seconds=age)) for age in ages}
    await stored(tests, State.SUBMITTED, at=NOW - timedelta(seconds=9))
    stale = await tests.stale(State.QUEUED, NOW - timedelta(seconds=2), 99)
    assert [test.id for test in stale] == [found[age].id for age in (9, 6, 3)]
    assert len(await tests.stale(State.QUEUED, NOW, 2)) == 2


async def test_sweeps_find_tasks_that_nobody_looks_after(tests: Executions) -> None:
    lapsed = await stored(tests, State.RUNNING, attempt=1, lease=lease(NOW - timedelta(seconds=1), "gone"))
    older = await stored(tests, State.BUILDING, attempt=1, lease=lease(NOW - timedelta(seconds=9), "gone"))
    held = await stored(tests, State.RUNNING, attempt=1, lease=lease(NOW, "here"))
    fresh = await stored(tests, State.BUILDING, attempt=1, at=NOW)
    unlaunched = await stored(tests, State.BUILDING, attempt=1, at=NOW - timedelta(seconds=9))
    assert await tests.unattended(NOW, 9) == [older.id, lapsed.id]
    assert await tests.owned("here", 9) == [held.id]
    found = await tests.unlaunched(NOW - timedelta(seconds=3), 9)
    assert [test.id for test in found] == [unlaunched.id]
    assert fresh.id not in {test.id for test in found}


async def test_sweeps_find_waiting_tests_that_somebody_wants_stopped(tests: Executions) -> None:
    cancel = Cancel(requested_at=NOW, by="bob")
    unwanted = [await stored(tests, state, cancel=cancel) for state in (State.SUBMITTED, State.QUEUED)]
    for state in (State.RUNNING, State.FAILED):
        await stored(tests, state, attempt=1, cancel=cancel)
    await stored(tests, State.QUEUED)
    assert set(await tests.waiting_but_unwanted(9)) == {test.id for test in unwanted}


# -- the outbox


async def test_events_stay_until_they_are_cleared(tests: Executions, told: Told, database: Database) -> None:
    test = await stored(tests)
    other = await stored(tests)
    await tests.move(queueing(test.id))
    later = NOW + timedelta(seconds=1)
    waiting = await tests.unsent(later, 99)
    assert {letter.id for letter in waiting} == {letter.id for letter in told}
    assert sorted(waiting, key=lambda letter: letter.id) == sorted(told, key=lambda letter: letter.id)
    await tests.clear([(letter.holder, letter.id) for letter in told if letter.holder == test.id])
    assert await outbox(database, test.id) == []
    assert [letter.holder for letter in await tests.unsent(later, 99)] == [other.id]
    await tests.clear([(test.id, "never was"), (new_test_id(), "never was")])
    assert len(await tests.unsent(later, 99)) == 1


async def test_an_event_that_is_on_its_usual_way_is_not_swept(tests: Executions) -> None:
    test = await stored(tests)
    await tests.move(queueing(test.id, at=NOW + timedelta(seconds=5)))
    assert [letter.subject.split(".")[1] for letter in await tests.unsent(NOW + timedelta(seconds=1), 99)] == [
        "submitted"
    ]


async def test_clearing_loses_no_event_that_is_written_meanwhile(tests: Executions, told: Told) -> None:
    found = [await stored(tests) for _ in range(20)]
    sent = [(letter.holder, letter.id) for letter in told]
    await asyncio.gather(*(tests.clear([one]) for one in sent), *(tests.move(queueing(test.id)) for test in found))
    left = await tests.unsent(NOW + timedelta(seconds=1), 99)
    assert sorted(letter.holder for letter in left) == sorted(test.id for test in found)
    assert {letter.subject.split(".")[1] for letter in left} == {"queued"}


async def test_a_move_keeps_the_trace_and_names_who_made_it(tests: Executions, database: Database) -> None:
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    test = await stored(tests)
    await tests.move(queueing(test.id, traceparent=trace))
    headers = (await outbox(database, test.id))[1]["headers"]
    assert (headers["traceparent"], headers["ce-source"]) == (trace, "/assay/scheduler")
