"""Processes that are not our children: who they are, whether they live, when they end, and how to end them.

A pid alone says little, for pids are used again; pid, start time and boot id together name a process for good
(proc(5)). Knows /proc, pidfds and the event loop, nothing of sandboxes or tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

_OURS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors that say something about us and nothing about the process that we look at: it must not be taken for ended."""
_SIGTERM_BIT: Final = 1 << (signal.SIGTERM - 1)


class Life(Enum):
    """What has become of a process."""

    ALIVE = "alive"
    ZOMBIE = "zombie"
    """ended, and its parent has not asked for its exit code yet"""
    GONE = "gone"


class Identity(NamedTuple):
    """A process, named for good."""

    pid: int
    start: int
    """in clock ticks since boot"""
    boot: str


def boot_id() -> str:
    """Another one after every restart of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def life(process: Identity, *, boot: str) -> Life:
    """Whether the process still is, given the boot id of today. Raises OSError when we cannot look."""
    if process.boot != boot:
        return Life.GONE
    fields = _stat(process.pid)
    if fields is None or int(fields[19]) != process.start:
        return Life.GONE
    return Life.ZOMBIE if fields[0] in (b"Z", b"X") else Life.ALIVE


def parent_of(pid: int) -> int | None:
    """The pid of the parent, None when there is no such process."""
    fields = _stat(pid)
    return None if fields is None else int(fields[1])


def children_of(pid: int) -> list[int]:
    """The pids of the children of a process with one thread."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def takes_sigterm(pid: int) -> bool:
    """Whether the process has prepared for SIGTERM. Process 1 of a pid namespace loses one that comes before."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    masks = (line.split()[1] for line in status.splitlines() if line.startswith(("SigBlk:", "SigCgt:")))
    return any(int(mask, 16) & _SIGTERM_BIT for mask in masks)


def send(pid: int, number: signal.Signals, *, parent: int | None = None) -> bool:
    """Sends a signal to a process, or only to one with this parent: through a pidfd, so that nobody else can be hit."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if parent is not None and parent_of(pid) != parent:
            return False
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
    return True


class ExitWatch:
    """Calls back as soon as a process ends, whoever its parent is."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pidfd: int, ended: Callable[[], None]) -> None:
        self._loop = loop
        self._pidfd: int | None = pidfd
        self._ended = ended
        loop.add_reader(pidfd, self._fire)

    @classmethod
    def on(cls, process: Identity, *, boot: str, ended: Callable[[], None]) -> ExitWatch | None:
        """None when the process has ended already; nobody is called then. Raises OSError when we cannot look."""
        try:
            pidfd = os.pidfd_open(process.pid)
        except OSError as error:
            if error.errno in _OURS:
                raise
            return None
        try:
            # Asked after the pidfd is open: now the pid cannot change hands.
            lives = life(process, boot=boot) is Life.ALIVE
        except OSError:
            os.close(pidfd)
            raise
        if not lives:
            os.close(pidfd)
            return None
        return cls(asyncio.get_running_loop(), pidfd, ended)

    def close(self) -> None:
        """Watches no more."""
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            with contextlib.suppress(OSError):
                os.close(self._pidfd)
            self._pidfd = None

    def _fire(self) -> None:
        self.close()
        self._ended()


def _stat(pid: int) -> list[bytes] | None:
    """The fields of /proc/<pid>/stat from the third on."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError as error:
        if error.errno in _OURS:
            raise
        return None
    try:
        stat = os.read(fd, 1024)
    except OSError:
        return None
    finally:
        os.close(fd)
    return stat[stat.rindex(b")") + 2 :].split()
