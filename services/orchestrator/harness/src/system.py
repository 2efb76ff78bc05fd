"""System calls that os does not have, and signals as something to read."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import posix as os  # what is in os without what makes its import cost a millisecond
import sys

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 1, 4, 36
SI_USER = 0
SFD_FLAGS = os.O_CLOEXEC | os.O_NONBLOCK


def libc(name: str, *args: int | bytes) -> int:
    try:
        import _ctypes

        address = _ctypes.dlsym(_ctypes.dlopen(None, 0), name)  # type: ignore[arg-type]
        result: int = _ctypes.call_function(address, args)
    except AttributeError:
        import ctypes

        result = getattr(ctypes.CDLL(None), name)(*args)
    return result


class Signals:
    """SIGTERM and SIGCHLD as a readable fd, with the sender known, so that an agent cannot pose as the runtime."""

    def __init__(self) -> None:
        watched = (_signal.SIGTERM, _signal.SIGINT, _signal.SIGCHLD)
        _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
        mask = sum(1 << (number - 1) for number in watched).to_bytes(128, sys.byteorder)
        self.fd = libc("signalfd", -1, mask, SFD_FLAGS)
        if self.fd < 0:
            raise OSError("signalfd failed")
        self.cancelled = False

    def read(self) -> None:
        """Takes in what has arrived. A SIGTERM from outside sets `cancelled`: seen from PID 1 its sender has no pid.

        Only what kill(2) sends counts, where the kernel says who sent it. A signal with data (SI_QUEUE) says so itself,
        and one that tells of input on a descriptor (F_SETSIG) has no sender either: both an agent can make."""
        while True:
            try:
                data = os.read(self.fd, 128 * 16)
            except BlockingIOError:
                return
            for at in range(0, len(data), 128):
                number = int.from_bytes(data[at : at + 4], sys.byteorder)
                code = int.from_bytes(data[at + 8 : at + 12], sys.byteorder)
                sender = int.from_bytes(data[at + 12 : at + 16], sys.byteorder)
                if number != _signal.SIGCHLD and code == SI_USER and (sender == 0 or os.getpid() != 1):
                    self.cancelled = True


def shield() -> Signals:
    """Makes this process one that its children cannot look into, and that inherits their orphans."""
    libc("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    return Signals()
