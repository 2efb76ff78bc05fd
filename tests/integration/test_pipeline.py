"""Scheduler, orchestrator and log streamer together, on real servers, with tasks that play scripts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.domain.failure import FailureCode, Stage
from shared.domain.lifecycle import ACTIVE, MAX_ATTEMPTS, State
from shared.domain.logsequence import first_seq
from shared.ids import TestId
from tests.support.system import System, legal, most_at_once, system
from tests.support.until import until


@pytest.fixture
async def world(fresh_nats_url: str, mongo_url: str, mongo_database: str) -> AsyncIterator[System]:
    async with system(fresh_nats_url, mongo_url, mongo_database, scheduler_capacity=5) as found:
        yield found


async def test_a_test_runs_from_submission_to_answer_and_complete_log(world: System) -> None:
    async with world.services():
        (test_id,) = await world.submit(
            build_for=0.1, run_for=0.3, lines=["one", "two", "drei \u00e4"], result={"a": 1}
        )
        (test,) = await world.ended()
        await world.is_tidy()
    assert [entry.state for entry in test.history] == [
        State.SUBMITTED,
        State.QUEUED,
        State.BUILDING,
        State.RUNNING,
        State.COMPLETED,
    ]
    assert test.result
    assert test.result.success
    assert test.result.response_json == '{"a":1}'
    assert test.attempt == 1
    assert test.failure is None
    assert test.lease is None
    assert (test.logs.lines, test.logs.expected, test.logs.complete) == (3, 3, True)
    assert [(line.seq, line.text) for line in await world.lines(test_id)] == [
        (1, "one"),
        (2, "two"),
        (3, "drei \u00e4"),
    ]
    times = test.times
    assert times.queued
    assert times.scheduled
    assert times.build_started
    assert times.started
    assert times.finished
    assert times.submitted <= times.queued <= times.scheduled <= times.build_started <= times.started <= times.finished
    assert (await world.told())["test.completed", test_id] == 1


async def test_fifty_tests_never_use_more_than_five_slots_and_each_ends_once(world: System) -> None:
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            states = await world.states()
            most = max(most, sum(states[state] for state in ACTIVE), await world.taken())
            await asyncio.sleep(0.01)

    async with world.services(), asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch())
        await world.submit(50, run_for=0.05, lines=5)
        tests = await world.ended()
        watching.cancel()
        await world.is_tidy()
    assert all(test.state is State.COMPLETED and legal(test) and test.attempt == 1 for test in tests)
    assert all(test.logs.complete and test.logs.lines == 5 for test in tests)
    assert 1 <= most <= 5
    assert most_at_once(tests) <= 5
    told = await world.told()
    for fact in ("submitted", "queued", "scheduled", "building", "running", "completed"):
        assert [told[f"test.{fact}", test.id] for test in tests] == [1] * 50, fact


async def test_two_of_each_service_share_the_work_and_do_nothing_twice(world: System) -> None:
    async with world.services("one", "two"):
        await world.submit(30, run_for=0.05, lines=3)
        await world.submit(30, user="bob", run_for=0.05, lines=3)
        tests = await world.ended()
        await world.is_tidy()
    assert all(test.state is State.COMPLETED and legal(test) and test.attempt == 1 for test in tests)
    assert all(test.logs.complete and test.logs.lines == 3 for test in tests)
    assert most_at_once(tests) <= 5
    told = await world.told()
    assert {told["test.completed", test.id] for test in tests} == {1}
    assert {told["test.scheduled", test.id] for test in tests} == {1}


async def test_one_users_crowd_does_not_keep_anothers_single_test_waiting(world: System) -> None:
    crowd = await world.submit(40, user="crowd", run_for=0.05)
    async with world.services(scheduler_capacity=2):
        await until(lambda: _some_ended(world))
        (single,) = await world.submit(user="single", run_for=0.05)
        await world.ended([single])
        ended = [test for test in await world.all(crowd) if test.times.finished]
        single_test = await world.get(single)
        assert single_test.times.scheduled
        assert single_test.times.queued
        # Those granted while it waited: what was under way, a turn of the slots, and what the figures lag behind.
        overtook = [
            test
            for test in await world.all(crowd)
            if test.times.scheduled and single_test.times.queued < test.times.scheduled < single_test.times.scheduled
        ]
        assert len(overtook) <= 6, len(ended)
        await world.ended()


async def _some_ended(world: System) -> bool:
    return (await world.states())[State.COMPLETED] >= 3


async def test_an_urgent_test_goes_first(world: System) -> None:
    patient = await world.submit(6, run_for=0.05)
    (urgent,) = await world.submit(priority=9, run_for=0.05)
    async with world.service("scheduler", scheduler_capacity=1):
        await until(lambda: _queued(world, 6))
        async with world.service("orchestrator"), world.service("logstreamer"):
            await world.ended()
    first = await world.get(urgent)
    assert first.times.scheduled
    before = [
        test
        for test in await world.all(patient)
        if test.times.scheduled and test.times.scheduled < first.times.scheduled
    ]
    assert len(before) <= 1  # the one that was granted before the urgent one was seen


async def _queued(world: System, count: int) -> bool:
    return (await world.states())[State.QUEUED] >= count


# -- how it can end


async def test_an_agents_failure_is_reported_and_not_tried_again(world: System) -> None:
    async with world.services():
        await world.submit(code="AGENT_EXCEPTION", lines=2)
        (test,) = await world.ended()
        await world.is_tidy()
    assert (test.state, test.attempt) == (State.FAILED, 1)
    assert test.failure
    assert (test.failure.code, test.failure.stage, test.failure.retryable) == (
        FailureCode.AGENT_EXCEPTION,
        Stage.RUN,
        False,
    )
    assert test.failure.hint
    assert test.result
    assert not test.result.success
    assert test.logs.complete


async def test_an_agent_that_takes_too_long_is_timed_out(world: System) -> None:
    async with world.services():
        await world.submit(run_for=60.0, timeout_s=1)
        (test,) = await world.ended()
    assert test.state is State.TIMED_OUT
    assert test.failure
    assert test.failure.code is FailureCode.TIMED_OUT


async def test_a_task_that_never_starts_is_ended_at_its_deadline(world: System) -> None:
    async with world.services(orchestrator_start_limit_s=0.2):
        await world.submit(never_starts=True, timeout_s=1)
        (test,) = await world.ended()
        await world.is_tidy()
    assert test.state is State.TIMED_OUT
    assert [entry.state for entry in test.history][-2:] == [State.BUILDING, State.TIMED_OUT]


async def test_out_of_memory_is_named(world: System) -> None:
    async with world.services():
        await world.submit(out_of_memory=True)
        (test,) = await world.ended()
    assert test.failure
    assert test.failure.code is FailureCode.OUT_OF_MEMORY


@pytest.mark.parametrize(
    "script", [{"lost": True}, {"no_result": True, "exit_code": 137}, {"start_error": "CAPACITY_UNAVAILABLE"}]
)
async def test_a_failure_of_the_platform_is_tried_three_times_in_the_old_place(
    world: System, script: dict[str, Any]
) -> None:
    (unlucky,) = await world.submit(run_for=0.05, **script)
    behind = await world.submit(3, run_for=0.05)
    async with world.services(scheduler_capacity=1):
        await world.ended()
        await world.is_tidy()
    test = await world.get(unlucky)
    assert (test.state, test.attempt) == (State.FAILED, MAX_ATTEMPTS)
    assert test.failure
    assert test.failure.retryable
    assert legal(test)
    assert [entry.state for entry in test.history].count(State.QUEUED) == MAX_ATTEMPTS
    assert [entry.attempt for entry in test.history if entry.state is State.BUILDING] == [1, 2, 3]
    others = await world.all(behind)
    assert all(other.state is State.COMPLETED for other in others)
    # Its place is kept: nobody who came behind it was granted the slot before it had its three attempts.
    assert test.times.finished
    assert all(other.times.scheduled and other.times.scheduled >= test.times.finished for other in others)
    told = await world.told()
    assert told["test.requeued", unlucky] == MAX_ATTEMPTS - 1
    assert told["test.failed", unlucky] == 1
    assert len({test.rank, *(other.rank for other in others)}) == 4


async def test_an_illegal_script_fails_once_and_for_all(world: System) -> None:
    async with world.services():
        await world.submit(no_such_field=1)
        (test,) = await world.ended()
        await world.is_tidy()
    assert (test.state, test.attempt) == (State.FAILED, 1)
    assert test.failure
    assert test.failure.code is FailureCode.INTERNAL


async def test_each_attempts_lines_have_their_own_numbers(world: System) -> None:
    async with world.services():
        await world.submit(run_for=0.3, lines=4, no_result=True)
        (test,) = await world.ended()
        numbers = [line.seq for line in await world.lines(test.id)]
    assert [seq for seq in numbers if seq >= first_seq(3)] == list(range(first_seq(3), first_seq(3) + 4))
    assert numbers == sorted(set(numbers))


# -- cancelling


async def test_cancelling_before_the_scheduler_saw_it(world: System) -> None:
    (test_id,) = await world.submit()
    await world.cancel(test_id, "changed my mind")
    async with world.services():
        (test,) = await world.ended()
        await world.is_tidy()
    assert test.failure
    assert test.failure.code is FailureCode.CANCELLED
    assert "bob" in test.failure.message
    assert State.BUILDING not in {entry.state for entry in test.history}


async def test_cancelling_while_it_waits(world: System) -> None:
    async with world.services(scheduler_capacity=1):
        (holder,) = await world.submit(run_for=60.0)
        await world.in_state(holder, State.RUNNING)
        (test_id,) = await world.submit()
        await world.in_state(test_id, State.QUEUED)
        await world.cancel(test_id, "enough")
        (test,) = await world.ended([test_id])
        assert test.failure
        assert (test.failure.code, test.failure.stage) == (FailureCode.CANCELLED, Stage.QUEUE)
        assert test.failure.message == "Cancelled by bob while it waited: enough"
        await world.cancel(holder)
        await world.ended()
        await world.is_tidy()


@pytest.mark.parametrize(
    ("script", "state"),
    [
        ({"never_starts": True}, State.BUILDING),
        ({"build_for": 60.0}, State.BUILDING),
        ({"run_for": 60.0}, State.RUNNING),
        ({"run_for": 60.0, "ignores_stop": True}, State.RUNNING),
    ],
    ids=["never-starts", "building", "running", "ignores-being-asked"],
)
async def test_cancelling_while_it_has_a_slot(world: System, script: dict[str, Any], state: State) -> None:
    async with world.services():
        (test_id,) = await world.submit(**script)
        test = await world.in_state(test_id, state)
        await until(lambda: _has_handle(world, test_id))
        await world.cancel(test.id, "enough")
        (test,) = await world.ended()
        await world.is_tidy()
    assert test.state is State.FAILED
    assert test.failure
    assert test.failure.code is FailureCode.CANCELLED
    when, stage = ("while it ran", Stage.RUN) if state is State.RUNNING else ("before it ran", Stage.BUILD)
    assert test.failure.message == f"Cancelled by bob {when}: enough"
    assert test.failure.stage is stage
    assert test.attempt == 1


async def _has_handle(world: System, test_id: TestId) -> bool:
    test = await world.get(test_id)
    return test.task is not None and test.task.handle is not None


async def test_cancelling_what_has_ended_changes_nothing(world: System) -> None:
    async with world.services():
        (test_id,) = await world.submit()
        (before,) = await world.ended()
        await world.cancel(test_id)
        await world.is_tidy()
        assert await world.get(test_id) == before


async def test_cancelling_in_any_moment_ends_the_test_exactly_once(world: System) -> None:
    async with world.services():
        tests = await world.submit(20, run_for=0.1)

        async def cancel(place: int) -> None:
            await asyncio.sleep(place * 0.02)
            await world.cancel(tests[place])

        await asyncio.gather(*(cancel(place) for place in range(20)))
        ended = await world.ended()
        await world.is_tidy()
    told = await world.told()
    for test in ended:
        assert legal(test)
        assert test.state is State.COMPLETED or (test.failure and test.failure.code is FailureCode.CANCELLED)
        assert told["test.completed", test.id] + told["test.failed", test.id] == 1
