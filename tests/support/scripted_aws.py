"""The ecs runtime on a scripted AWS, in the time of the loop: with real threads on a common loop, or all at once."""

from __future__ import annotations

import asyncio
import functools
import json
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

from services.orchestrator.ports import Handle, Phase, Sighting, TaskSpec
from services.orchestrator.runtimes.ecs.options import EcsOptions
from services.orchestrator.runtimes.ecs.runtime import EcsRuntime
from shared.aws.connect import Aws
from shared.aws.settings import AwsSettings
from shared.clock import Clock
from shared.ids import TestId, UserId
from tests.support.fakes.scripted_ecs import ScriptedCloud
from tests.support.instant import InstantLoop, LoopClock

Parameters = ParamSpec("Parameters")
T = TypeVar("T")

OPTIONS = EcsOptions(
    cluster="tests",
    subnets=("subnet-1",),
    image="runner:1",
    execution_role="arn:aws:iam::123456789012:role/execution",
    region="eu-central-1",
    bucket="bucket",
)


class InlineLoop(InstantLoop):
    """Does work for threads on the spot, so that nothing happens behind the clock's back."""

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - handed to who awaits it
            done.set_exception(error)
        return done


def in_no_time(test: Callable[Parameters, Coroutine[Any, Any, None]]) -> Callable[Parameters, None]:
    """Makes an async test one that runs on such a loop."""

    @functools.wraps(test)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        with asyncio.Runner(loop_factory=InlineLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


def scripted_aws(cloud: ScriptedCloud, **settings: Any) -> Aws:
    """A way to AWS that leads to `cloud`."""
    made = {"aws_region": "eu-central-1", "aws_bucket": "bucket", **settings}
    aws = Aws(AwsSettings(**made))
    cloud.attach(aws)
    return aws


class Scene:
    """One cloud, and as many orchestrators on it as it takes."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or LoopClock()
        self.cloud = ScriptedCloud(self.clock)

    @asynccontextmanager
    async def runtime(self, **changes: Any) -> AsyncIterator[EcsRuntime]:
        runtime = await self.open(**changes)
        try:
            yield runtime
        finally:
            await runtime.aclose()

    async def open(self, **changes: Any) -> EcsRuntime:
        return await EcsRuntime.open(scripted_aws(self.cloud), replace(OPTIONS, **changes), self.clock)

    def spec(self, *, attempt: int = 1, **script: Any) -> TaskSpec:
        """A task that does what the script says; with fields of the spec as `spec_...`."""
        changes = {name.removeprefix("spec_"): script.pop(name) for name in list(script) if name.startswith("spec_")}
        token = uuid.uuid4().hex
        made = TaskSpec(
            test_id=TestId(f"tst_{token}"),
            attempt=attempt,
            user_id=UserId("alice"),
            launch_token=token,
            nonce=f"nonce-{token}",
            agent_code=json.dumps(script),
            query="",
            begun_at=self.clock.now(),
        )
        return replace(made, **changes)


async def look(runtime: EcsRuntime, handle: Handle) -> Sighting:
    """One task, seen once."""
    (sighting,) = await runtime.inspect([handle])
    return sighting


async def ending(runtime: EcsRuntime, handle: Handle, *, within_s: float = 60.0) -> Sighting:
    """The task, seen at its end, by somebody who asks every second as the orchestrator does."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        sighting = await look(runtime, handle)
        if sighting.phase in {Phase.STOPPED, Phase.MISSING}:
            return sighting
        assert loop.time() - began < within_s, f"not over within {within_s} s: {sighting}"
        await asyncio.sleep(1)
