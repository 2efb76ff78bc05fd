"""How a task is told to end, and how it is ended.

The harness is process 1 of its sandbox: a SIGTERM lets it stop the agent and report, a SIGKILL takes
everything inside with it. Outside the sandbox bubblewrap waits for it, writes the exit code, and ends by
itself.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from signal import SIGKILL, SIGTERM
from typing import Any

from services.orchestrator.runtimes import cgroups
from services.orchestrator.runtimes.processes import children_of, send, takes_sigterm
from services.orchestrator.runtimes.task_folder import Record


def ask(record: Record, status: Mapping[str, Any]) -> bool:
    """Sends SIGTERM to the harness. False while it is not ready for that: ask again."""
    pid = _harness(record, status)
    if pid is None or not takes_sigterm(pid):
        return False
    return send(pid, SIGTERM, parent=record.process.pid if record.sandboxed else None)


def kill(record: Record, status: Mapping[str, Any]) -> None:
    """Ends everything of the task at once. To be called while its process lives."""
    pid = _harness(record, status)
    if record.sandboxed and pid is not None and send(pid, SIGKILL, parent=record.process.pid):
        return
    for child in children_of(record.process.pid):  # a sandbox in the making: its first process would stay behind
        send(child, SIGKILL, parent=record.process.pid)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(record.process.pid, SIGKILL)
    kill_rest(record)


def kill_rest(record: Record) -> None:
    """Ends what is left in the task's cgroup."""
    for _ in range(100):  # a fork bomb is bounded by its limit of processes, so this comes to an end
        if cgroups.kill_all(record.cgroups):
            return


def _harness(record: Record, status: Mapping[str, Any]) -> int | None:
    if not record.sandboxed:
        return record.process.pid
    pid = status.get("child-pid")
    return pid if isinstance(pid, int) else None
