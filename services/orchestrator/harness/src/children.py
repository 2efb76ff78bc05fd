"""Child processes: a fork with pipes, and nothing else that is open."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import posix as os  # what is in os without what makes its import cost a millisecond
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.file_descriptors import complain
from services.orchestrator.harness.src.system import PR_SET_PDEATHSIG, libc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class Child:
    """A started process and our ends of its pipes."""

    def __init__(self, pid: int, readers: Sequence[int], instructions: int = -1) -> None:
        self.pid = pid
        self.readers = readers
        self.instructions = instructions


def fork_with(outputs: int, body: Callable[[Sequence[int], int], None]) -> Child:
    """Forks a child that runs `body` with the write ends of its pipes and the read end of its instructions."""
    pipes = [os.pipe() for _ in range(outputs)]
    instructions, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            body([write for _, write in pipes], instructions)
        except BaseException as error:  # nothing of the parent's may run in the child
            complain(f"child: {type(error).__name__}: {error}")
        finally:
            os._exit(70)
    for _, write in pipes:
        os.close(write)
    os.close(instructions)
    return Child(pid, [read for read, _ in pipes], tell)


def settle(out: int, err: int, keep: Sequence[int]) -> None:
    """Makes the calling child its own session, with /dev/null, `out`, `err` and `keep` as its only open files."""
    os.setsid()
    libc("prctl", PR_SET_PDEATHSIG, _signal.SIGKILL, 0, 0, 0)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    try:
        opened: Iterable[int] = [int(fd) for fd in os.listdir("/proc/self/fd")]
    except OSError:
        opened = range(4096)
    for fd in opened:
        if fd > 2 and fd not in keep:
            try:
                os.close(fd)
            except OSError:
                pass
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
