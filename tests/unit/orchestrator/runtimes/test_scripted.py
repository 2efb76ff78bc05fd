import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.orchestrator.ports import LaunchFailed, Phase, TaskSpec
from services.orchestrator.runtimes.scripted import ScriptedRuntime
from shared.clock import ManualClock
from shared.domain.script import output
from shared.ids import TestId, UserId

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def runtime(clock: ManualClock) -> ScriptedRuntime:
    return ScriptedRuntime(clock)


@pytest.fixture
def later(clock: ManualClock) -> Callable[[float], None]:
    return lambda seconds: clock.advance(timedelta(seconds=seconds))


def spec(**script: Any) -> TaskSpec:
    return TaskSpec(
        test_id=TestId("tst_1"),
        attempt=1,
        user_id=UserId("alice"),
        launch_token="token",
        nonce="nonce",
        agent_code="",
        query="",
        env={"ASSAY_SCRIPT": json.dumps(script)},
        timeout_s=10,
    )


async def phase(runtime: ScriptedRuntime, handle: Any) -> Phase:
    return (await runtime.inspect([handle]))[0].phase


async def test_a_script_is_played_by_the_clock(runtime: ScriptedRuntime, later: Callable[[float], None]) -> None:
    task = await runtime.launch(spec(starts_after=2, build_for=1, run_for=4))
    assert await phase(runtime, task.handle) is Phase.PENDING
    later(2)
    assert await phase(runtime, task.handle) is Phase.RUNNING
    later(4.9)
    assert await phase(runtime, task.handle) is Phase.RUNNING
    assert await runtime.collect(task.handle) is None
    later(0.1)
    assert await phase(runtime, task.handle) is Phase.STOPPED
    assert json.loads(await runtime.collect(task.handle) or b"")["phases"] == {"build_ms": 1000, "run_ms": 4000}
    await runtime.aclose()


async def test_the_output_is_what_is_there_by_now(runtime: ScriptedRuntime) -> None:
    task = await runtime.launch(spec(build_for=1, run_for=4, lines=["one", "two", "three"]))
    began = START.timestamp()

    def seen(after: float) -> list[object]:
        entries = [json.loads(line) for line in output(task.log_source, began + after)]
        return [entry.get("mark", entry.get("text")) for entry in entries]

    assert seen(-1) == []
    assert seen(0) == ["building"]
    assert seen(1) == ["building", "running"]
    assert seen(2.5) == ["building", "running", "one"]
    assert seen(5) == ["building", "running", "one", "two", "three", "finished", "end"]
    last = [json.loads(line) for line in output(task.log_source, began + 9)][-1]
    assert (last["lines"], last["nonce"]) == (3, "nonce")
    await runtime.aclose()


@pytest.mark.parametrize(
    ("script", "after", "expected", "exit_code"),
    [
        pytest.param({"run_for": 1}, 1, Phase.STOPPED, 0, id="success"),
        pytest.param({"run_for": 1, "exit_code": 3}, 1, Phase.STOPPED, 3, id="exit code"),
        pytest.param({"run_for": 1, "code": "AGENT_EXCEPTION"}, 1, Phase.STOPPED, 1, id="failure with a result"),
        pytest.param({"run_for": 1, "out_of_memory": True}, 1, Phase.STOPPED, 137, id="out of memory"),
        pytest.param({"run_for": 99}, 10, Phase.STOPPED, 1, id="over the time limit"),
        pytest.param({"run_for": 1, "lost": True}, 1, Phase.MISSING, None, id="lost"),
        pytest.param({"never_starts": True}, 99, Phase.PENDING, None, id="never starts"),
    ],
)
async def test_every_end_can_be_scripted(
    runtime: ScriptedRuntime,
    later: Callable[[float], None],
    script: dict[str, Any],
    after: float,
    expected: Phase,
    exit_code: int | None,
) -> None:
    task = await runtime.launch(spec(**script))
    later(after)
    (sighting,) = await runtime.inspect([task.handle])
    assert (sighting.phase, sighting.exit_code) == (expected, exit_code)
    assert sighting.out_of_memory is bool(script.get("out_of_memory"))
    await runtime.aclose()


async def test_a_launch_can_fail_with_any_code(runtime: ScriptedRuntime) -> None:
    with pytest.raises(LaunchFailed) as failed:
        await runtime.launch(spec(start_error="CAPACITY_UNAVAILABLE"))
    assert failed.value.code == "CAPACITY_UNAVAILABLE"


async def test_a_script_with_a_slip_is_refused(runtime: ScriptedRuntime) -> None:
    with pytest.raises(LaunchFailed, match="ASSAY_SCRIPT"):
        await runtime.launch(spec(run_four=1))
