"""What every runtime promises. The same tests hold for each implementation."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from services.orchestrator.ports import Bundle, Handle, Launched, Phase, Runtime
from services.orchestrator.runtimes.host import Unfit
from services.orchestrator.runtimes.options import Isolation
from shared.domain.files import join
from shared.store.documents import StoredFile
from tests.contract.runtime_worlds import Behaviour, EcsWorld, ProcessWorld, ScriptedWorld, World, ended, look
from tests.support.until import until

Launch = Callable[..., Awaitable[Launched]]


@pytest.fixture(params=["scripted", "process", "process without sandbox", "ecs scripted"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    if request.param == "scripted":
        return ScriptedWorld()
    if request.param == "ecs scripted":
        patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        return EcsWorld()
    isolation = Isolation.REQUIRED if request.param == "process" else Isolation.OFF
    return ProcessWorld(tmp_path / "tasks", isolation)


@pytest.fixture
async def runtime(world: World) -> AsyncIterator[Runtime]:
    try:
        runtime = await world.open()
    except Unfit as unfit:
        pytest.skip(str(unfit))
    yield runtime
    await runtime.aclose()


@pytest.fixture
async def launch(world: World, runtime: Runtime) -> AsyncIterator[Launch]:
    launched: list[Handle] = []

    async def launch(**behaviour: object) -> Launched:
        task = await runtime.launch(world.spec(Behaviour(**behaviour)))  # type: ignore[arg-type]
        launched.append(task.handle)
        return task

    yield launch
    for handle in launched:
        await runtime.cleanup(handle)


async def test_a_task_runs_and_stops(runtime: Runtime, launch: Launch) -> None:
    task = await launch(run_for=0.3)
    assert (await look(runtime, task.handle)).phase in {Phase.PENDING, Phase.RUNNING}
    sighting = await ended(runtime, task.handle)
    assert (sighting.phase, sighting.exit_code, sighting.out_of_memory) == (Phase.STOPPED, 0, False)
    assert sighting.stop_reason


async def test_files_go_in_and_what_is_left_comes_out(world: World, runtime: Runtime) -> None:
    """A second launch changes nothing, another orchestrator finds the same, and cleaned up it is gone."""
    spec = world.spec(Behaviour(leaves={"a.txt": "left behind", "sub/b.txt": ""}))
    project, inputs = join({"main.py": spec.agent_code.encode(), "data/x": b"project"}), join({"in.txt": b"input"})
    spec = replace(
        spec,
        project=Bundle(project.digest, tuple(StoredFile(**file._asdict()) for file in project.files)),
        inputs=Bundle(inputs.digest, tuple(StoredFile(**file._asdict()) for file in inputs.files)),
        agent_path="main.py",
        contents=project.data + inputs.data,
    )
    task = await runtime.launch(spec)
    try:
        assert await runtime.launch(spec) == task
        await ended(runtime, task.handle)
        for one in (runtime, await world.open()):
            result = json.loads(await one.collect(task.handle) or b"{}")
            assert result["outcome"] == "success", result
            assert [file["path"] for file in result["outputs"]] == ["a.txt", "sub/b.txt"]
            assert await one.collect_outputs(task.handle) == b"left behind"
            if one is not runtime:
                await one.aclose()
    finally:
        await runtime.cleanup(task.handle)
    assert not await runtime.collect_outputs(task.handle)


async def test_handle_and_log_source_are_plain_values(launch: Launch) -> None:
    task = await launch()
    assert json.loads(json.dumps(dict(task.handle))) == task.handle
    assert json.loads(json.dumps(dict(task.log_source))) == task.log_source
    assert task.log_source["kind"]


async def test_the_same_token_is_the_same_task(runtime: Runtime, world: World) -> None:
    spec = world.spec(Behaviour(run_for=0.2))
    first = await runtime.launch(spec)
    try:
        second, third = await asyncio.gather(runtime.launch(spec), runtime.launch(spec))
        assert first == second == third
        await ended(runtime, first.handle)
        assert await runtime.launch(spec) == first
        assert (await look(runtime, first.handle)).phase is Phase.STOPPED
    finally:
        await runtime.cleanup(first.handle)


async def test_one_look_answers_for_each_task_in_order(runtime: Runtime, launch: Launch) -> None:
    tasks = [await launch(), await launch(fails=True), await launch(run_for=20)]
    await ended(runtime, tasks[0].handle)
    await ended(runtime, tasks[1].handle)
    handles = [task.handle for task in tasks]
    forwards = await runtime.inspect(handles)
    backwards = await runtime.inspect(handles[::-1])
    assert [(s.phase, s.exit_code) for s in forwards] == [
        (Phase.STOPPED, 0),
        (Phase.STOPPED, 1),
        (Phase.RUNNING, None),
    ]
    assert list(backwards) == list(forwards)[::-1]
    assert not await runtime.inspect([])


async def test_the_result_is_there_when_the_task_has_stopped(runtime: Runtime, world: World) -> None:
    spec = world.spec(Behaviour(run_for=0.3, lines=2))
    task = await runtime.launch(spec)
    try:
        assert await runtime.collect(task.handle) is None
        await ended(runtime, task.handle)
        result = json.loads(await runtime.collect(task.handle) or b"")
        assert result["test_id"] == spec.test_id
        assert (result["attempt"], result["nonce"]) == (1, spec.nonce)
        assert (result["outcome"], result["response"], result["lines"]) == ("success", "done", 2)
    finally:
        await runtime.cleanup(task.handle)


async def test_a_failing_agent_has_a_result_too(runtime: Runtime, launch: Launch) -> None:
    task = await launch(fails=True)
    assert (await ended(runtime, task.handle)).exit_code == 1
    result = json.loads(await runtime.collect(task.handle) or b"")
    assert (result["outcome"], result["code"]) == ("error", "AGENT_EXCEPTION")


async def test_a_stopped_task_reports_that_it_was_cancelled(runtime: Runtime, launch: Launch) -> None:
    task = await launch(run_for=20)
    await until(lambda: _is(runtime, task.handle, Phase.RUNNING))
    await runtime.stop(task.handle, grace_s=10)
    sighting = await ended(runtime, task.handle, timeout=5)
    assert (sighting.exit_code, sighting.stop_code) in {(143, "Stopped"), (143, "UserInitiated")}
    assert json.loads(await runtime.collect(task.handle) or b"")["code"] == "CANCELLED"


async def test_stop_returns_before_the_task_is_dead(runtime: Runtime, launch: Launch) -> None:
    task = await launch(run_for=20, ignores_stop=True)
    began = time.monotonic()
    await runtime.stop(task.handle, grace_s=0.3)
    assert time.monotonic() - began < 0.25
    assert (await ended(runtime, task.handle, timeout=3)).exit_code in {137, 143}


async def test_no_grace_ends_at_once(runtime: Runtime, launch: Launch) -> None:
    task = await launch(run_for=20, ignores_stop=True)
    await runtime.stop(task.handle, grace_s=0)
    assert (await ended(runtime, task.handle, timeout=2)).phase is Phase.STOPPED
    assert await runtime.collect(task.handle) is None


async def test_stopping_a_stopped_task_changes_nothing(runtime: Runtime, launch: Launch) -> None:
    task = await launch()
    before = await ended(runtime, task.handle)
    await runtime.stop(task.handle, grace_s=0)
    assert await look(runtime, task.handle) == before
    assert await runtime.collect(task.handle)


async def test_a_cleaned_task_is_missing(runtime: Runtime, launch: Launch) -> None:
    task = await launch()
    await ended(runtime, task.handle)
    await runtime.cleanup(task.handle)
    assert (await look(runtime, task.handle)).phase is Phase.MISSING
    assert await runtime.collect(task.handle) is None
    await runtime.cleanup(task.handle)
    await runtime.stop(task.handle, grace_s=0)


async def test_cleanup_ends_what_still_runs(runtime: Runtime, launch: Launch) -> None:
    task = await launch(run_for=20)
    await runtime.cleanup(task.handle)
    assert (await look(runtime, task.handle)).phase is Phase.MISSING


async def test_the_watcher_hears_of_an_end_at_once(runtime: Runtime, launch: Launch) -> None:
    heard: list[Handle] = []
    runtime.watch(heard.append)
    task = await launch(run_for=0.2)
    await until(lambda: task.handle in heard, timeout=5)
    assert (await look(runtime, task.handle)).phase is Phase.STOPPED


async def test_a_new_runtime_adopts_a_running_task(world: World, runtime: Runtime, launch: Launch) -> None:
    task = await launch(run_for=3)  # longer than it takes to open a runtime on a machine under load
    await runtime.aclose()
    later = await world.open()
    try:
        heard: list[Handle] = []
        later.watch(heard.append)
        assert (await look(later, task.handle)).phase is Phase.RUNNING
        await until(lambda: task.handle in heard, timeout=20)
        assert (await look(later, task.handle)).exit_code == 0
        assert json.loads(await later.collect(task.handle) or b"")["response"] == "done"
    finally:
        await later.cleanup(task.handle)
        await later.aclose()


async def test_a_new_runtime_finds_a_task_that_ended_in_between(world: World, runtime: Runtime, launch: Launch) -> None:
    task = await launch(fails=True)
    await ended(runtime, task.handle)
    await runtime.aclose()
    later = await world.open()
    try:
        assert (await look(later, task.handle)).exit_code == 1
        assert json.loads(await later.collect(task.handle) or b"")["code"] == "AGENT_EXCEPTION"
    finally:
        await later.cleanup(task.handle)
        await later.aclose()


async def test_a_new_runtime_can_stop_an_adopted_task(world: World, runtime: Runtime, launch: Launch) -> None:
    task = await launch(run_for=20)
    await runtime.aclose()
    later = await world.open()
    try:
        await later.stop(task.handle, grace_s=5)
        assert (await ended(later, task.handle, timeout=5)).exit_code == 143
    finally:
        await later.cleanup(task.handle)
        await later.aclose()


async def test_a_launch_whose_handle_was_lost_is_stopped_by_what_was_ordered(world: World, runtime: Runtime) -> None:
    spec = world.spec(Behaviour(run_for=20))
    task = await runtime.launch(spec)
    await runtime.aclose()
    later = await world.open()
    try:
        handle = later.handle_of(spec)
        await later.stop(handle, grace_s=0)
        await later.cleanup(handle)
        assert (await ended(later, task.handle, timeout=5)).phase in {Phase.STOPPED, Phase.MISSING}
    finally:
        await later.cleanup(task.handle)
        await later.aclose()


async def _is(runtime: Runtime, handle: Handle, phase: Phase) -> bool:
    return (await look(runtime, handle)).phase is phase
