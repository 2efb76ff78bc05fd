"""The process runtime: tasks as sandboxed processes of this machine, one folder each.

All memory is on disk (task_folder.py), written in an order that allows a crash after any instruction; what is
held here only saves looking again. A task with requirements installs first and runs then: `inspect` takes the
step between the two, and `changed` asks for that look as soon as it is due.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Sequence
from typing import Final, Self

import structlog

from services.orchestrator.ports import (
    Alive,
    Handle,
    Launched,
    LaunchFailed,
    LaunchUnsettled,
    Phase,
    Sighting,
    TaskSpec,
)
from services.orchestrator.runtimes import stopping
from services.orchestrator.runtimes.ending import Ending
from services.orchestrator.runtimes.host import Host, survey
from services.orchestrator.runtimes.memory_shortage import out_of_memory
from services.orchestrator.runtimes.options import ProcessOptions
from services.orchestrator.runtimes.processes import ExitWatch, Life, life
from services.orchestrator.runtimes.pruning import prune, remove_orphaned_groups
from services.orchestrator.runtimes.remembered_task import RememberedTask
from services.orchestrator.runtimes.sighting import STOPPED_BEFORE_START, of_ended, too_large
from services.orchestrator.runtimes.steps import Steps, last_started
from services.orchestrator.runtimes.task_folder import OUTPUT, RUN, STAGES, Plan, Record, Stage, TaskFolder
from shared.domain.failure import FailureCode

log = structlog.get_logger(__name__)

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_EXIT_CODE_S: Final = 1.0  # how long an exit code may be on its way from a process that has ended
_RETRY_S: Final = 0.02
_LOOK_S: Final = 5.0  # within which a look follows on a call of `changed`
_SPARES_END_S: Final = 1.0  # tidying removes what takes longer
_RUNNING: Final = Sighting(Phase.RUNNING)
_PENDING: Final = Sighting(Phase.PENDING)
_MISSING: Final = Sighting(Phase.MISSING, stop_reason="the task's folder is gone")


class ProcessRuntime:
    """Runs tasks as sandboxed processes. Made by `open`."""

    name = "process"
    tidy_s = 600.0
    gives_secrets = True

    def __init__(self, host: Host) -> None:
        self.host = host
        self._steps = Steps(host)
        self._ending = Ending(host, self._steps)
        self._tasks: dict[str, RememberedTask] = {}
        self._changed: list[Callable[[Handle], None]] = []
        host.launcher.replaced = self._clear_up_after_fork_server

    @classmethod
    async def open(cls, options: ProcessOptions) -> Self:
        """Looks at the machine and starts. Raises Unfit where it does not allow what the options demand."""
        return cls(await survey(options))

    # --- the port

    async def launch(self, spec: TaskSpec) -> Launched:
        """Starts the task or its installation, unless its folder says that this was done before."""
        if not _TOKEN.fullmatch(spec.launch_token):
            raise LaunchFailed(FailureCode.INTERNAL, "a launch token is made of letters, digits, - and _")
        task = self._task(spec.launch_token)
        try:
            async with task.lock:
                plan = self._steps.plan(spec)
                if not task.folder.is_begun:
                    await self._steps.check(plan)
                    self._steps.hand_over(task.folder, await self._steps.with_secrets(spec), plan)
                await self._step(task, plan)
        except (LaunchFailed, OSError) as error:
            taken_back = await self._take_back(task)
            if isinstance(error, LaunchFailed):
                raise
            failed = LaunchFailed if taken_back else LaunchUnsettled
            raise failed(FailureCode.TASK_START_FAILED, _words_of(error)) from error
        source = {"kind": "file", "host": self.host.name, "path": task.folder / OUTPUT}
        return Launched(_handle(task), source)

    async def inspect(self, handles: Sequence[Handle]) -> Sequence[Sighting]:
        """Looks at each task, and takes the step from its installation to its run where that is due."""
        return [await self._look(self._of(handle)) for handle in handles]

    async def collect(self, handle: Handle) -> bytes | None:
        """The result of the run, or of an installation that failed."""
        folder = self._of(handle).folder
        for stage in STAGES:
            if result := folder.result(stage):
                try:
                    values = json.loads(result)
                except ValueError:  # not all of it yet
                    return None
                return result if "outcome" in values else None
        return None

    async def collect_outputs(self, handle: Handle) -> bytes | None:
        """What stands behind the result of the run."""
        return await asyncio.to_thread(self._of(handle).folder.outputs, RUN)

    async def stop(self, handle: Handle, *, grace_s: float) -> None:
        """SIGTERM to the harness, after `grace_s` seconds SIGKILL to everything; nothing more is started."""
        task = self._of(handle)
        task.folder.ask_stop()
        loop = asyncio.get_running_loop()
        if last_started(task.folder) is None:
            loop.call_soon(self._tell, task)
        self._ending.press(task, loop.time() + grace_s)

    async def cleanup(self, handle: Handle) -> None:
        """Removes everything but the output; ends what still runs."""
        task = self._of(handle)
        async with task.lock:
            for stage in STAGES:
                if record := task.folder.record(stage):
                    await self._ending.end(task, stage, record)
            task.let_go()
            self._steps.network_over(task.token, unused=False)
            if task.folder.read_plan() or not self.host.bwrap:
                await asyncio.to_thread(self._steps.forget, task.token)
            task.folder.clear()
        self._release(task)
        self._tasks.pop(task.token, None)

    def watch(self, changed: Callable[[Handle], None]) -> None:
        """`changed` is called when a task has ended and when its next step is due: answer with `inspect`."""
        self._changed.append(changed)

    async def aclose(self) -> None:
        """Lets go. Tasks run on; the next runtime on the same folder finds them."""
        for task in self._tasks.values():
            task.let_go()
        self._tasks.clear()
        if self.host.networks:
            self.host.networks.close()
        self.host.launcher.close()

    def handle_of(self, spec: TaskSpec) -> Handle:
        """The token is all there is to it."""
        return {"runtime": self.name, "token": spec.launch_token}

    def ends_soon(self, handle: Handle) -> None:
        """We see the end of a process as soon as it is there."""

    async def tidy(self, alive: Alive) -> None:  # noqa: ARG002 - a task of this machine is never found without its folder
        """Removes outputs and environments that have not been used for as long as the options say."""
        options = self.host.options
        await self.prune(outputs_s=options.keep_outputs_s, environments_s=options.keep_environments_s)

    # --- beyond the port

    async def prune(self, *, outputs_s: float, environments_s: float) -> None:
        """Removes outputs of cleaned tasks that are older, and environments unused for longer, than so many seconds."""
        environments = self._steps.environments
        await asyncio.to_thread(prune, self.host, environments, outputs_s=outputs_s, environments_s=environments_s)

    async def _take_back(self, task: RememberedTask) -> bool:
        taken_back = await self._ending.take_back(task)
        if taken_back:
            self._tasks.pop(task.token, None)
        return taken_back

    # --- looking

    def _task(self, token: str) -> RememberedTask:
        task = self._tasks.get(token)
        if task is None:
            task = self._tasks[token] = RememberedTask(token, TaskFolder(f"{self.host.root}/tasks/{token}"))
        return task

    def _of(self, handle: Handle) -> RememberedTask:
        return self._task(str(handle["token"]))

    async def _look(self, task: RememberedTask) -> Sighting:
        if task.watch:
            return _RUNNING
        if task.ended:
            return task.ended
        if plan := task.folder.read_plan():
            async with task.lock:
                try:
                    await self._step(task, plan)
                except (LaunchFailed, OSError) as error:  # the next look tries again
                    log.warning("next_step_failed", launch_token=task.token, error=str(error))
        last = last_started(task.folder)
        if last is None:
            return self._not_started(task)
        if task.watch is None:
            self._begin_watch(task, *last)
        return _RUNNING if task.watch else self._ended(task, *last)

    def _not_started(self, task: RememberedTask) -> Sighting:
        if task.folder.has_context(RUN):
            return STOPPED_BEFORE_START if task.folder.stop_asked else _PENDING
        self._tasks.pop(task.token, None)
        return _MISSING

    def _ended(self, task: RememberedTask, stage: Stage, record: Record) -> Sighting:
        status = task.folder.status(stage)
        exit_code = status.get("exit-code")
        if exit_code is None and self._exit_code_may_come(task, record):
            return _RUNNING
        self._steps.network_over(task.token, unused=exit_code is not None)
        if not record.sandboxed or exit_code is None:
            stopping.kill_rest(record)
        task.ended = of_ended(
            exit_code=exit_code,
            out_of_memory=exit_code != 0 and _was_short(task.folder, stage, record),
            stop_asked=task.folder.stop_asked,
            same_boot=record.process.boot == self.host.boot,
            complaint=task.folder.complaint(stage) if exit_code not in {0, 1} else "",
        )
        if stage is not RUN and task.folder.was_too_large:
            task.ended = too_large(task.ended, self.host.options.build_disk_mib)
        self._release(task)
        return task.ended

    def _exit_code_may_come(self, task: RememberedTask, record: Record) -> bool:
        """Whether the process has ended a moment ago and its parent has not been there yet."""
        if life(record.process, boot=self.host.boot) is not Life.ZOMBIE:
            return False
        task.unreaped_since = task.unreaped_since or time.monotonic()
        return time.monotonic() - task.unreaped_since < _EXIT_CODE_S

    # --- going on

    async def _step(self, task: RememberedTask, plan: Plan) -> None:
        """Starts what is due, and watches what was started."""
        if task.watch or self._must_wait(task, plan):
            return
        started = await self._steps.take(task.token, task.folder, plan)
        last = last_started(task.folder)
        if last is None:
            task.waits_for = None if started else plan.environment
            return
        stage, record = last
        if stage is RUN:
            self._release(task)
        else:
            task.installs = plan.environment
        self._begin_watch(task, stage, record)
        if task.watch is None:
            self._steps.network_over(task.token, unused=False)
        if task.watch is None and stage is RUN:  # it has ended already, and no pidfd will tell
            asyncio.get_running_loop().call_soon(self._tell, task)

    def _must_wait(self, task: RememberedTask, plan: Plan) -> bool:
        """Whether another task that we know is installing the same: no use in asking for the lock then."""
        if plan.environment is None or last_started(task.folder):
            return False
        if any(other.installs == plan.environment for other in self._tasks.values()):
            task.waits_for = plan.environment
            return True
        return False

    def _release(self, task: RememberedTask) -> None:
        """The installation is over, well or not: those who wait for it can go on."""
        environment, task.installs = task.installs, None
        if environment is not None:
            for other in [*self._tasks.values()]:
                if other.waits_for == environment:
                    other.waits_for = None
                    self._tell(other)

    def _begin_watch(self, task: RememberedTask, stage: Stage, record: Record) -> None:
        task.watch = ExitWatch.on(record.process, boot=self.host.boot, ended=lambda: self._process_ended(task, record))
        if task.watch and stage is not RUN and task.disk is None:
            task.disk = self._steps.disk_watch(task.token, task.folder, stage, record)

    def _process_ended(self, task: RememberedTask, record: Record) -> None:
        task.watch = None
        if task.disk:
            task.disk.close()
            task.disk = None
        last = last_started(task.folder)
        over = last is None or "exit-code" in task.folder.status(last[0])
        if not over and self._exit_code_may_come(task, record):
            asyncio.get_running_loop().call_later(_RETRY_S, self._process_ended, task, record)
        else:
            self._steps.network_over(task.token, unused=over)
            self._tell(task)
            if task.installs:  # who waits for it must not depend on somebody's looking at this one
                asyncio.get_running_loop().call_later(_LOOK_S, self._release, task)

    def _tell(self, task: RememberedTask) -> None:
        for changed in self._changed:
            changed(_handle(task))

    # --- ending

    async def _clear_up_after_fork_server(self) -> None:
        """Removes the cgroups of processes that the killed one kept ready: they end by themselves, in a moment."""
        until = time.monotonic() + _SPARES_END_S
        while not await asyncio.to_thread(remove_orphaned_groups, self.host):
            if time.monotonic() >= until:
                return
            await asyncio.sleep(_RETRY_S)


def _words_of(error: OSError) -> str:
    """What the system said, or one of us."""
    if not error.strerror:
        return str(error) or type(error).__name__
    return f"{error.strerror}: {error.filename}" if error.filename else error.strerror


def _was_short(folder: TaskFolder, stage: Stage, record: Record) -> bool:
    # The fork server removes the cgroup after it has written down what was in it: so this order misses nothing.
    return out_of_memory(record.cgroups) or folder.status(stage).get("out-of-memory") is True


def _handle(task: RememberedTask) -> Handle:
    return {"runtime": ProcessRuntime.name, "token": task.token}
