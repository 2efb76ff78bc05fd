"""How many calls of AWS a second it takes to look after tasks: measured with boto3's clients and a scripted clock."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Collection

import pytest

from services.orchestrator.ports import Handle
from services.orchestrator.runtimes.ecs.runtime import EcsRuntime
from shared.ids import TestId
from tests.support.scripted_aws import Scene, in_no_time

LOOKS = ("DescribeTasks", "ListTasks")


async def attend(runtime: EcsRuntime, handles: list[Handle], seconds: int) -> None:
    """As the orchestrator does: asks for all of them every second, a hundred at a time, and tidies every minute."""

    async def nobody(tests: Collection[TestId]) -> dict[TestId, int]:
        return {}

    for second in range(seconds):
        for start in range(0, len(handles), 100):
            await runtime.inspect(handles[start : start + 100])
        if second % 60 == 0:
            await runtime.tidy(nobody)
        await asyncio.sleep(1)


async def looks_a_second(tasks: int, *, starting: bool = False, minutes: int = 5) -> float:
    """While `tasks` tasks run; with `starting`, one of them ends and a new one is launched every 20 s."""
    scene = Scene()
    async with scene.runtime() as runtime:
        handles = [(await runtime.launch(scene.spec(run_for=1e6))).handle for _ in range(tasks)]
        await attend(runtime, handles, 30)
        began = scene.clock.now().timestamp()
        for _ in range(minutes * 3):
            if starting:
                await runtime.cleanup(handles[0])
                handles = [*handles[1:], (await runtime.launch(scene.spec(run_for=1e6, starts_after=15))).handle]
            await attend(runtime, handles, 20)
        counted = scene.cloud.count(since=began)
        return sum(counted[operation] for operation in LOOKS) / (scene.clock.now().timestamp() - began)


@in_no_time
async def test_looking_costs_the_same_for_one_task_and_for_a_hundred() -> None:
    one, ten, hundred = [await looks_a_second(tasks) for tasks in (1, 10, 100)]
    assert one == pytest.approx(ten, abs=0.02) == pytest.approx(hundred, abs=0.02)
    assert hundred < 0.3


@in_no_time
async def test_beyond_a_hundred_tasks_a_hundred_more_cost_one_call_more() -> None:
    hundred, five_hundred = [await looks_a_second(tasks, minutes=2) for tasks in (100, 500)]
    assert five_hundred <= 5 * hundred * 1.1


@in_no_time
async def test_tasks_that_start_all_the_time_cost_one_call_every_two_seconds() -> None:
    assert await looks_a_second(100, starting=True) < 0.6


@in_no_time
async def test_a_hundred_launches_at_once_are_held_to_the_rate_and_all_succeed() -> None:
    scene = Scene()
    async with scene.runtime() as runtime:
        await asyncio.gather(*(runtime.launch(scene.spec(run_for=60)) for _ in range(100)))
        assert len(scene.cloud.tasks) == 100
        times = sorted(at for at, operation in scene.cloud.calls if operation == "RunTask")
        seconds = [sum(1 for at in times if second <= at - times[0] < second + 1) for second in range(6)]
        assert max(seconds) <= 41  # a burst of 20, then 20 a second
        assert statistics.mean(seconds[1:4]) <= 20
        assert scene.cloud.count()["DescribeTasks"] <= 4
