"""What a process takes upon itself, and can never put down: a keyring of its own, a filter of system calls. Standard
library only."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import Any, Final

from services.orchestrator.runtimes.kernel import call, libc

_KEYCTL: Final = {"x86_64": 250, "aarch64": 219}.get(os.uname().machine)  # asm/unistd.h
_JOIN_SESSION_KEYRING: Final = 1  # linux/keyctl.h
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, _PR_SET_NO_NEW_PRIVS = 22, 2, 38  # linux/prctl.h, linux/seccomp.h


def leave_keyring() -> None:
    """Takes a new, empty session keyring: processes inherit that of their parent, across all namespaces, and may read
    and change what is in it. Where the kernel has no keys, or forbids us to ask for them, nobody has any. Where our
    user has as many as it may have (200 for each that is not root), tasks share the empty one of the fork server: the
    filter keeps them from it."""
    if _KEYCTL is None:
        return
    if libc.syscall(_KEYCTL, _JOIN_SESSION_KEYRING, None) < 0:
        number = ctypes.get_errno()
        if number not in {errno.ENOSYS, errno.EPERM, errno.EDQUOT}:
            raise OSError(number, os.strerror(number), "a session keyring")


def filter_of(order: dict[str, Any]) -> bytes:
    """The filter that is to be loaded here; empty for none."""
    if not order["confine"]:
        return b""
    fd = os.open(order["confine"], os.O_RDONLY)
    try:
        return os.read(fd, 1 << 16)
    finally:
        os.close(fd)


def confine(code: bytes) -> None:
    """Loads a filter of system calls into this process, for good."""
    holder = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: a length, and where the instructions are
    head = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(holder)))
    call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, what="no new privileges")
    call("prctl", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, head, 0, 0, what="a filter of system calls")
