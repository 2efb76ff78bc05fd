"""The way of a task through its stages: installing from wheels, else building, then running. Decides what is due
and starts it.

Reads the state from the task's folder every time, so any runtime on the same folder can take the next step.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import structlog

from services.orchestrator.ports import LaunchFailed, TaskSpec
from services.orchestrator.runtimes.context import going_on
from services.orchestrator.runtimes.environments import Environments
from services.orchestrator.runtimes.host import Host
from services.orchestrator.runtimes.launcher import Busy, Failed, LauncherFailed, Order
from services.orchestrator.runtimes.orders import Orders
from services.orchestrator.runtimes.processes import Life, life
from services.orchestrator.runtimes.programs import PackagesMissing
from services.orchestrator.runtimes.system_view import View
from services.orchestrator.runtimes.task_folder import BUILD, RUN, STAGES, WHEELS, Plan, Record, Stage, TaskFolder
from shared.domain.failure import FailureCode

log = structlog.get_logger(__name__)


class Steps:
    """Takes tasks from one stage to the next."""

    def __init__(self, host: Host) -> None:
        self._host = host
        mode = "sandbox" if host.bwrap else "plain"
        self.environments = Environments(
            host.root / "environments", interpreter=f"{host.interpreter_version} {mode}", gids=host.environment_gids
        )
        self._orders = Orders(host, self.environments)

    def plan(self, spec: TaskSpec) -> Plan:
        """What must be known of a task beyond its context."""
        return Plan(
            self.environments.key(spec.requirements),
            spec.memory_mib,
            spec.cpu,
            spec.network,
            spec.system_packages,
            spec.user_id,
        )

    async def check(self, plan: Plan) -> None:
        """Raises LaunchFailed where this machine lacks what the task needs, before anything is done for it."""
        if plan.system_packages:
            await self._view(plan.system_packages)

    async def _view(self, packages: tuple[str, ...]) -> View:
        """The system view with these packages' programs. Raises LaunchFailed."""
        view = self._host.view.ready(packages)
        if view is not None:
            return view
        try:
            return await asyncio.to_thread(self._host.view.current, packages)
        except PackagesMissing as missing:
            raise LaunchFailed(FailureCode.SYSTEM_PACKAGE_MISSING, without(missing.names)) from None

    def hand_over(self, folder: TaskFolder, spec: TaskSpec, plan: Plan) -> None:
        """Writes down what is to be done. The plan comes last: with it the folder is complete."""
        folder.create()
        if spec.contents:
            folder.write_contents(spec.contents)
        for stage, context in self._orders.contexts(spec, plan).items():
            folder.write_context(stage, context)
        if plan.environment is not None:
            folder.write_plan(plan)

    def due(self, folder: TaskFolder, plan: Plan, last: tuple[Stage, Record] | None) -> Stage | None:
        """The stage that should start now; None when one is under way, or nothing is left to do."""
        if folder.stop_asked:
            return None
        if last is None:
            if not folder.has_context(RUN):
                return None  # cleaned up
            built = plan.environment is None or self.environments.find(plan.environment)
            return RUN if built else WHEELS
        stage, record = last
        if stage is RUN or life(record.process, boot=self._host.boot) is Life.ALIVE:
            return None
        report = _report(folder, stage)
        if report.get("ok") is True:
            return RUN
        return BUILD if stage is WHEELS and report.get("needs_source") is True else None

    async def take(self, token: str, folder: TaskFolder, plan: Plan) -> bool:
        """Starts what is due. False when the task has to wait for another one that installs the same.

        Raises LaunchFailed."""
        last = last_started(folder)
        stage = self.due(folder, plan, last)
        if stage is None:
            return True
        lines = 0
        if last is not None:
            lines = int(_report(folder, last[0]).get("lines", 0))
        if stage is RUN:
            await self._settle_environment(token, folder, plan)
        if lines:
            context = folder.read_context(stage)
            if context is not None:
                folder.write_context(stage, going_on(context, lines))
        return await self._start(folder, stage, await self._order(token, folder, plan, stage))

    async def _settle_environment(self, token: str, folder: TaskFolder, plan: Plan) -> None:
        """Publishes what this task has built, if it has built something."""
        if plan.environment is None or last_started(folder) is None:
            return
        path = await asyncio.to_thread(self.environments.publish, token, plan.environment)
        if path is None:
            raise LaunchFailed(FailureCode.TASK_START_FAILED, "the environment that was built is gone")

    async def _order(self, token: str, folder: TaskFolder, plan: Plan, stage: Stage) -> Order:
        if stage is not RUN:
            await asyncio.to_thread(self.environments.prepare, token)
        self._orders.make_work_folder(token)
        if stage is RUN:
            return self._orders.run(token, folder, plan, await self._view(plan.system_packages))
        return self._orders.build(token, folder, plan, stage, await self._view(()))

    async def _start(self, folder: TaskFolder, stage: Stage, order: Order) -> bool:
        try:
            answer = await self._host.launcher.start(order)
        except LauncherFailed as error:
            if folder.record(stage):
                return True
            raise LaunchFailed(FailureCode.TASK_START_FAILED, str(error)) from error
        if isinstance(answer, Failed):
            raise LaunchFailed(FailureCode.TASK_START_FAILED, answer.message)
        return not isinstance(answer, Busy)

    def forget(self, token: str) -> None:
        """Removes what a task has left outside its folder."""
        self.environments.discard(token)
        self._orders.remove_work_folder(token)


def without(packages: Sequence[str]) -> str:
    """What is said when a machine lacks Debian packages."""
    several = "s" if len(packages) > 1 else ""
    return (
        f"The machine that runs the tests lacks the Debian package{several} {', '.join(packages)}. "
        f"Its operator can install it there: apt-get install {' '.join(packages)}"
    )


def last_started(folder: TaskFolder) -> tuple[Stage, Record] | None:
    """The process of this task that was started last."""
    for stage in STAGES:
        if record := folder.record(stage):
            return stage, record
    return None


def _report(folder: TaskFolder, stage: Stage) -> dict[str, Any]:
    """What the installer said in the end; empty when it was cut short."""
    try:
        values: dict[str, Any] = json.loads(folder.result(stage) or b"{}")
    except ValueError:
        return {}
    return values
