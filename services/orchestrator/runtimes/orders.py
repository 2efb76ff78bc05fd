"""What exactly is started for a task: the context that the harness reads and the order that the fork server
carries out.

Values in, values out; whether and when something is started is process.py's decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue

from services.orchestrator.ports import TaskSpec
from services.orchestrator.runtimes import context, sandbox
from services.orchestrator.runtimes.environments import Environments
from services.orchestrator.runtimes.host import Host
from services.orchestrator.runtimes.launcher import Order
from services.orchestrator.runtimes.removal import remove_tree
from services.orchestrator.runtimes.system_view import PYTHON_FOLDER, View
from services.orchestrator.runtimes.task_folder import BUILD, CONTENTS, OUTPUT, RUN, WHEELS, Plan, Stage, TaskFolder

_NO_CORE: Final = 1
"""Not 0: with that the kernel goes on to start the machine's own program for dumps, as root, wherever core_pattern is a
pipe (Linux: fs/coredump.c)."""
_LARGEST_FILE: Final = 1 << 30  # far above what the harness writes; a bound for what must never happen
_LARGEST_INSTALLED_FILE: Final = 8 << 30


class Orders:
    """Turns specs and plans into contexts and orders for this machine."""

    def __init__(self, host: Host, environments: Environments) -> None:
        self._host = host
        self._environments = environments

    def contexts(self, spec: TaskSpec, plan: Plan) -> dict[Stage, dict[str, Any]]:
        """What the harness will read at each stage that this task may go through."""
        base = context.envelope(spec) | {
            "result_fd": sandbox.RESULT_FD,
            "query": "",
            "env": {},
            "python": None,
            "env_dir": None,
        }
        run = {
            **base,
            **context.archives(spec),
            "contents_fd": sandbox.CONTENTS_FD if spec.contents else None,
            "mode": "run",
            "files": context.files(spec),
            "query": context.query(spec),
            "env": dict(spec.env or {}),
            "timeout_s": spec.timeout_s,
            "max_processes": self._host.options.processes,
        }
        if plan.environment is None:
            return {RUN: run}
        run |= self._places(str(self._seen_environment(plan.environment)))
        # No code of the agent's and none of its secrets: the installer runs what packages bring along.
        build = {
            **base,
            "mode": "build",
            "files": {"agent.py": "", "requirements.txt": context.requirements_file(spec)},
            "timeout_s": self._host.options.build_timeout_s,
        }
        build |= self._places(str(self._host.launcher.seen(self._environments.staging(spec.launch_token) / "env")))
        return {RUN: run, WHEELS: {**build, "from_source": "never"}, BUILD: {**build, "from_source": "at_once"}}

    def run(self, token: str, folder: TaskFolder, plan: Plan, view: View) -> Order:
        """Runs the agent."""
        environment = None if plan.environment is None else self._seen_environment(plan.environment)
        room = sandbox.Room(
            view=self._host.launcher.seen(view.folder),
            shared=view.shared,
            hidden=view.hidden,
            memory_mib=plan.memory_mib,
            network=plan.network,
            environment=environment,
        )
        order = self._order(token, folder, RUN, room, view.harness, cpu=plan.cpu)
        if plan.environment is not None and (group := self._environments.group(plan.environment)) is not None:
            order = replace(order, groups=(group,))
        if self._host.bwrap is None:
            order = replace(order, gives=(str(self._work_folder(token)),))
        return order

    def build(self, token: str, folder: TaskFolder, plan: Plan, stage: Stage, view: View) -> Order:
        """Installs the requirements: WHEELS with the cache of the test's user, where no code of a package runs;
        BUILD with a cache that is thrown away, because packages may be built from source, and that runs their code.

        Both see all programs of this machine, for a build needs a compiler."""
        assert plan.environment is not None
        staging = self._environments.staging(token)
        cache, uid = (staging / "cache", None) if stage is BUILD else self._host.caches.of(plan.user)
        room = sandbox.Room(
            view=self._host.launcher.seen(view.folder),
            memory_mib=self._host.options.build_memory_mib,
            network=True,
            environment=self._host.launcher.seen(staging / "env"),
            environment_writable=True,
            cache=self._host.launcher.seen(cache),
            tools=None if self._host.uv is None else self._host.launcher.seen(self._host.uv),
        )
        lock, unless = self._environments.lock(plan.environment), self._environments.path(plan.environment)
        order = self._order(token, folder, stage, room, view.harness, lock=str(lock), unless=str(unless))
        gives = [staging, staging / "env", staging / "cache"]
        if self._host.bwrap is None:
            gives.append(self._work_folder(token))
        order = replace(order, gives=tuple(map(str, gives)))
        return order if uid is None else replace(order, uid=uid, uids=None)

    def make_work_folder(self, token: str) -> None:
        """The agent's folder where there is no sandbox to bring one along."""
        if self._host.bwrap is None:
            self._work_folder(token).mkdir(mode=0o700, exist_ok=True)

    def remove_work_folder(self, token: str) -> None:
        """Undoes make_work_folder."""
        if self._host.bwrap is None:
            remove_tree(self._work_folder(token))

    def _work_folder(self, token: str) -> Path:
        return self._host.root / "work" / token

    def _order(
        self,
        token: str,
        folder: TaskFolder,
        stage: Stage,
        room: sandbox.Room,
        harness: str,
        *,
        cpu: float | None = None,
        lock: str = "",
        unless: str = "",
    ) -> Order:
        host, options = self._host, self._host.options
        processes = options.processes if stage is RUN else options.build_processes
        limits = {
            "RLIMIT_CORE": _NO_CORE,
            "RLIMIT_NOFILE": options.open_files,
            "RLIMIT_FSIZE": _LARGEST_FILE if stage is RUN else _LARGEST_INSTALLED_FILE,
        }
        values: list[dict[str, str]] = []
        if host.groups:
            values = host.groups.values(
                memory_mib=room.memory_mib,
                processes=processes + 2,  # bubblewrap and the harness are not the agent's
                cpu=cpu or 1.0,
                cpu_quota=options.cpu_quota and cpu is not None,
            )
        else:
            limits["RLIMIT_AS"] = room.memory_mib << 20
            if host.uids is not None:  # else it would count what else runs under our user
                limits["RLIMIT_NPROC"] = processes + 2
        calls = str(host.filter or "")
        room = replace(room, filtered=bool(calls), ptys=host.ptys and host.launcher.seen(host.ptys))
        argv, env, work = self._program(token, room, harness, build=stage is not RUN)
        facts: dict[str, JsonValue] = {
            "boot": host.boot,
            "sandboxed": host.bwrap is not None,
        }
        return Order(
            record=folder / stage.record,
            context=folder / stage.context,
            contents=folder / CONTENTS if stage is RUN and folder.has_contents else "",
            output=folder / OUTPUT,
            errors=folder / stage.errors,
            result=folder / stage.result,
            status=folder / stage.status,
            argv=argv,
            env=env,
            facts=facts,
            cgroup_values=values,
            limits=limits,
            uids=host.uids,
            filter=calls if host.bwrap else "",
            confine="" if host.bwrap else calls,
            nice=options.nice,
            folder=work,
            lock=lock,
            unless=unless,
            write_exit_code=host.bwrap is None,
        )

    def _program(
        self, token: str, room: sandbox.Room, harness: str, *, build: bool
    ) -> tuple[list[str], Mapping[str, str], str]:
        """What becomes of the new process, with which environment, and in which folder."""
        env = sandbox.variables(build=build)
        if build:
            env |= self._host.options.build_env
        python = [self._host.interpreter, "-S", "-I"]
        if self._host.bwrap:
            return sandbox.command(self._host.bwrap, room, [*python, harness]), env, ""
        work = str(self._host.launcher.seen(self._work_folder(token)))
        ca = str(room.view) + sandbox.CA_BUNDLE
        env |= {"HOME": work, "TMPDIR": work, "PATH": f"{room.view}{PYTHON_FOLDER}:{env['PATH']}"}
        env |= {name: ca for name in env if env[name] == sandbox.CA_BUNDLE}
        if build:
            env |= {"PATH": f"{room.tools}:{env['PATH']}", "UV_CACHE_DIR": str(room.cache)}
        return [*python, str(room.view) + harness], env, work

    def _places(self, environment: str) -> dict[str, Any]:
        folder = sandbox.ENVIRONMENT if self._host.bwrap else environment
        return {"env_dir": folder, "python": f"{folder}/bin/python"}

    def _seen_environment(self, key: str) -> Path:
        return self._host.launcher.seen(self._environments.path(key))
