"""A runtime whose tasks do what the test says, when it says so. Several runtimes may share one world of tasks, as
orchestrators share a cluster."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.orchestrator.ports import Alive, Handle, Launched, Phase, Sighting, TaskSpec
from shared.domain.files import join


@dataclass
class FakeTask:
    spec: TaskSpec
    sighting: Sighting = field(default_factory=lambda: Sighting(Phase.RUNNING))
    result: bytes | None = None
    outputs: bytes | None = None

    def answer(self, response: object = "done", **changes: Any) -> None:
        """The harness hands its result in, and the task ends."""
        fields = {"nonce": self.spec.nonce, "outcome": "success", "response": response, **changes}
        self.end(0, json.dumps(fields).encode())

    def leave(self, files: Mapping[str, bytes], *, outcome: str = "success", **changes: Any) -> None:
        """The same, with files in the output folder."""
        left = join(files)
        self.outputs = left.data
        self.answer(outcome=outcome, outputs=[file._asdict() for file in left.files], **changes)

    def end(self, exit_code: int, result: bytes | None = None) -> None:
        self.result = result
        self.sighting = Sighting(Phase.STOPPED, exit_code)


class TaskWorld:
    """Where the tasks are."""

    def __init__(self) -> None:
        self.tasks: dict[str, FakeTask] = {}
        self.stops: list[tuple[str, float]] = []
        self.cleaned: list[str] = []
        self.ending: list[str] = []


class FakeRuntime:
    """One orchestrator's way to the world."""

    name = "fake"
    tidy_s = 600.0
    gives_secrets = False

    def __init__(self, world: TaskWorld) -> None:
        self.world = world
        self.launches: list[TaskSpec] = []
        self.error: Exception | None = None
        self.before_launch, self.after_launch = asyncio.Event(), asyncio.Event()
        self.before_launch.set()
        self.after_launch.set()

    async def launch(self, spec: TaskSpec) -> Launched:
        self.launches.append(spec)
        await self.before_launch.wait()
        if self.error is not None:
            raise self.error
        self.world.tasks.setdefault(spec.launch_token, FakeTask(spec))
        await self.after_launch.wait()
        return Launched({"token": spec.launch_token}, {"kind": "none"})

    async def inspect(self, handles: Sequence[Handle]) -> Sequence[Sighting]:
        found = [self.world.tasks.get(str(handle["token"])) for handle in handles]
        return [task.sighting if task else Sighting(Phase.MISSING) for task in found]

    async def collect(self, handle: Handle) -> bytes | None:
        task = self.world.tasks.get(str(handle["token"]))
        return task.result if task else None

    async def collect_outputs(self, handle: Handle) -> bytes | None:
        task = self.world.tasks.get(str(handle["token"]))
        return task.outputs if task else None

    async def stop(self, handle: Handle, *, grace_s: float) -> None:
        self.world.stops.append((str(handle["token"]), grace_s))

    async def cleanup(self, handle: Handle) -> None:
        self.world.cleaned.append(str(handle["token"]))
        self.world.tasks.pop(str(handle["token"]), None)

    def handle_of(self, spec: TaskSpec) -> Handle:
        return {"token": spec.launch_token}

    def ends_soon(self, handle: Handle) -> None:
        self.world.ending.append(str(handle["token"]))

    async def tidy(self, alive: Alive) -> None:
        """Keeps nothing that could be in the way."""

    def watch(self, changed: Callable[[Handle], None]) -> None:
        """Gives no hints."""

    async def aclose(self) -> None:
        """Holds nothing."""
