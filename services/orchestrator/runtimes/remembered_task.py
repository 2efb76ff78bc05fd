"""What the process runtime remembers of a task, to save looking again. The task's folder has it all."""

from __future__ import annotations

import asyncio

from services.orchestrator.ports import Sighting
from services.orchestrator.runtimes.disk_watch import DiskWatch
from services.orchestrator.runtimes.processes import ExitWatch
from services.orchestrator.runtimes.task_folder import TaskFolder


class RememberedTask:
    """One task, from the first look at it to its cleaning."""

    __slots__ = (
        "disk",
        "ended",
        "folder",
        "installs",
        "lock",
        "timer",
        "token",
        "unreaped_since",
        "waits_for",
        "watch",
    )

    def __init__(self, token: str, folder: TaskFolder) -> None:
        self.token = token
        self.folder = folder
        self.lock = asyncio.Lock()
        self.watch: ExitWatch | None = None  # while it is there, the process that was started last lives
        self.disk: DiskWatch | None = None  # while it installs
        self.timer: asyncio.TimerHandle | None = None  # of a stop under way
        self.ended: Sighting | None = None
        self.unreaped_since: float | None = None
        self.installs: str | None = None  # the environment that it makes right now
        self.waits_for: str | None = None  # the environment that another task makes

    def let_go(self) -> None:
        """Stops watching; the task goes on."""
        if self.watch:
            self.watch.close()
            self.watch = None
        if self.disk:
            self.disk.close()
            self.disk = None
        if self.timer:
            self.timer.cancel()
            self.timer = None
