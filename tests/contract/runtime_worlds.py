"""The runtimes as their contract sees them: how to open one, and how to say what a task should do."""

from __future__ import annotations

import json
import textwrap
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from services.orchestrator.ports import Handle, Launched, Phase, Runtime, Sighting, TaskSpec
from services.orchestrator.runtimes.ecs.pace import Pace
from services.orchestrator.runtimes.options import Isolation, ProcessOptions
from services.orchestrator.runtimes.process import ProcessRuntime
from services.orchestrator.runtimes.scripted import ScriptedRuntime
from shared.clock import SystemClock
from shared.ids import TestId, UserId
from tests.support.scripted_aws import Scene
from tests.support.until import until


@dataclass(frozen=True)
class Behaviour:
    """What a task of the contract does."""

    run_for: float = 0.0
    lines: int = 1
    fails: bool = False
    ignores_stop: bool = False
    leaves: Mapping[str, str] = field(default_factory=dict)


def spec(**changes: Any) -> TaskSpec:
    """A task that answers at once, with a token of its own."""
    token = uuid.uuid4().hex
    base = TaskSpec(
        test_id=TestId(f"tst_{token}"),
        attempt=1,
        user_id=UserId("alice"),
        launch_token=token,
        nonce=f"nonce-{token}",
        agent_code="def run(query):\n    return query\n",
        query="hello",
        timeout_s=30,
        memory_mib=256,
        network=False,
    )
    if "agent_code" in changes:
        changes["agent_code"] = textwrap.dedent(changes["agent_code"])
    return replace(base, **changes)


class World(Protocol):
    """One implementation, with a place of its own."""

    async def open(self) -> Runtime:
        """A runtime on this place: another one each time, as after a restart."""
        ...

    def spec(self, behaviour: Behaviour) -> TaskSpec: ...


class ScriptedWorld:
    """Tasks that are scripts."""

    async def open(self) -> Runtime:
        return ScriptedRuntime(SystemClock())

    def spec(self, behaviour: Behaviour) -> TaskSpec:
        script = {
            "run_for": behaviour.run_for,
            "lines": behaviour.lines,
            "code": "AGENT_EXCEPTION" if behaviour.fails else None,
            "exit_code": 1 if behaviour.fails else 0,
            "ignores_stop": behaviour.ignores_stop,
            "outputs": dict(behaviour.leaves),
        }
        return spec(env={"ASSAY_SCRIPT": json.dumps(script)})


@dataclass
class ProcessWorld:
    """Tasks that are processes below a folder."""

    root: Path
    isolation: Isolation = Isolation.REQUIRED
    opened: list[ProcessRuntime] = field(default_factory=list)

    async def open(self) -> ProcessRuntime:
        runtime = await ProcessRuntime.open(ProcessOptions(root=self.root, isolation=self.isolation))
        self.opened.append(runtime)
        return runtime

    def spec(self, behaviour: Behaviour) -> TaskSpec:
        return spec(
            agent_code=f"""
                import os, signal, time
                def run(query):
                    if {behaviour.ignores_stop}:
                        signal.signal(signal.SIGTERM, signal.SIG_IGN)
                    for number in range({behaviour.lines}):
                        print("line", number + 1)
                    time.sleep({behaviour.run_for})
                    for path, text in {dict(behaviour.leaves)}.items():
                        os.makedirs(os.path.dirname("out/" + path), exist_ok=True)
                        with open("out/" + path, "w") as file:
                            file.write(text)
                    if {behaviour.fails}:
                        raise ValueError("as told")
                    return "done"
            """
        )


@dataclass
class EcsWorld:
    """Tasks in a scripted AWS, whose time is the machine's: looked at more often than AWS would like."""

    scene: Scene = field(default_factory=lambda: Scene(SystemClock()))

    async def open(self) -> Runtime:
        return await self.scene.open(pace=Pace(hot_s=0.1, calm_s=0.1))

    def spec(self, behaviour: Behaviour) -> TaskSpec:
        return self.scene.spec(
            run_for=behaviour.run_for,
            lines=behaviour.lines,
            fails=behaviour.fails,
            ignores_stop=behaviour.ignores_stop,
            stop_timeout=0.3,
            leaves=behaviour.leaves,
        )


@asynccontextmanager
async def closing(runtime: Runtime, handles: Iterable[Handle] = ()) -> AsyncIterator[None]:
    """Leaves nothing of these tasks behind."""
    try:
        yield
    finally:
        for handle in handles:
            await runtime.cleanup(handle)
        await runtime.aclose()


async def look(runtime: Runtime, handle: Handle) -> Sighting:
    """One task, seen once."""
    (sighting,) = await runtime.inspect([handle])
    return sighting


async def ended(runtime: Runtime, handle: Handle, *, timeout: float = 10.0) -> Sighting:
    """The task, seen at its end."""

    async def stopped() -> Sighting | None:
        sighting = await look(runtime, handle)
        return sighting if sighting.phase in {Phase.STOPPED, Phase.MISSING} else None

    found: Sighting | None = await until(stopped, timeout=timeout, what="the end of the task")
    assert found is not None
    return found


async def answer(runtime: Runtime, task: TaskSpec, *, timeout: float = 20.0) -> Any:
    """The response of a task that ends well; cleaned up afterwards."""
    launched = await runtime.launch(task)
    try:
        sighting = await ended(runtime, launched.handle, timeout=timeout)
        values = json.loads(await runtime.collect(launched.handle) or b"{}")
        assert values.get("outcome") == "success", (sighting, values)
        return values["response"]
    finally:
        await runtime.cleanup(launched.handle)


def output(launched: Launched) -> list[dict[str, Any]]:
    """The lines and marks that a process task has written so far."""
    path = Path(str(launched.log_source["path"]))
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def marks(launched: Launched) -> list[str]:
    """The names of the marks among them."""
    return [entry["mark"] for entry in output(launched) if "mark" in entry]
