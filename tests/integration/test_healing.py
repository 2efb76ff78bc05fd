"""What gets lost is found again: events, services, claims and slots. Nothing of it loses a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest

from shared.bus.streams import TASKS, TESTS
from shared.domain.failure import FailureCode
from shared.domain.lifecycle import State
from shared.ids import new_test_id
from shared.store.slots import Slots
from tests.support.samples import ALICE
from tests.support.servers import RunningServer
from tests.support.system import SERVICES, System, legal, most_at_once, system
from tests.support.until import until


@pytest.fixture
async def world(fresh_nats_url: str, mongo_url: str, mongo_database: str) -> AsyncIterator[System]:
    async with system(fresh_nats_url, mongo_url, mongo_database, scheduler_capacity=5) as found:
        yield found


async def all_completed_once(world: System) -> None:
    tests = await world.ended()
    await world.is_tidy()
    assert [test.state for test in tests] == [State.COMPLETED] * len(tests)
    assert all(legal(test) for test in tests)
    assert most_at_once(tests) <= 5
    told = await world.told()
    assert {told["test.completed", test.id] for test in tests} == {1}


async def test_with_nats_away_from_the_first_to_the_last_moment_every_test_still_ends(
    world: System, nats_server: RunningServer
) -> None:
    async with world.services():
        nats_server.kill()
        await world.submit(4, run_for=0.05, lines=3)
        cancelled = (await world.submit(run_for=60.0))[0]
        await world.in_state(cancelled, State.BUILDING, State.RUNNING)
        await world.cancel(cancelled)
        tests = await world.ended()
        nats_server.start()
        await world.is_tidy()
    assert [test.state for test in tests] == [State.COMPLETED] * 4 + [State.FAILED]
    assert all(test.logs.complete for test in tests[:4])
    told = await world.told()
    assert all(told["test.submitted", test.id] == 1 for test in tests)
    assert {told["test.completed", test.id] for test in tests[:4]} == {1}


async def test_events_that_are_stolen_from_the_streams_cost_time_and_no_test(world: System) -> None:
    async def steal() -> None:
        while True:
            for name in (TESTS.name, TASKS.name):
                await world.bus.jetstream.purge_stream(name)

    async with world.services(), asyncio.TaskGroup() as tasks:
        stealing = tasks.create_task(steal())
        await world.submit(8, run_for=0.05, lines=3)
        tests = await world.ended()
        stealing.cancel()
        await world.is_tidy()
    assert all(test.state is State.COMPLETED and legal(test) and test.logs.complete for test in tests)


@pytest.mark.parametrize("name", SERVICES)
async def test_a_service_that_is_restarted_in_the_middle_loses_nothing(world: System, name: str) -> None:
    async with AsyncExitStack() as stack:
        for other in SERVICES:
            if other != name:
                await stack.enter_async_context(world.service(other))
        for _ in range(3):
            async with world.service(name):
                await world.submit(5, run_for=0.3, lines=20)
                await until(lambda: _some_active(world))
        async with world.service(name):
            await all_completed_once(world)
    assert [test.logs for test in await world.all() if not test.logs.complete or test.logs.lines != 20] == []


async def _some_active(world: System) -> bool:
    states = await world.states()
    return states[State.BUILDING] + states[State.RUNNING] > 0


async def test_all_services_restarted_at_once_lose_nothing(world: System) -> None:
    for _ in range(3):
        async with world.services():
            await world.submit(6, run_for=0.3, lines=20)
            await until(lambda: _some_active(world))
    async with world.services():
        await all_completed_once(world)
    assert [test.logs for test in await world.all() if not test.logs.complete] == []


async def test_another_orchestrator_takes_over_when_the_lease_has_run_out(world: System) -> None:
    async with world.service("scheduler"), world.service("logstreamer"):
        async with world.service("orchestrator", "gone", orchestrator_lease_s=0.5):
            await world.submit(4, run_for=2.0, lines=20)
            await until(lambda: _all_running(world, 4))
        async with world.service("orchestrator", "heir"):
            await all_completed_once(world)
    for test in await world.all():
        assert test.attempt == 1
        assert test.logs.complete


async def _all_running(world: System, count: int) -> bool:
    return (await world.states())[State.RUNNING] == count


async def test_another_log_streamer_takes_over_when_the_lease_has_run_out(world: System) -> None:
    async with world.service("scheduler"), world.service("orchestrator"):
        async with world.service("logstreamer", "gone", logstreamer_lease_s=0.5):
            (test_id,) = await world.submit(run_for=1.5, lines=60)
            await until(lambda: _has_lines(world, test_id))
        async with world.service("logstreamer", "heir"):
            await all_completed_once(world)
    assert [line.seq for line in await world.lines(test_id)] == list(range(1, 61))
    assert (await world.get(test_id)).logs.lines == 60


async def _has_lines(world: System, test_id: str) -> bool:
    return len(await world.lines(test_id)) > 3  # type: ignore[arg-type]


async def test_a_claim_that_nobody_looks_after_is_taken_back_and_tried_again(world: System) -> None:
    async with world.service("scheduler", scheduler_silence_s=0.5), world.service("logstreamer"):
        async with world.service("orchestrator", "gone", orchestrator_lease_s=1.0):
            (test_id,) = await world.submit(run_for=30.0)
            await world.in_state(test_id, State.RUNNING)
        # Its lease runs out, and nobody adopts it. The next one finds the test granted anew.
        await world.in_state(test_id, State.QUEUED, State.BUILDING)
        await until(lambda: _attempt(world, test_id, 2))
        await world.cancel(test_id)
        async with world.service("orchestrator", "heir"):
            (test,) = await world.ended()
            await world.is_tidy()
    assert test.attempt >= 2
    assert legal(test)
    assert (await world.told())["test.requeued", test_id] == test.attempt - 1
    assert test.failure
    assert test.failure.code is FailureCode.CANCELLED


async def _attempt(world: System, test_id: str, attempt: int) -> bool:
    return (await world.get(test_id)).attempt >= attempt  # type: ignore[arg-type]


async def test_without_any_orchestrator_a_granted_test_waits_and_loses_no_attempt(world: System) -> None:
    async with world.service("scheduler", scheduler_silence_s=0.1, sweep_interval_s=0.1):
        (test_id,) = await world.submit()
        await world.in_state(test_id, State.BUILDING)
        await asyncio.sleep(1.0)  # ten times the silence
        async with world.service("orchestrator"), world.service("logstreamer"):
            test = await world.in_state(test_id, State.COMPLETED)
    assert test.attempt == 1


async def test_a_slot_that_no_test_holds_is_freed_after_a_while(world: System) -> None:
    slots = Slots(world.database)
    async with world.service("scheduler"):
        just_now, long_ago = datetime.now(UTC), datetime.now(UTC) - timedelta(minutes=1)
        gone, fresh = new_test_id(), new_test_id()
        await slots.take(test=gone, user=ALICE, attempt=1, now=long_ago)
        await slots.take(test=fresh, user=ALICE, attempt=1, now=just_now)

        async def only_the_fresh_one() -> bool:
            return [slot.test_id for slot in await slots.taken()] == [fresh]

        await until(only_the_fresh_one)


async def test_a_queued_test_that_fell_out_of_the_queue_is_put_back(world: System) -> None:
    async with world.service("scheduler", scheduler_capacity=1):
        first, second = (await world.submit())[0], (await world.submit())[0]
        await world.in_state(first, State.BUILDING)
        waiting = await world.in_state(second, State.QUEUED)
        await world.database["queue"].delete_many({})

        async def back() -> bool:
            found = await world.database["queue"].find_one({"_id": second})
            return found is not None and found["rank"] == waiting.rank

        await until(back, timeout=30)


async def test_a_scheduler_that_died_between_slot_and_move_holds_nobody_up(world: System) -> None:
    slots = Slots(world.database)
    await slots.ensure(1)
    await slots.take(test=new_test_id(), user=ALICE, attempt=1, now=datetime.now(UTC) - timedelta(minutes=1))
    async with world.services(scheduler_capacity=1):
        await world.submit(2, run_for=0.05)
        await all_completed_once(world)


async def test_a_scheduler_that_died_between_move_and_queue_gives_no_second_slot(world: System) -> None:
    """The test is granted, and its entry is still in the queue."""
    async with world.service("scheduler"):
        (test_id,) = await world.submit()
        test = await world.in_state(test_id, State.BUILDING)
    await world.database["queue"].replace_one(  # it may be there, as the scheduler left it
        {"_id": test_id},
        {
            "user_id": test.user_id,
            "priority": 4,
            "rank": test.rank,
            "enqueued_at": test.times.queued,
            "attempt": 0,
            "traceparent": "",
        },
        upsert=True,
    )
    async with world.service("scheduler"):

        async def out_again() -> bool:
            return await world.database["queue"].count_documents({}) == 0

        await until(out_again)
        await until(lambda: _taken(world, 1))
    assert (await world.get(test_id)).attempt == 1


async def _taken(world: System, count: int) -> bool:
    return await world.taken() == count


async def test_services_end_cleanly_with_everything_under_way(world: System) -> None:
    async with asyncio.timeout(60):
        async with world.services("one", "two"):
            await world.submit(20, run_for=0.5, lines=50)
            await until(lambda: _some_active(world))
        async with world.services():
            await all_completed_once(world)
