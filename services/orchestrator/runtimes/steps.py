"""The way of a task through its stages: installing from wheels, else building, then running. Decides what is due
and starts it.

Reads the state from the task's folder every time, so any runtime on the same folder can take the next step.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import structlog

from services.orchestrator.ports import LaunchFailed, TaskSpec
from services.orchestrator.runtimes import stopping
from services.orchestrator.runtimes.context import going_on
from services.orchestrator.runtimes.disk_use import used
from services.orchestrator.runtimes.disk_watch import DiskWatch
from services.orchestrator.runtimes.egress.line import NoNetwork
from services.orchestrator.runtimes.egress.networks import Network, Networks
from services.orchestrator.runtimes.egress.ruleset import is_denied
from services.orchestrator.runtimes.egress.urls import of_url, of_urls
from services.orchestrator.runtimes.environments import Environments
from services.orchestrator.runtimes.host import Host
from services.orchestrator.runtimes.launcher import Busy, Failed, LauncherFailed, Order
from services.orchestrator.runtimes.orders import Orders
from services.orchestrator.runtimes.processes import Life, life
from services.orchestrator.runtimes.programs import PackagesMissing
from services.orchestrator.runtimes.system_view import View
from services.orchestrator.runtimes.task_folder import BUILD, RUN, STAGES, WHEELS, Plan, Record, Stage, TaskFolder
from shared.domain.destinations import Destination, named, parse, refused
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
        self._networks: dict[str, Network] = {}

    def plan(self, spec: TaskSpec) -> Plan:
        """What must be known of a task beyond its context."""
        return Plan(
            self.environments.key(spec.requirements),
            spec.memory_mib,
            spec.cpu,
            spec.network,
            spec.system_packages,
            spec.user_id,
            self._reached(spec),
        )

    def _reached(self, spec: TaskSpec) -> tuple[str, ...]:
        """What it reaches beside the internet: what it asks for, and its model. One with a name may well be on the
        internet; any other asks for a permission like the test itself."""
        if not spec.network or self._host.networks is None:
            return ()
        model = of_url(spec.model_url) if spec.model_url else None
        if model is None or (not is_denied(model) and refused([model], self._host.options.allow_hosts)):
            return spec.allow_hosts
        return tuple(dict.fromkeys([*spec.allow_hosts, str(model)]))

    async def check(self, plan: Plan) -> None:
        """Raises LaunchFailed where this machine lacks what the task needs, before anything is done for it."""
        if not_permitted := refused(list(map(parse, plan.allow_hosts)), self._host.options.allow_hosts):
            raise LaunchFailed(FailureCode.HOST_NOT_ALLOWED, not_allowed(not_permitted))
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

    async def with_secrets(self, spec: TaskSpec) -> TaskSpec:
        """The spec with the values of its secrets, which are on their way to the agent from here on. Raises
        LaunchFailed."""
        if not spec.secret_refs:
            return spec
        if self._host.shares_our_user:
            raise LaunchFailed(
                FailureCode.CREDENTIALS_INVALID,
                "Tests run without a sandbox on this machine and as the same user as Assay, so every agent could read "
                "all secrets: its operator has to install bubblewrap first.",
            )
        secrets = self._host.options.secrets
        values = await asyncio.to_thread(secrets.read, spec.secret_refs, spec.user_id)
        return replace(spec, env={**(spec.env or {}), **values})

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
        order = await self._order(token, folder, plan, stage)
        if self._host.networks is None or not (plan.network or stage is not RUN):
            return await self._start(folder, stage, order)
        return await self._start_connected(token, folder, plan, stage, order, self._host.networks)

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

    async def _start_connected(
        self, token: str, folder: TaskFolder, plan: Plan, stage: Stage, order: Order, networks: Networks
    ) -> bool:
        """The same in a network of its own; that of an installation reaches where the operator has it install from."""
        hosts, within = self._opened_for(plan, stage)
        try:
            network = await networks.take(hosts, within)
        except NoNetwork as error:
            raise LaunchFailed(FailureCode.TASK_START_FAILED, f"No network for the test: {error}") from error
        self._networks[token] = network
        started = False
        try:
            order = replace(order, net=network.net, life=network.life, userns=network.userns)
            started = await self._start(folder, stage, order) and folder.record(stage) is not None
        finally:
            if not started:
                self.network_over(token, unused=False)
        return started

    def _opened_for(self, plan: Plan, stage: Stage) -> tuple[list[Destination], list[Destination]]:
        """What a network must be opened for beyond what all reach: hosts that the operator named, and what lies within
        ranges that they named."""
        options = self._host.options
        if stage is not RUN:
            wanted = of_urls(options.build_env.values())
            return [one for one in wanted if not named(one, options.egress_allow)], []
        wanted = tuple(map(parse, plan.allow_hosts))
        hosts = [one for one in wanted if named(one, options.allow_hosts) and not named(one, options.egress_allow)]
        within = [one for one in wanted if not named(one, options.allow_hosts) and refused([one], options.egress_allow)]
        return hosts, within

    def network_over(self, token: str, *, unused: bool) -> None:
        """Gives back the network of a task, if it has one; `unused` where it is certain that nothing of it lives."""
        network = self._networks.pop(token, None)
        if network is not None and self._host.networks is not None:
            self._host.networks.give_back(network, unused=unused)

    def disk_watch(self, token: str, folder: TaskFolder, stage: Stage, record: Record) -> DiskWatch:
        """Ends an installation that takes too much of the disk. What the user's cache had before does not count."""
        staging = self.environments.staging(token)
        plan = folder.read_plan()
        cache = self._host.caches.of(plan.user).path if stage is WHEELS and plan else None
        before: list[int] = []

        limit = self._host.options.build_disk_mib << 20

        def measure() -> int:
            kept = 0 if cache is None else used([cache], ())
            before.append(kept)
            return used([staging], record.cgroups, enough=limit) + max(0, kept - before[0])

        def free() -> int:
            disk = os.statvfs(self._host.root)
            return disk.f_bavail * disk.f_frsize

        def exceeded() -> None:
            log.warning("installation_too_large", launch_token=token, limit_mib=self._host.options.build_disk_mib)
            folder.note_too_large()
            stopping.kill(record, folder.status(stage))

        return DiskWatch(measure, free, limit=limit, exceeded=exceeded)

    def forget(self, token: str) -> None:
        """Removes what a task has left outside its folder."""
        self.environments.discard(token)
        self._orders.remove_work_folder(token)


def not_allowed(hosts: Sequence[Destination]) -> str:
    """What is said of hosts that nothing permits."""
    names = ", ".join(map(str, hosts))
    return (
        f"Tests may not reach {names} here. The operator permits it with ASSAY_PROCESS_ALLOW_HOSTS={names}, for tests "
        "that ask for it, or ASSAY_PROCESS_EGRESS_ALLOW, for all."
    )


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
