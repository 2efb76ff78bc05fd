"""The ecs runtime: tasks are containers on AWS Fargate, their contexts and results objects in S3.

Beside the port it has loops of its own: looking at tasks has its own pace, whatever the pace of who asks (watcher.py),
and what is to be stopped is stopped however long AWS does not listen (stops.py). What is in memory is a picture; ECS
and S3 have everything, so another orchestrator can take over at any moment.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Final, Self

import structlog

from services.orchestrator.ports import Alive, Handle, Launched, LaunchFailed, Phase, Sighting, TaskSpec
from services.orchestrator.runtimes.ecs.checks import check, ensure_logs
from services.orchestrator.runtimes.ecs.feed import Feed
from services.orchestrator.runtimes.ecs.launcher import Launcher
from services.orchestrator.runtimes.ecs.options import EcsOptions
from services.orchestrator.runtimes.ecs.orphans import Orphans
from services.orchestrator.runtimes.ecs.pace import FED_S, Pace
from services.orchestrator.runtimes.ecs.picture import Known, Picture
from services.orchestrator.runtimes.ecs.results import Results
from services.orchestrator.runtimes.ecs.secrets import Secrets
from services.orchestrator.runtimes.ecs.sighting import NO_LOG_GROUP, UNWANTED
from services.orchestrator.runtimes.ecs.stops import Stops
from services.orchestrator.runtimes.ecs.task import RUNTIME, EcsTask, is_ours, stream_of
from services.orchestrator.runtimes.ecs.watcher import Watcher
from shared.aws.connect import Aws
from shared.aws.ecs import Ecs
from shared.aws.objects import Objects
from shared.background import background, every
from shared.clock import Clock

log = structlog.get_logger()

REMEMBERED: Final = 10_000
"""How many cleaned tasks are remembered as such."""
LOGS_CHECK_S: Final = 5.0


class EcsRuntime:
    """Runs tasks on Fargate. Made by `open`."""

    name = RUNTIME
    tidy_s = 60.0
    gives_secrets = True

    def __init__(self, aws: Aws, options: EcsOptions, clock: Clock) -> None:
        self._aws = aws
        self._options = options
        self._clock = clock
        self._ecs = Ecs(aws, options.cluster)
        self._objects = Objects(aws, options.bucket)
        self._results = Results(self._objects)
        secrets = Secrets(aws, options.secret_prefix)
        self._launcher = Launcher(aws, self._ecs, self._objects, secrets, options, clock)
        self._picture = Picture()
        self._stops = Stops(self._ecs, self._picture, clock)
        self._watcher = Watcher(
            self._ecs,
            self._picture,
            self._results,
            self._stops,
            clock,
            pace=options.pace or (Pace(calm_s=FED_S) if options.events_queue_url else Pace()),
            start_timeout=timedelta(seconds=options.start_timeout_s),
            broken=self._look_for_log_group,
        )
        self._orphans = Orphans(self._ecs, self._stops, options, clock)
        self._cleaned: OrderedDict[str, None] = OrderedDict()
        self._log_group_lost = False
        self._stack = AsyncExitStack()
        self._closed = False

    @classmethod
    async def open(cls, aws: Aws, options: EcsOptions, clock: Clock) -> Self:
        """The runtime, ready to launch. Raises NotReady where AWS is not set up for it."""
        runtime = cls(aws, options, clock)
        await check(aws, runtime._ecs, runtime._objects, options)
        feed = Feed(aws, options.events_queue_url, runtime._watcher.take) if options.events_queue_url else None
        await runtime._stack.enter_async_context(
            background(
                runtime._watcher.run(),
                runtime._watcher.upkeep(),
                runtime._watcher.fetch_answers(),
                runtime._stops.run(),
                every(LOGS_CHECK_S, "log_group_check", runtime._restore_log_group),
                *([feed.run()] if feed else []),
            )
        )
        return runtime

    async def launch(self, spec: TaskSpec) -> Launched:
        """Starts the task or finds it started."""
        try:
            task, answer = await self._launcher.launch(spec)
        except LaunchFailed:  # nobody will clean up behind it
            await self._results.remove(EcsTask.planned(spec, self._options, self._clock.now()))
            raise
        self._picture.launched(task, answer, _now())
        self._watcher.wake()
        return Launched(
            task.handle,
            {
                "kind": "cloudwatch",
                "region": self._options.region,
                "group": self._options.log_group,
                "stream": stream_of(task.arn),
            },
        )

    def handle_of(self, spec: TaskSpec) -> Handle:
        """Without an ARN: by what the task was started by, it is found."""
        return EcsTask.planned(spec, self._options, self._clock.now()).handle

    async def inspect(self, handles: Sequence[Handle]) -> Sequence[Sighting]:
        """What the picture shows. Calls nobody, but waits for the first look at a task that is not in it."""
        now = _now()
        tasks = [EcsTask.of(handle) if is_ours(handle) else None for handle in handles]
        known = [None if task is None or task.arn in self._cleaned else self._picture.ask(task, now) for task in tasks]
        await self._watcher.first_look([one for one in known if one is not None])
        return [Sighting(Phase.MISSING) if one is None else one.sighting for one in known]

    async def collect(self, handle: Handle) -> bytes | None:
        """The result object. Raises AwsError."""
        if not is_ours(handle):
            return None
        task = EcsTask.of(handle)
        if task.arn in self._cleaned:
            return None
        known = self._picture.get(task.arn)
        if known is not None and known.result is not None:
            return known.result
        return await self._results.fetch(task)

    async def collect_outputs(self, handle: Handle) -> bytes | None:
        """What stands behind the result. Raises AwsError."""
        return await self._results.outputs(EcsTask.of(handle)) if is_ours(handle) else None

    async def stop(self, handle: Handle, *, grace_s: float) -> None:  # noqa: ARG002 - ECS has its own: stopTimeout
        """Has the task stopped. Returns at once: the call is made, and made again, in the background."""
        if not is_ours(handle):
            return
        task = EcsTask.of(handle)
        known = self._picture.get(task.arn)
        if task.arn in self._cleaned or (known is not None and known.over):
            return
        self._stops.add(task, UNWANTED)

    async def cleanup(self, handle: Handle) -> None:
        """Deletes context and result, and ends what still runs."""
        if not is_ours(handle):
            return
        task = EcsTask.of(handle)
        if self._closed or (task.arn and task.arn in self._cleaned):
            return
        known = self._picture.release(task.arn, _now())
        self._watcher.wake()
        if known is None or not known.over:
            self._stops.add(task, UNWANTED)
        if task.arn:
            self._cleaned[task.arn] = None
            if len(self._cleaned) > REMEMBERED:
                self._cleaned.popitem(last=False)
        await self._results.remove(task)

    def watch(self, changed: Callable[[Handle], None]) -> None:
        """`changed` is called when a task is seen to have ended, or its answer is there."""
        self._watcher.tell(changed)

    def ends_soon(self, handle: Handle) -> None:
        """Looks for the answer, and looks more often."""
        if is_ours(handle):
            self._watcher.is_done(EcsTask.of(handle))

    async def tidy(self, alive: Alive) -> None:
        """Stops tasks of ours that no test owns."""
        await self._orphans.sweep(alive)

    async def aclose(self) -> None:
        """Lets go. Tasks run on."""
        self._closed = True
        await self._stack.aclose()
        self._aws.close()

    def _look_for_log_group(self, known: Known) -> None:
        if NO_LOG_GROUP in (known.sighting.stop_reason or "").lower():
            self._log_group_lost = True

    async def _restore_log_group(self) -> None:
        """Somebody has deleted the log group, and no task starts without: makes it anew."""
        if self._log_group_lost:
            await ensure_logs(self._aws, self._options)
            self._log_group_lost = False


def _now() -> float:
    return asyncio.get_running_loop().time()
