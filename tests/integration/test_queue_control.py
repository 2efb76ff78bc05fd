"""Capacity, pause, maxima and weights: what admins set while real schedulers grant, and what those who wait see."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import grpc
import pytest
import pytest_asyncio

from assay.v1 import admin_service_pb2 as admin
from assay.v1 import queue_service_pb2 as queue
from assay.v1 import test_service_pb2 as pb
from shared.clock import SystemClock
from shared.domain.lifecycle import State
from shared.ids import UserId
from shared.store.limits import UserLimitsStore
from shared.store.slots import Slots
from tests.support.gateway import Client, Stage, staged, violations_of
from tests.support.system import System, most_at_once, system
from tests.support.until import until

Code = grpc.StatusCode
BRIEF: dict[str, Any] = {"run_for": 0.05}
SLOW_SWEEP: dict[str, Any] = {"sweep_interval_s": 30.0}
"""So that what happens soon happened because of the nudge."""


@pytest_asyncio.fixture
async def world(fresh_nats_url: str, mongo_url: str, mongo_database: str) -> AsyncIterator[System]:
    async with system(fresh_nats_url, mongo_url, mongo_database, scheduler_capacity=5) as found:
        yield found


@pytest_asyncio.fixture
async def stage(world: System) -> AsyncIterator[Stage]:
    async with staged(world.nats_url, world.mongo_url, world.name) as stage:
        yield stage


async def status(client: Client) -> queue.QueueStatus:
    found: queue.QueueStatus = (await client.call("GetQueueStatus", queue.GetQueueStatusRequest())).status
    return found


async def set_capacity(root: Client, capacity: int) -> queue.QueueStatus:
    answer: queue.QueueStatus = (await root.call("SetCapacity", admin.SetCapacityRequest(capacity=capacity))).status
    return answer


async def pause(root: Client, reason: str = "") -> queue.QueueStatus:
    answer: queue.QueueStatus = (await root.call("PauseQueue", admin.PauseQueueRequest(reason=reason))).status
    return answer


async def resume(root: Client) -> queue.QueueStatus:
    answer: queue.QueueStatus = (await root.call("ResumeQueue", admin.ResumeQueueRequest())).status
    return answer


async def active(world: System) -> int:
    states = await world.states()
    return states[State.BUILDING] + states[State.RUNNING]


# -- capacity and pause


async def test_a_paused_queue_lets_running_tests_end_and_begins_no_other(world: System, root: Client) -> None:
    async with world.services(**SLOW_SWEEP):
        await world.submit(5, run_for=0.5)
        await until(lambda: _is(active(world), 5))
        paused = await pause(root, "new image")
        assert (paused.paused, paused.pause_reason) == (True, "new image")
        granted = await world.submit(3, **BRIEF)
        await world.ended(world.submitted[:5])
        for test_id in granted:
            await world.in_state(test_id, State.QUEUED)
        assert await world.taken() == 0
        assert {test.attempt for test in await world.all(granted)} == {0}
        again = await pause(root, "still")
        assert (again.paused, again.pause_reason, again.pending) == (True, "still", 3)
        resumed = await resume(root)
        assert (resumed.paused, resumed.pause_reason) == (False, "")
        await world.ended()
        assert (await resume(root)).paused is False
        await world.is_tidy()


async def test_a_pause_outlives_gateway_and_scheduler(world: System, root: Client) -> None:
    await pause(root, "over night")
    async with world.services():
        (test_id,) = await world.submit(**BRIEF)
        await world.in_state(test_id, State.QUEUED)
    async with world.services():
        assert (await status(root)).paused
        assert (await world.get(test_id)).state is State.QUEUED
        await resume(root)
        await world.ended()


async def test_the_capacity_is_raised_and_lowered_while_tests_run(world: System, root: Client) -> None:
    async with world.services(**SLOW_SWEEP):
        first = await world.submit(5, run_for=1.0)
        await until(lambda: _is(active(world), 5))
        more = await world.submit(3, run_for=1.0)
        assert (await set_capacity(root, 8)).capacity == 8
        await until(lambda: _is(active(world), 8), what="the new slots to be granted")
        lowered = await set_capacity(root, 2)
        assert (lowered.running, lowered.capacity, lowered.utilization) == (8, 2, 4.0)
        later = await world.submit(6, **BRIEF)
        await world.ended()
    assert {test.state for test in await world.all()} == {State.COMPLETED}
    assert {test.attempt for test in await world.all([*first, *more])} == {1}
    assert most_at_once(await world.all(later)) <= 2


async def test_a_capacity_of_nothing_stops_the_queue_over_a_restart_too(world: System, root: Client) -> None:
    async with world.services():
        assert (await set_capacity(root, 0)).capacity == 0
    async with world.services():
        (test_id,) = await world.submit(**BRIEF)
        await world.in_state(test_id, State.QUEUED)
        found = await status(root)
        assert (found.capacity, found.utilization, found.paused) == (0, 0.0, False)
        await set_capacity(root, 1)
        await world.ended()


async def test_what_a_gateway_left_half_done_the_scheduler_finishes(world: System) -> None:
    async with world.services():
        await world.database["meta"].update_one({"_id": "capacity"}, {"$set": {"capacity": 9}})
        await until(lambda: _is(_made(world), 9), what="the slots to be made")
        await world.database["meta"].update_one({"_id": "capacity"}, {"$set": {"capacity": 3}})
        await until(lambda: _is(_made(world), 3), what="the slots to be removed")


@pytest.mark.parametrize("capacity", [-1, 10_001])
async def test_a_capacity_out_of_range_is_refused(root: Client, capacity: int) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await set_capacity(root, capacity)
    assert set(violations_of(error.value)) == {"capacity"}


@pytest.mark.parametrize("reason", ["x" * 501, "two\nlines", "\x1b[31mred", "nul\0"])
async def test_a_reason_that_would_spoil_a_screen_is_refused(root: Client, reason: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await pause(root, reason)
    assert set(violations_of(error.value)) == {"reason"}
    assert not (await status(root)).paused
    assert (await pause(root, "ü" * 500)).paused


# -- maxima and weights


async def test_two_schedulers_never_grant_a_user_more_than_his_maximum(world: System) -> None:
    await UserLimitsStore(world.database).change(UserId("free"), {"max_running": 0})
    over = 0

    async def watch() -> None:
        nonlocal over
        while True:
            found = await world.tests.get_many(world.submitted)
            running = Counter(test.user_id for test in found.values() if test.state in {State.BUILDING, State.RUNNING})
            over = max(over, running[UserId("crowd")], running[UserId("other")])
            await asyncio.sleep(0.005)

    async with (
        world.services("one", "two", scheduler_capacity=12, scheduler_max_running=2),
        asyncio.TaskGroup() as tasks,
    ):
        watching = tasks.create_task(watch())
        for user in ("crowd", "other", "free"):
            await world.submit(24, user=user, **BRIEF)
        await world.ended()
        watching.cancel()
        await world.is_tidy()
    tests = await world.all()
    assert {test.state for test in tests} == {State.COMPLETED}
    assert over <= 2
    by_user = {user: [test for test in tests if test.user_id == user] for user in ("crowd", "other", "free")}
    assert most_at_once(by_user["crowd"]) == 2
    assert most_at_once(by_user["other"]) == 2
    assert most_at_once(by_user["free"]) > 2


async def test_a_user_at_his_maximum_does_not_hold_up_who_stands_behind_him(world: System) -> None:
    async with world.services(scheduler_capacity=3, scheduler_max_running=1):
        crowd = await world.submit(40, user="crowd", run_for=30)
        await until(lambda: _is(active(world), 1))
        (single,) = await world.submit(user="single", **BRIEF)
        await world.ended([single])
        assert (await world.states())[State.RUNNING] + (await world.states())[State.BUILDING] == 1
        for test_id in crowd:
            await world.cancel(test_id)
        await world.ended()


async def test_a_maximum_that_is_set_while_tests_run_holds_from_then_on(
    world: System, stage: Stage, root: Client
) -> None:
    async with world.services(**SLOW_SWEEP):
        await world.submit(4, run_for=0.5)
        await until(lambda: _is(active(world), 4))
        await root.call(
            "SetUserLimits", admin.SetUserLimitsRequest(user_id="alice", overrides=admin.UserLimits(max_running=1))
        )
        found = await root.call("GetUserLimits", admin.GetUserLimitsRequest(user_id="alice"))
        assert found.effective.max_running == 1
        later = await world.submit(4, **BRIEF)
        await world.ended()
    assert most_at_once(await world.all(later)) == 1


async def test_the_schedulers_default_is_what_an_admin_is_told(world: System, root: Client) -> None:
    async with world.service("scheduler", scheduler_max_running=7):
        found = await root.call("GetUserLimits", admin.GetUserLimitsRequest(user_id="alice"))
        assert found.effective.max_running == 7
        assert not found.overrides.HasField("max_running")


async def test_a_user_of_weight_three_gets_three_turns_for_one(world: System) -> None:
    await UserLimitsStore(world.database).change(UserId("heavy"), {"weight": 3.0})
    slots = Slots(world.database)
    await slots.resize(0)
    async with world.services(scheduler_capacity=1):
        await world.submit(30, user="heavy", **BRIEF)
        await world.submit(30, user="light", **BRIEF)
        await until(lambda: _all_queued(world))
        await slots.resize(1)
        await world.ended()
    tests = sorted(await world.all(), key=lambda test: test.times.scheduled or test.times.submitted)
    turns = Counter(test.user_id for test in tests[:40])
    assert turns == {"heavy": 30, "light": 10}
    for place in range(4, 41, 4):
        assert abs(sum(1 for test in tests[:place] if test.user_id == "heavy") - place * 3 / 4) <= 1


async def test_five_hundred_waiting_tests_delay_anothers_one_by_a_turn_of_the_slots(world: System) -> None:
    slots = Slots(world.database)
    await slots.resize(0)
    async with world.services(scheduler_capacity=2, orchestrator_poll_s=0.05):
        await world.submit(500, user="crowd", run_for=0.01)
        await until(lambda: _all_queued(world), timeout=60)
        (single,) = await world.submit(user="single", run_for=0.01)
        await world.in_state(single, State.QUEUED)
        await slots.resize(2)
        await world.ended([single])
        test = await world.get(single)
        assert test.times.scheduled
        found = await world.tests.get_many(world.submitted)
        before = [one for one in found.values() if one.times.scheduled and one.times.scheduled < test.times.scheduled]
        assert len(before) <= 2
        await slots.resize(0)


# -- what those see who wait


async def test_a_waiting_test_is_told_when_it_will_have_its_slot(world: System, stage: Stage) -> None:
    alice = await stage.client("alice")
    async with world.services(scheduler_capacity=1):
        for _ in range(2):
            await world.ended(await world.submit(run_for=0.2))
        await world.submit(1, run_for=60)
        await until(lambda: _is(active(world), 1))
        waiting = await world.submit(4, **BRIEF)
        await until(lambda: _queued(world, 4))

        async def told() -> bool:
            places = [
                (await alice.call("GetTest", pb.GetTestRequest(test_id=test_id))).test.queue_place
                for test_id in waiting
            ]
            assert sorted(place.position for place in places) == [1, 2, 3, 4]
            waits = {place.position: place.estimated_wait.ToTimedelta().total_seconds() for place in places}
            return bool(0.1 < waits[1] < 20 and abs(waits[4] - 4 * waits[1]) < 0.5)

        await until(told, what="an estimate")
        await Slots(world.database).pause(SystemClock().now(), "root", "")

        async def is_open() -> bool:
            place = (await alice.call("GetTest", pb.GetTestRequest(test_id=waiting[0]))).test.queue_place
            return place.position == 1 and not place.HasField("estimated_wait")

        await until(is_open, what="no estimate while it is paused")
        for test_id in world.submitted:
            await world.cancel(test_id)
        await world.ended()


async def test_a_watch_of_the_queue_tells_every_change_and_stays(world: System, stage: Stage, root: Client) -> None:
    alice, bob = await stage.client("alice"), await stage.client("bob")
    heard: list[queue.QueueStatus] = []

    async def watch() -> None:
        async for message in alice.stream("WatchQueue", queue.WatchQueueRequest()):
            heard.append(message.status)  # noqa: PERF401 - the stream does not end

    async with world.services():
        watching = asyncio.create_task(watch())
        await until(lambda: heard)
        assert (heard[0].pending, heard[0].capacity, heard[0].paused) == (0, 5, False)
        await pause(root, "why")
        await until(lambda: heard[-1].paused and heard[-1].pause_reason == "why")
        await world.submit(2, **BRIEF)
        await world.submit(1, user="bob", **BRIEF)
        await until(lambda: (heard[-1].pending, heard[-1].own_pending) == (3, 2))
        assert (await status(bob)).own_pending == 1
        await resume(root)
        await until(lambda: (heard[-1].pending, heard[-1].running, heard[-1].paused) == (0, 0, False))
        assert heard[-1].HasField("average_wait")
        await set_capacity(root, 6)
        await until(lambda: heard[-1].capacity == 6)
        assert not watching.done()
        watching.cancel()
    times = [one.time.ToDatetime().timestamp() for one in heard]
    assert all(later - earlier > 0.8 for earlier, later in pairwise(times[1:]))


async def test_a_watch_of_the_queue_is_sent_elsewhere_when_the_gateway_stops(
    nats_url: str, mongo_url: str, mongo_database: str
) -> None:
    async with staged(nats_url, mongo_url, mongo_database) as stage:
        alice = await stage.client("alice")
        stream = alice.stream("WatchQueue", queue.WatchQueueRequest())
        await stream.read()
        reading = asyncio.gather(stream.read(), return_exceptions=True)
    (error,) = await reading
    assert isinstance(error, grpc.aio.AioRpcError)
    assert error.code() is Code.UNAVAILABLE


async def _is(found: Any, wanted: int) -> bool:
    return bool(await found == wanted)


async def _made(world: System) -> int:
    return (await Slots(world.database).occupancy()).capacity


async def _queued(world: System, count: int) -> bool:
    return (await world.states())[State.QUEUED] == count


async def _all_queued(world: System) -> bool:
    return await _queued(world, len(world.submitted))
