"""The network of a task, as the process that becomes the task finds it. Standard library only."""

from __future__ import annotations

import fcntl
import os
from typing import Any

from services.orchestrator.runtimes.kernel import CLONE_NEWNET, CLONE_NEWUSER, call


class Way:
    """The network that was made for a task, held from before the task is recorded: what cannot be opened then is a
    start that failed, and one that can be made again."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.life = _high(order["life"], os.O_WRONLY)
        self.namespaces = [(_high(order["net"], os.O_RDONLY), CLONE_NEWNET)]
        self.late = bool(order["userns"])
        """whether nobody of us has rights over it but in its user namespace: entered last, since it has none outside"""
        if self.late:
            self.namespaces.insert(0, (_high(order["userns"], os.O_RDONLY), CLONE_NEWUSER))

    def enter(self) -> None:
        """From now on this process is in it, and keeps it connected for as long as it lives, exec or not."""
        for fd, kind in self.namespaces:
            call("setns", fd, kind, what="a namespace of the network")
        fcntl.fcntl(self.life, fcntl.F_SETFD, 0)


def _high(path: str, flags: int) -> int:
    """Opens a file out of the way of those with fixed numbers."""
    fd = os.open(path, flags | os.O_CLOEXEC)
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 64)
    finally:
        os.close(fd)
