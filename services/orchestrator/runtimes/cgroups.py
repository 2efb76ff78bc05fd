"""Limits that the kernel enforces on a task as a whole: memory, processes, processor time.

Knows cgroup v1 and v2 and where this process may make groups; the fork server makes a task's group and enters
it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

from services.orchestrator.runtimes.kernel import write

# The longest that the kernel takes. What a task may use in a second it may use at once: a start of 100 ms is not cut
# into pieces, as with the usual 100 ms, where a quarter of a processor stands still for 75 of them.
_CPU_PERIOD_US: Final = 1_000_000
_BURST: Final = "cpu.cfs_burst_us"
_BURST_2: Final = "cpu.max.burst"
_SHARES_OF_ONE: Final = 1024  # version 1: what a process outside of groups counts as
_WEIGHT_OF_ONE: Final = 100  # version 2: what a group counts as by default
_ALL_TASKS: Final = float(os.cpu_count() or 1)
"""What all tasks together count as where somebody else wants a processor, too: on each one as much as one process of
the services, however many threads they have. Less would starve them on a machine that does other work besides."""
_BASE: Final = "assay"
_SOCKETS: Final = "memory.kmem.tcp.limit_in_bytes"


class Unavailable(Exception):
    """Groups cannot be made here; the message says why."""


class Mount(NamedTuple):
    """One mounted hierarchy."""

    point: Path
    root: str
    """which part of the hierarchy is seen at the mount point"""
    version: Literal[1, 2]
    controllers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Cgroups:
    """Where groups of tasks are made: one parent folder per hierarchy."""

    version: Literal[1, 2]
    parents: Mapping[str, Path]
    limits_swap: bool
    limits_sockets: bool = False
    """version 1 only, where what TCP connections hold counts apart; version 2 counts it as memory"""
    bursts: bool = False
    """whether processor time that was not used can be kept for later (Linux 5.14)"""

    def folders(self) -> list[str]:
        """The parents, in the order of `values`."""
        return [str(folder) for folder in dict.fromkeys(self.parents.values())]

    @property
    def shares_cpu(self) -> bool:
        """Whether processor time is given out by weight, and can be limited."""
        return "cpu" in self.parents

    def values(
        self, *, memory_mib: int, processes: int, cpu: float = 1.0, cpu_quota: bool = False
    ) -> list[dict[str, str]]:
        """What is to be written into the group of one task, per parent. `cpu` is in vCPU: its share where processors
        are short, and with `cpu_quota` the most that it gets."""
        memory = str(memory_mib << 20)
        quota = str(max(1000, int(cpu * _CPU_PERIOD_US))) if cpu_quota else ""
        if self.version == 2:
            values = {"memory.max": memory, "pids.max": str(processes)}
            if self.limits_swap:
                values["memory.swap.max"] = "0"
            if self.shares_cpu:
                values["cpu.weight"] = _weight(cpu)
                if quota:
                    values["cpu.max"] = f"{quota} {_CPU_PERIOD_US}"
                    values |= {_BURST_2: quota} if self.bursts else {}
            return [values]
        by_controller = {
            "memory": {"memory.limit_in_bytes": memory},
            "pids": {"pids.max": str(processes)},
            "cpu": {"cpu.shares": _shares(cpu)},
        }
        if quota:
            by_controller["cpu"] |= {"cpu.cfs_period_us": str(_CPU_PERIOD_US), "cpu.cfs_quota_us": quota}
            by_controller["cpu"] |= {_BURST: quota} if self.bursts else {}
        if self.limits_swap:
            by_controller["memory"]["memory.memsw.limit_in_bytes"] = memory
        if self.limits_sockets:
            by_controller["memory"][_SOCKETS] = memory
        return [by_controller[name] for name in self.parents]


def available(*, cpu: bool) -> Cgroups:
    """Finds where groups can be made, and tries it. Raises Unavailable."""
    wanted = ["memory", "pids", *(["cpu"] if cpu else [])]
    mounts = parse_mounts(Path("/proc/self/mountinfo").read_text())
    own = parse_membership(Path("/proc/self/cgroup").read_text())
    reasons = []
    for attempt in (_version_1, _version_2):
        try:
            found = attempt(mounts, own, wanted)
            _try(found)
        except (Unavailable, OSError) as error:
            reasons.append(str(error))
        else:
            return found
    raise Unavailable("; ".join(reasons))


def parse_mounts(mountinfo: str) -> list[Mount]:
    """The cgroup hierarchies among the mounts (proc_pid_mountinfo(5))."""
    found = []
    for line in mountinfo.splitlines():
        front, _, back = line.partition(" - ")
        kind, _, options = back.split(" ", 2)
        point = Path(re.sub(r"\\(\d{3})", lambda m: chr(int(m[1], 8)), front.split()[4]))
        if kind == "cgroup":
            found.append(Mount(point, front.split()[3], 1, frozenset(options.split(","))))
        elif kind == "cgroup2":
            found.append(Mount(point, front.split()[3], 2, frozenset()))
    return found


def parse_membership(text: str) -> dict[str, str]:
    """In which group this process is, per controller; the key of version 2 is empty."""
    own = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            own[controller] = path
    return own


def _shares(cpu: float) -> str:
    return str(max(2, int(cpu * _SHARES_OF_ONE)))


def _weight(cpu: float) -> str:
    return str(min(10_000, max(1, int(cpu * _WEIGHT_OF_ONE))))


def _candidates(mount: Mount, path: str) -> list[Path]:
    """Below our own group, so that limits on us hold for our tasks too; else at the top."""
    inside = path.removeprefix(mount.root.rstrip("/")).strip("/")
    return [mount.point / inside, mount.point] if inside else [mount.point]


def _version_1(mounts: Sequence[Mount], own: Mapping[str, str], wanted: Sequence[str]) -> Cgroups:
    parents: dict[str, Path] = {}
    for controller in wanted:
        hierarchies = [mount for mount in mounts if mount.version == 1 and controller in mount.controllers]
        for candidate in (c for mount in hierarchies for c in _candidates(mount, own.get(controller, "/"))):
            try:
                (candidate / _BASE).mkdir(exist_ok=True)
            except OSError:
                continue
            parents[controller] = candidate / _BASE
            break
        else:
            raise Unavailable(f"no writable cgroup v1 hierarchy for {controller}")
    swap = (parents["memory"] / "memory.memsw.limit_in_bytes").exists()
    sockets = _takes(parents["memory"] / _SOCKETS, "-1")
    bursts = False
    if "cpu" in parents:
        write(parents["cpu"] / "cpu.shares", _shares(_ALL_TASKS))
        bursts = (parents["cpu"] / _BURST).exists()
    return Cgroups(1, parents, swap, sockets, bursts)


def _version_2(mounts: Sequence[Mount], own: Mapping[str, str], wanted: Sequence[str]) -> Cgroups:
    reason = "cgroup v2 is not mounted"
    for mount in mounts:
        if mount.version != 2:
            continue
        missing = set(wanted) - set((mount.point / "cgroup.controllers").read_text().split())
        if missing:
            reason = f"cgroup v2 does not offer {' and '.join(sorted(missing))} here"
            continue
        for candidate in _candidates(mount, own.get("", "/")):
            try:
                _delegate(candidate, wanted, may_move=candidate == mount.point)
                base = candidate / _BASE
                base.mkdir(exist_ok=True)
                write(base / "cgroup.subtree_control", " ".join(f"+{name}" for name in wanted))
                if "cpu" in wanted:
                    write(base / "cpu.weight", _weight(_ALL_TASKS))
            except OSError as error:
                reason = f"cgroup v2 at {candidate}: {error.strerror}"
            else:
                swap, bursts = (base / "memory.swap.max").exists(), (base / _BURST_2).exists()
                return Cgroups(2, dict.fromkeys(wanted, base), swap, bursts=bursts)
    raise Unavailable(reason)


def _delegate(group: Path, wanted: Sequence[str], *, may_move: bool) -> None:
    """Hands the controllers down to the groups below. A group with processes of its own may not do that, except the
    real root; at the top of a container's view they are moved into a leaf first, as systemd and Docker do."""
    if set(wanted) <= set((group / "cgroup.subtree_control").read_text().split()):
        return
    order = " ".join(f"+{name}" for name in wanted)
    try:
        write(group / "cgroup.subtree_control", order)
    except OSError as error:
        if error.errno != errno.EBUSY or not may_move:
            raise
        leaf = group / f"{_BASE}-services"
        leaf.mkdir(exist_ok=True)
        for pid in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                write(leaf / "cgroup.procs", pid)
        write(group / "cgroup.subtree_control", order)


def _try(groups: Cgroups) -> None:
    """A group can be made and limited. Leaves nothing behind."""
    trials = [Path(parent, f"trial-{os.getpid()}") for parent in groups.folders()]
    try:
        for trial, values in zip(trials, groups.values(memory_mib=64, processes=16, cpu_quota=True), strict=True):
            trial.mkdir(exist_ok=True)
            for name, value in values.items():
                write(trial / name, value)
    finally:
        remove([str(trial) for trial in trials])


def members(folders: Iterable[str]) -> set[int]:
    """The processes in these groups, as far as there are such groups."""
    pids: set[int] = set()
    for folder in folders:
        with contextlib.suppress(OSError):
            pids.update(map(int, Path(folder, "cgroup.procs").read_text().split()))
    return pids


def kill_all(folders: Sequence[str]) -> bool:
    """Kills what is in the group. True when nothing was left to kill: repeat until then."""
    pids = members(folders)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return not pids


def remove(folders: Sequence[str]) -> bool:
    """Removes groups. False while a process of one is still on its way out."""
    removed = True
    for folder in folders:
        try:
            os.rmdir(folder)  # noqa: PTH106 - several for every task
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            removed = False
    return removed


def _takes(path: Path, value: str) -> bool:
    """Whether there is such a control file, and it can be written."""
    try:
        write(path, value)
    except OSError:
        return False
    return True
