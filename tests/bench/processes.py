"""What processes use, from /proc: memory by process, CPU time by kind of process.

A task is not our descendant and its cgroup is gone when it ends, but the fork server waits for it: what its children
used is in the fork server's own account (proc(5), stat fields 16 and 17), with everything below bubblewrap.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Self

_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")


class Members(NamedTuple):
    """The processes of one local mode."""

    services: list[int]
    fork_server: list[int]
    """it and the processes that it keeps ready"""
    mongod: list[int]
    nats_server: list[int]


def members(main: int, servers: dict[str, int], fork_server_log: Path) -> Members:
    """`servers`: pids by name. The fork server leaves its family; it is known by the file that it complains into."""
    children = [pid for pid in _pids() if (fields := _stat(pid)) and int(fields[1]) == main]
    return Members(
        services=[main, *(pid for pid in children if pid not in servers.values())],
        fork_server=complaining_into(fork_server_log),
        mongod=[servers["mongod"]] if "mongod" in servers else [],
        nats_server=[servers["nats-server"]] if "nats-server" in servers else [],
    )


def complaining_into(log: Path) -> list[int]:
    """The fork server and the processes that it keeps ready, in the order in which they came."""
    return sorted(pid for pid in _pids() if _link(pid, 2) == str(log.resolve()))


class Memory(NamedTuple):
    """In MiB."""

    rss: float
    pss: float
    """shared pages divided among those who share them"""


def memory(pids: list[int]) -> Memory:
    """Of all these processes together."""
    rss = pss = 0
    for pid in pids:
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "Rss":
                rss += int(value.split()[0])
            elif name == "Pss":
                pss += int(value.split()[0])
    return Memory(rss / 1024, pss / 1024)


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU time in seconds up to now, user and system."""

    at: float
    services: float
    mongod: float
    nats_server: float
    sandboxes: float
    client: float
    machine: float
    """of everybody, `steal` included: what others took from us counts as theirs"""

    @classmethod
    def now(cls, who: Members) -> Self:
        forked = [_cpu_s(pid) for pid in who.fork_server]
        # The processes that wait are the children of the first one.
        return cls(
            at=time.monotonic(),
            services=sum(_cpu_s(pid)[0] for pid in who.services) + (forked[0][0] if forked else 0.0),
            mongod=sum(_cpu_s(pid)[0] for pid in who.mongod),
            nats_server=sum(_cpu_s(pid)[0] for pid in who.nats_server),
            sandboxes=forked[0][1] if forked else 0.0,
            client=_own_cpu_s(),
            machine=_machine_cpu_s(),
        )

    def since(self, before: Self) -> Cpu:
        """What was used between two looks; `at` is the time between them."""
        return Cpu(**{name: getattr(self, name) - getattr(before, name) for name in self.__slots__})

    @property
    def others(self) -> float:
        """How many processors the rest of the machine used all the while."""
        ours = self.services + self.mongod + self.nats_server + self.sandboxes + self.client
        return max(0.0, self.machine - ours) / self.at


def wait_for_end(pids: list[int], within_s: float) -> bool:
    """Whether none of these processes lives any more."""
    until = time.monotonic() + within_s
    while any(_stat(pid) for pid in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal())


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat from the third on; None when it is gone or a zombie."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields


def _link(pid: int, descriptor: int) -> str:
    try:
        return str((_PROC / str(pid) / "fd" / str(descriptor)).readlink())
    except OSError:
        return ""


def _cpu_s(pid: int) -> tuple[float, float]:
    """What it used itself, and what those used that it has waited for."""
    fields = _stat(pid)
    if fields is None:
        return 0.0, 0.0
    user, system, their_user, their_system = map(int, fields[11:15])
    return (user + system) * _TICK_S, (their_user + their_system) * _TICK_S


def _own_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _machine_cpu_s() -> float:
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(
        int, (_PROC / "stat").read_text().splitlines()[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) * _TICK_S
