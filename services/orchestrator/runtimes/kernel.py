"""Calls of the kernel that Python 3.11 lacks, and children. Standard library only: the fork server and the keeper of
networks are made of it."""

from __future__ import annotations

import ctypes
import os
import select
import signal
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final, NoReturn

CLONE_NEWNS: Final = 0x20000  # this and those below: sched.h, sys/mount.h
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWNET: Final = 0x40000000
MS_NOSUID: Final = 2
MS_NOEXEC: Final = 8
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 1 << 18
MS_SLAVE: Final = 1 << 19
MNT_DETACH: Final = 2

_GREATEST_FD: Final = 1 << 20  # fs.nr_open of Linux; closerange is one call of the kernel
_MOST_S: Final = 5.0  # far above what a step takes

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: Any, what: str = "") -> None:
    """A function of libc that answers 0. Raises OSError, which says for what it was called."""
    if getattr(libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what or name)


def write(path: str | os.PathLike[str], text: str) -> None:
    """One write to a file of the kernel's, which must be there."""
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def enter_groups(groups: Iterable[str]) -> None:
    """Makes cgroups for this process and moves it into them."""
    for group in groups:
        os.mkdir(group, 0o755)  # noqa: PTH102 - pathlib would only make every fork dearer
        write(f"{group}/cgroup.procs", "0")


def start_time() -> int:
    """When this process started, in clock ticks since boot: with pid and boot id it names a process for good."""
    fd = os.open("/proc/self/stat", os.O_RDONLY)
    try:
        stat = os.read(fd, 1024)
    finally:
        os.close(fd)
    return int(stat[stat.rindex(b")") + 2 :].split()[19])  # proc(5): field 22, counted behind the name


def spawn(become: Callable[..., NoReturn], *arguments: Any, keep: Collection[int]) -> int:
    """A child that becomes something else, with `keep` and standard error as all that it has open of ours: a pipe or a
    socket has no end while a child holds it that never meant to."""
    pid = os.fork()
    if pid == 0:
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            null = os.open("/dev/null", os.O_RDWR)
            os.dup2(null, 0)
            os.dup2(null, 1)
            _close_all_but({*keep, 2})
            become(*arguments)
        except BaseException as error:  # noqa: BLE001 - nothing of the parent may run in the child
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(70)
    return pid


def _close_all_but(kept: Collection[int]) -> None:
    last = 1
    for fd in sorted(kept):
        os.closerange(last + 1, fd)
        last = fd
    os.closerange(last + 1, _GREATEST_FD)


def readable(*fds: int, within_s: float | None = None) -> list[int]:
    """Those in which there is something, or whose other end is gone; none where that takes too long. Not select(2): it
    knows descriptors below 1,024 only, and each network is four of them."""
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return [fd for fd, _ in poll.poll(None if within_s is None else within_s * 1000)]


def read_within(fd: int) -> bytes:
    """What comes first, or nothing when it does not come in time."""
    return os.read(fd, 4096) if readable(fd, within_s=_MOST_S) else b""


def ended_well(pid: int) -> bool:
    """Waits for a child, not for ever."""
    fd = os.pidfd_open(pid)
    try:
        if not readable(fd, within_s=_MOST_S):
            os.kill(pid, signal.SIGKILL)
    finally:
        os.close(fd)
    return os.waitpid(pid, 0)[1] == 0
