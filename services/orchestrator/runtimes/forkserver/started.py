"""What the fork server knows of its children: those that wait or are carrying out an order, and those that have become
a task. Standard library only."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any, NamedTuple

from services.orchestrator.runtimes.forkserver.becoming import Order
from services.orchestrator.runtimes.memory_shortage import out_of_memory


class Spare:
    """A process that waits for its order, or is carrying it out up to its exec."""

    def __init__(self, pid: int, report: int, instructions: int, groups: list[str]) -> None:
        self.pid = pid
        self.report = report
        self.instructions = instructions
        self.groups = groups
        self.order: Order | None = None
        self.said = b""

    def answer(self) -> Order:
        """What the process said last before it closed its report."""
        lines = self.said.splitlines()
        if not lines or lines[-1] == b"ready":
            return {"answer": "failed", "message": "a new process died before it became the sandbox"}
        return dict(json.loads(lines[-1]))


class Task(NamedTuple):
    """A process that has become a task."""

    status: str
    write_exit_code: bool
    groups: list[str]

    def write_down(self, exit_code: int) -> None:
        """Leaves, where bubblewrap writes what it knows, what only the parent and the cgroup know."""
        values: dict[str, Any] = {}
        if exit_code and out_of_memory(self.groups):
            values["out-of-memory"] = True
        if self.write_exit_code:
            values["exit-code"] = exit_code
        if values:
            with contextlib.suppress(OSError):
                fd = os.open(self.status, os.O_WRONLY | os.O_APPEND)
                os.write(fd, json.dumps(values).encode() + b"\n")
                os.close(fd)
