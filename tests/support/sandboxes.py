"""What a process runtime has left on this machine: its fork servers, their sandboxes and cgroups.

Told apart from those of other runtimes by the work folder and by the identity of the fork server that made them.
"""

from __future__ import annotations

import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


class Sandboxes:
    """Everything that runs on behalf of one work folder. Look now and then: what has ended tells nothing any more."""

    def __init__(self, root: Path) -> None:
        self._log = str(root.resolve() / "forkserver.log")
        self._servers: set[str] = set()

    def look(self) -> None:
        """Remembers the fork servers of this moment."""
        for pid in _pids():
            if _is_forkserver(pid, self._log):
                self._servers.add(f"{pid}-{_start_time(pid)}")

    def servers(self) -> list[int]:
        """The fork servers of this moment."""
        return [
            int(pid)
            for pid in _pids()
            if _is_forkserver(pid, self._log) and not _is_forkserver(_parent(pid), self._log)
        ]

    def outermost(self) -> list[int]:
        """The outer process of each sandbox: bubblewrap, which everything in it ends with."""
        found = (one.split(" ", 1) for one in self.processes())
        return [int(pid) for pid, command in found if "bwrap" in command and not _is_bwrap(_parent(pid))]

    def processes(self) -> list[str]:
        """The processes of fork servers that were seen, themselves included, with their command lines."""
        self.look()
        found = []
        for pid in _pids():
            groups = _text(f"/proc/{pid}/cgroup")
            own = any(f"/assay/{server}-" in groups for server in self._servers)
            if own or f"{pid}-{_start_time(pid)}" in self._servers:
                found.append(f"{pid} {_text(f'/proc/{pid}/cmdline').replace(chr(0), ' ')[:120]}")
        return found

    def groups(self) -> list[str]:
        """The cgroups that those fork servers made and that are still there."""
        found = []
        for folder, inside, _ in os.walk(CGROUPS):  # which takes it lightly when a group disappears meanwhile
            if Path(folder).name == "assay":
                found += [
                    f"{folder}/{name}" for name in inside if name.startswith(tuple(f"{s}-" for s in self._servers))
                ]
                inside.clear()
        return found


def _pids() -> list[str]:
    return [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _is_forkserver(pid: str, log: str) -> bool:
    try:
        return str(Path(f"/proc/{pid}/fd/2").readlink()) == log and "runtimes.forkserver" in _text(
            f"/proc/{pid}/cmdline"
        )
    except OSError:
        return False


def _is_bwrap(pid: str) -> bool:
    return "bwrap" in _text(f"/proc/{pid}/cmdline").split("\0")[0]


def _parent(pid: str) -> str:
    stat = _text(f"/proc/{pid}/stat")
    return stat.rpartition(")")[2].split()[1] if stat else "0"


def _start_time(pid: str) -> str:
    stat = _text(f"/proc/{pid}/stat")
    return stat.rpartition(")")[2].split()[19] if stat else ""


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", errors="replace")
    except OSError:
        return ""
