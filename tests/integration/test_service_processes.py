"""Each service as a process of its own, as it runs in production: started by its environment, ended by signals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest

from shared.domain.lifecycle import State
from tests.support.system import ROOT, SERVICES, Process, System, legal, most_at_once, system
from tests.support.until import until


@pytest.fixture
async def world(fresh_nats_url: str, mongo_url: str, mongo_database: str) -> AsyncIterator[System]:
    async with system(fresh_nats_url, mongo_url, mongo_database, scheduler_capacity=5) as found:
        yield found


async def test_killed_one_after_the_other_in_the_middle_the_services_lose_nothing(world: System) -> None:
    with ExitStack() as stack:
        processes: dict[str, Process] = {name: stack.enter_context(world.process(name)) for name in SERVICES}
        for process in processes.values():
            await process.ready()
        for name in SERVICES:
            await world.submit(6, run_for=0.5, lines=20)
            await until(lambda: _some_active(world), timeout=30)
            processes[name].kill()
            processes[name] = stack.enter_context(world.process(name))
        tests = await world.ended()
        await world.is_tidy()
    assert [test.state for test in tests] == [State.COMPLETED] * 18
    assert [test.logs for test in tests if not test.logs.complete or test.logs.lines != 20] == []
    assert all(legal(test) for test in tests)
    assert most_at_once(tests) <= 5
    told = await world.told()
    assert {told["test.completed", test.id] for test in tests} == {1}


async def _some_active(world: System) -> bool:
    states = await world.states()
    return states[State.BUILDING] + states[State.RUNNING] > 0


@pytest.mark.parametrize("name", SERVICES)
async def test_a_service_that_is_told_to_end_says_so_and_ends_well(world: System, name: str) -> None:
    with world.process(name) as process:
        await process.ready()
        code, output = await process.terminate()
    assert code == 0, output
    lines = [json.loads(line) for line in output.splitlines()]
    events = [line["event"] for line in lines]
    assert [event for event in events if event.startswith("service_")] == [
        "service_ready",
        "service_draining",
        "service_stopped",
    ]
    assert [line for line in lines if line["level"] in {"warning", "error", "critical"}] == []


def test_a_wrong_environment_is_named_and_nothing_starts() -> None:
    environment = {**os.environ, "ASSAY_SCHEDULER_CAPACITY": "none", "ASSAY_SWEEP_INTERVAL_S": "-1"}
    ended = subprocess.run(
        [sys.executable, "-m", "services.scheduler"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 2
    complaints = ended.stderr.splitlines()
    assert len(complaints) == 2
    assert any(line.startswith("scheduler: ASSAY_SCHEDULER_CAPACITY: ") for line in complaints)
    assert any(line.startswith("scheduler: ASSAY_SWEEP_INTERVAL_S: ") for line in complaints)
