"""What this machine offers for running tasks, found out by trying it once at start, and said loudly where it is
too little.

Knows the tools (bubblewrap, cgroups, an interpreter, uv), nothing of single tasks.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import structlog

from services.orchestrator.runtimes import cgroups, processes, sandbox, seccomp
from services.orchestrator.runtimes.caches import Caches
from services.orchestrator.runtimes.egress.addresses import NAME_SERVER
from services.orchestrator.runtimes.egress.line import KeeperOptions, NoNetwork
from services.orchestrator.runtimes.egress.networks import Networks
from services.orchestrator.runtimes.launcher import Launcher, LauncherFailed, Order, Started
from services.orchestrator.runtimes.options import Isolation, NetworkMode, ProcessOptions
from services.orchestrator.runtimes.system_view import SystemView
from services.orchestrator.runtimes.task_folder import RUN, TaskFolder
from shared.errors import AssayError

log = structlog.get_logger(__name__)

_PTYS: Final = "ptys"
_FOLDERS: Final = {
    "tasks": 0o700,
    "trials": 0o700,
    "work": 0o711,
    "views": 0o711,
    "tools": 0o711,
    "cache": 0o711,
    _PTYS: 0o711,
}
_FILTER: Final = "calls.bpf"
_RUN: Final = Path("/run")
_UIDS: Final = "assay-uids.lock"
_WAYS_OUT: Final = (
    "Agents run shut in, or not at all (ASSAY_PROCESS_ISOLATION=required, the default). Give the machine what is "
    "missing; or, only where all agents are your own, set ASSAY_PROCESS_ISOLATION=auto to run them without"
)
_SHARED_NETWORK: Final = (
    "agents with network reach what this machine reaches: its own servers, the intranet, metadata addresses"
)
_ASK_VERSION: Final = "import sys, os; print(sys.implementation.cache_tag, *sys.version_info, os.uname().machine)"


class Unfit(AssayError):
    """The machine cannot run tasks in the way that the options demand."""


@dataclass(frozen=True, slots=True)
class Host:
    """The machine, as far as tasks need it."""

    options: ProcessOptions
    root: Path
    launcher: Launcher
    view: SystemView
    interpreter: str
    interpreter_version: str
    groups: cgroups.Cgroups | None = None
    """None: no limits by cgroup"""
    bwrap: str | None = None
    """None: no sandbox"""
    uv: Path | None = None
    """a folder with nothing but uv in it; None: the harness takes pip"""
    filter: Path | None = None
    """the filter of system calls; None: there is none for this machine"""
    ptys: Path | None = None
    """where the fork server mounts terminals with a limit; None when we may not mount"""
    networks: Networks | None = None
    """None: tests have the network of the machine"""
    boot: str = ""
    name: str = ""

    @property
    def uids(self) -> tuple[str, int, int] | None:
        """The users that tasks run under, each another one, and the locks that say which are taken: one file for all
        installations of this machine. None when we may not choose."""
        if os.geteuid() != 0:
            return None
        locks = (_RUN if os.access(_RUN, os.W_OK) else self.root) / _UIDS
        return str(locks), self.options.uid_base, self.options.uid_count

    @property
    def shares_our_user(self) -> bool:
        """Whether tasks run under the user of the services, with nothing between them and its files."""
        return self.bwrap is None and os.geteuid() != 0

    @property
    def caches(self) -> Caches:
        """Downloads of installations, those of each user apart, and written by a user id that no test has."""
        options = self.options
        uids = range(options.uid_base + options.uid_count, options.uid_base + 2 * options.uid_count)
        return Caches(self.root / "cache", uids if os.geteuid() == 0 else None)

    @property
    def environment_gids(self) -> range | None:
        """The groups that may look into environments; None when we may not choose."""
        options = self.options
        first = options.uid_base + 2 * options.uid_count
        return range(first, first + options.uid_count) if os.geteuid() == 0 else None


async def survey(options: ProcessOptions) -> Host:
    """Looks at the machine. Raises Unfit."""
    root = _folders(options)
    groups = _groups(options)
    interpreter, version = await asyncio.to_thread(_interpreter, options.interpreter)
    ptys = root / _PTYS if os.geteuid() == 0 and options.isolation is not Isolation.OFF else None
    launcher = Launcher(root, groups.folders() if groups else [], ptys)
    try:
        await launcher.open()
    except LauncherFailed as error:
        raise Unfit(str(error)) from error
    host = Host(
        options=options,
        root=root,
        launcher=launcher,
        view=SystemView(root / "views", os.environ, interpreter=interpreter),
        interpreter=interpreter,
        interpreter_version=version,
        groups=groups,
        uv=await asyncio.to_thread(_uv, root / "tools"),
        filter=_filter(root, options),
        ptys=ptys,
        boot=processes.boot_id(),
        name=socket.gethostname(),
    )
    if options.isolation is Isolation.OFF:
        return _without_sandbox(host, "switched off by the settings")
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return _without_sandbox(host, "bubblewrap is not installed (Debian and Ubuntu package: bubblewrap)")
    host = replace(host, bwrap=bwrap)
    problem = await _trial(host)
    if problem is not None:
        return _without_sandbox(replace(host, bwrap=None), problem)
    networks = await _networks(host)
    if networks:
        host.view.ask_names_at(NAME_SERVER)
    return replace(host, networks=networks)


def _folders(options: ProcessOptions) -> Path:
    """Makes the work folder. Others may pass through it to what sandboxes mount, and see nothing of it."""
    if not hasattr(os, "pidfd_open") or not Path("/proc/self/stat").exists():
        raise Unfit("the process runtime needs Linux 5.3 or later with /proc")
    root = options.root.resolve()
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o711)
    for name, mode in _FOLDERS.items():
        (root / name).mkdir(exist_ok=True)
        (root / name).chmod(mode)
    return root


def _filter(root: Path, options: ProcessOptions) -> Path | None:
    """Writes the filter of system calls. Raises Unfit where one is demanded and cannot be had."""
    if not seccomp.supported():
        reason = f"there is no filter of system calls for {os.uname().machine}"
        if options.isolation is Isolation.REQUIRED:
            raise Unfit(f"{reason}. {_WAYS_OUT}")
        log.warning("tasks_run_without_call_filter", reason=reason)
        return None
    path, staging = root / _FILTER, root / f".{_FILTER}-{os.getpid()}"
    staging.write_bytes(seccomp.program())
    staging.rename(path)
    return path


def _without_sandbox(host: Host, reason: str) -> Host:
    if host.options.isolation is Isolation.REQUIRED:
        host.launcher.close()
        raise Unfit(f"no sandbox: {reason}. {_WAYS_OUT}")
    log.warning(
        "tasks_run_without_sandbox",
        reason=reason,
        meaning="agents can read and reach whatever the user they run under can; run only agents that you trust",
        same_user_as_services=os.geteuid() != 0,
    )
    return host


def _groups(options: ProcessOptions) -> cgroups.Cgroups | None:
    try:
        if not options.cgroups:
            raise cgroups.Unavailable("switched off by the settings")
        try:
            return cgroups.available(cpu=True)
        except cgroups.Unavailable as error:
            groups = cgroups.available(cpu=False)
            log.warning(
                "tasks_run_without_cpu_limits",
                reason=str(error),
                meaning="agents that keep all processors busy slow the services down",
            )
            return groups
    except (cgroups.Unavailable, OSError) as error:
        if options.isolation is Isolation.REQUIRED:
            raise Unfit(f"no limits by cgroup: {error}. {_WAYS_OUT}") from error
        log.warning(
            "tasks_run_without_cgroups",
            reason=str(error),
            meaning="memory is limited per process, not per test; out of memory is told as MemoryError",
            processes_are_limited=os.geteuid() == 0,
        )
        return None


async def _networks(host: Host) -> Networks | None:
    """Networks of their own for tests; None where tests share the machine's. Raises Unfit."""
    options = host.options
    if options.network is NetworkMode.HOST:
        log.warning("tests_share_the_network", reason="switched off by the settings", meaning=_SHARED_NETWORK)
        return None
    keeper = KeeperOptions(
        log_file=host.root / "networks.log",
        uid=options.uid_base + 3 * options.uid_count if os.geteuid() == 0 else None,  # behind those of tasks and builds
        nice=options.nice,
        cgroup_parents=host.groups.folders() if host.groups else [],
    )
    networks = Networks(keeper, allowed=options.egress_allow)
    try:
        await networks.open()
    except NoNetwork as error:
        networks.close()
        if options.isolation is Isolation.REQUIRED:
            host.launcher.close()
            raise Unfit(
                f"no network namespaces for tests: {error}. Install slirp4netns and nftables, or set "
                "ASSAY_PROCESS_NETWORK=host, with which tests reach all that this machine reaches"
            ) from error
        log.warning("tests_share_the_network", reason=str(error), meaning=_SHARED_NETWORK)
        return None
    return networks


async def _trial(host: Host) -> str | None:
    """Makes one real sandbox. None when that went well, else what went wrong."""
    folder = TaskFolder(tempfile.mkdtemp(dir=host.root / "trials"))
    try:
        view = await asyncio.to_thread(host.view.current)
        seen = host.launcher.seen(view.folder)
        room = sandbox.Room(view=seen, memory_mib=64, network=False, shared=view.shared, hidden=view.hidden)
        room = replace(room, filtered=host.filter is not None, ptys=host.ptys and host.launcher.seen(host.ptys))
        folder.write_context(RUN, {})
        order = Order(
            record=folder / RUN.record,
            context=folder / RUN.context,
            output=folder / "output",
            errors=folder / RUN.errors,
            result=folder / RUN.result,
            status=folder / RUN.status,
            argv=sandbox.command(str(host.bwrap), room, ["/usr/bin/test", "-r", view.harness]),
            env=sandbox.variables(build=False),
            facts={"boot": host.boot, "sandboxed": True},
            cgroup_values=host.groups.values(memory_mib=64, processes=16) if host.groups else [],
            uids=host.uids,
            filter=str(host.filter or ""),
        )
        answer = await host.launcher.start(order)
        if not isinstance(answer, Started):
            return getattr(answer, "message", "it was not started")
        record = folder.record(RUN)
        assert record is not None
        ended = asyncio.Event()
        watch = processes.ExitWatch.on(record.process, boot=host.boot, ended=ended.set)
        if watch:
            await asyncio.wait_for(ended.wait(), 10)
        cgroups.remove(record.cgroups)
        code = folder.status(RUN).get("exit-code")
        return None if code == 0 else folder.complaint(RUN) or f"it ended with exit code {code}"
    except (LauncherFailed, OSError, TimeoutError) as error:
        return f"{type(error).__name__} {error}".strip()
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)


def _interpreter(wanted: str) -> tuple[str, str]:
    """A Python that tasks can see, and its version. A Python below a home folder is invisible in a sandbox."""
    for candidate in (wanted, "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            asked = subprocess.run(
                [candidate, "-S", "-I", "-c", _ASK_VERSION],
                check=True,
                capture_output=True,
                text=True,
                env={},
                timeout=30,
            )
        except (OSError, subprocess.SubprocessError):
            continue
        if candidate != wanted:
            log.warning("interpreter_not_found", wanted=wanted, taken=candidate)
        return candidate, asked.stdout.strip()
    raise Unfit(f"there is no Python for tasks at {wanted}")


def _uv(tools: Path) -> Path | None:
    """A copy of uv in a folder of its own, where a sandbox of another user can reach it."""
    try:
        found: str | None = importlib.import_module("uv").find_uv_bin()
    except (ImportError, OSError):
        found = shutil.which("uv")
    if found is None:
        return None
    facts = Path(found).stat()
    folder = tools / f"uv-{facts.st_size}-{facts.st_mtime_ns}"
    if not (folder / "uv").exists():
        staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=tools))
        shutil.copyfile(found, staging / "uv")
        (staging / "uv").chmod(0o755)
        staging.chmod(0o755)
        try:
            staging.rename(folder)
        except OSError:  # another replica was faster
            shutil.rmtree(staging)
    return folder
