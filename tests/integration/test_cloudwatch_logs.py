"""The whole log streamer on real servers, reading a scripted CloudWatch: what is stored, told and said at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, cast

import pytest
from pydantic import SecretStr

from services.logstreamer.app import running
from services.logstreamer.settings import LogstreamerSettings
from services.logstreamer.sources.cloudwatch.port import Reach
from services.logstreamer.sources.cloudwatch.reach import AwsReach
from shared.clock import SystemClock
from shared.ids import TestId
from shared.store.documents import Execution
from shared.telemetry.health import Health
from tests.support.fakes.scripted_logs import GROUP, REGION, THROTTLED, ScriptedAws, ScriptedLogs
from tests.support.launched import NONCE, Accounts, Launched, launch
from tests.support.samples import line
from tests.support.system import System, system
from tests.support.until import until

DRAIN_S = 3.0


class World:
    """Log streamers, and the CloudWatch that they read."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.logs = ScriptedLogs(SystemClock())
        self.opened = 0

    async def reach(self, region: str) -> Reach:
        assert region == REGION
        self.opened += 1
        return AwsReach(cast("Any", ScriptedAws(self.logs)))

    def logstreamer(self, instance: str = "one", **more: Any) -> AbstractAsyncContextManager[Health]:
        values: dict[str, Any] = {
            "nats_url": SecretStr(self.system.nats_url),
            "mongo_url": SecretStr(self.system.mongo_url),
            "mongo_database": self.system.name,
            "instance": instance,
            "sweep_interval_s": 0.1,
            "logstreamer_lease_s": 1.0,
            "logstreamer_drain_cloudwatch_s": DRAIN_S,
            "logstreamer_cloudwatch_poll_s": 0.1,
            "logstreamer_cloudwatch_fastest_s": 0.05,
            "logstreamer_cloudwatch_slowest_s": 0.2,
            "logstreamer_cloudwatch_overlap_s": 1.0,
            **more,
        }
        return running(LogstreamerSettings(**values), self.reach)

    async def launch(self, stream: str, *, exists: bool = True) -> Launched:
        if exists:
            self.logs.stream(stream)
        source = {"kind": "cloudwatch", "region": REGION, "group": GROUP, "stream": stream}
        return await launch(self.system, source)

    def write(self, task: Launched, stream: str, count: int = 1, **more: Any) -> None:
        for _ in range(count):
            self.logs.write(stream, line(task.next_seq, f"{stream} {task.written}").model_dump_json(), **more)
            task.texts.append(f"{stream} {task.written}")
            task.written += 1

    def finish(self, task: Launched, stream: str, **more: Any) -> None:
        self.logs.write(stream, f'{{"mark":"end","ts":1.0,"nonce":"{NONCE}","lines":{task.next_seq - 1}}}', **more)

    async def has(self, task: Launched, count: int) -> None:
        async def stored() -> bool:
            return [one.text for one in await task.lines()] == task.texts[:count]

        await until(stored, timeout=30, what=f"{count} lines of {task.id}")


@pytest.fixture
async def world(fresh_nats_url: str, mongo_url: str, mongo_database: str) -> AsyncIterator[World]:
    async with system(fresh_nats_url, mongo_url, mongo_database) as found:
        yield World(found)


def account(test: Execution) -> tuple[int, int | None, bool]:
    return test.logs.lines, test.logs.expected, test.logs.complete


async def told(world: World, test_id: TestId) -> tuple[Any, ...]:
    async def found() -> bool:
        return test_id in await Accounts(world.system).told()

    await until(found)
    (event,) = (await Accounts(world.system).told())[test_id]
    return event.expected, event.received, event.complete, event.missing


async def test_lines_arrive_while_they_are_written_and_the_account_closes_the_log(world: World) -> None:
    async with world.logstreamer():
        tasks = [await world.launch(f"s{n}", exists=n % 2 == 0) for n in range(20)]
        for n, task in enumerate(tasks):
            world.write(task, f"s{n}", 10)
        for task in tasks:
            await world.has(task, 10)
        for n, task in enumerate(tasks):
            world.write(task, f"s{n}", 5, late_s=0.01 * n)
            world.finish(task, f"s{n}", late_s=0.5 if n % 3 else 0.0)
            await task.end()
        tests = [await task.sealed() for task in tasks]
    assert [account(test) for test in tests] == [(15, 15, True)] * 20
    assert [[one.text for one in await task.lines()] for task in tasks] == [task.texts for task in tasks]
    assert world.opened == 1


async def test_the_end_mark_is_waited_for_after_the_task_has_stopped(world: World) -> None:
    async with world.logstreamer():
        task = await world.launch("a")
        world.write(task, "a", 3)
        await world.has(task, 3)
        await task.end()
        world.write(task, "a", 2, late_s=DRAIN_S / 2)
        world.finish(task, "a", late_s=DRAIN_S / 2)
        test = await task.sealed()
    assert account(test) == (5, 5, True)


async def test_what_does_not_come_is_named(world: World) -> None:
    async with world.logstreamer():
        task = await world.launch("a")
        world.write(task, "a", 2)
        world.write(task, "a", 3, late_s=1e6)
        world.write(task, "a", 1)
        world.write(task, "a", 4, late_s=1e6)
        world.finish(task, "a")
        await task.end()
        test = await task.sealed()
        assert account(test) == (3, 10, False)
        assert await told(world, test.id) == (10, 3, False, ((3, 5), (7, 10)))


async def test_a_group_that_is_deleted_in_the_middle_costs_its_own_lines_and_nothing_else(world: World) -> None:
    async with world.logstreamer():
        task = await world.launch("a")
        world.write(task, "a", 3)
        await world.has(task, 3)
        world.logs.delete()
        await task.end()
        test = await task.sealed()
        assert account(test) == (3, None, False)
        assert await told(world, test.id) == (None, 3, False, ())
        world.logs.groups[GROUP] = {}
        task = await world.launch("b")
        world.write(task, "b", 3)
        world.finish(task, "b")
        await task.end()
        assert account(await task.sealed()) == (3, 3, True)


async def test_throttled_calls_cost_time_and_no_lines(world: World) -> None:
    refused = 0

    def now_and_then() -> tuple[str, str] | None:
        nonlocal refused
        refused += 1
        return THROTTLED if refused % 3 else None

    async with world.logstreamer():
        world.logs.refuses = now_and_then
        tasks = [await world.launch(f"s{n}") for n in range(5)]
        for n, task in enumerate(tasks):
            world.write(task, f"s{n}", 10)
            world.finish(task, f"s{n}")
            await task.end()
        tests = [await task.sealed() for task in tasks]
    assert [account(test) for test in tests] == [(10, 10, True)] * 5


async def test_a_second_one_reads_on_where_the_first_one_ended(world: World) -> None:
    async with world.logstreamer("one", logstreamer_lease_s=60.0):
        tasks = [await world.launch(f"s{n}") for n in range(5)]
        for n, task in enumerate(tasks):
            world.write(task, f"s{n}", 20)
            await world.has(task, 20)
            world.write(task, f"s{n}", 1, late_s=0.5)  # a hole at the moment in which it changes hands
            world.write(task, f"s{n}", 5)
    async with world.logstreamer("two"):
        for n, task in enumerate(tasks):
            world.write(task, f"s{n}", 4)
            world.finish(task, f"s{n}")
            await task.end()
        tests = [await task.sealed() for task in tasks]
    assert [account(test) for test in tests] == [(30, 30, True)] * 5
    assert [[one.text for one in await task.lines()] for task in tasks] == [task.texts for task in tasks]
    assert world.opened == 2


async def test_one_that_no_longer_answers_is_taken_over_when_its_claim_runs_out(world: World) -> None:
    task = await world.launch("a")
    world.write(task, "a", 5)
    claim = {"logs.follower": "gone", "logs.until": SystemClock().now() + timedelta(seconds=1)}
    await world.system.tests.change(task.id, where={}, set=claim)
    async with world.logstreamer("two"):
        world.finish(task, "a")
        await task.end()
        assert account(await task.sealed()) == (5, 5, True)


async def test_local_mode_opens_no_way_to_aws(world: World) -> None:
    async with world.logstreamer():
        task = await launch(world.system, {"kind": "file", "path": "/nowhere"})
        await task.end()
        await task.sealed()
    assert world.opened == 0
