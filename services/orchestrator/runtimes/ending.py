"""How tasks of the process runtime end before their time: asked, killed, or taken back because they did not start.

Knows processes and folders of tasks; when one is to end is process.py's decision.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from services.orchestrator.runtimes import cgroups, stopping
from services.orchestrator.runtimes.host import Host
from services.orchestrator.runtimes.processes import Life, life
from services.orchestrator.runtimes.remembered_task import RememberedTask
from services.orchestrator.runtimes.steps import Steps, last_started
from services.orchestrator.runtimes.task_folder import Record, Stage

log = structlog.get_logger(__name__)

_RETRY_S: Final = 0.02
_ENDS_NOW_S: Final = 1.0  # within which a process has ended that found that it cannot start
_LOOK_AGAIN_S: Final = 5.0  # where the system did not let us look
_KILL_S: Final = 5.0  # a process in the kernel may take its time to die


class Ending:
    """Ends tasks of this machine."""

    def __init__(self, host: Host, steps: Steps) -> None:
        self._host = host
        self._steps = steps

    async def take_back(self, task: RememberedTask) -> bool:
        """Leaves nothing of a task that did not start: nobody cleans up what was never launched, and its context has
        the values of its variables and secrets. False where it did start."""
        async with task.lock:
            last = last_started(task.folder)  # a process writes its record before it finds that it cannot start
            if last and await self._lives_on(last[1]):
                return False
            await asyncio.to_thread(task.folder.remove)
            await asyncio.to_thread(self._steps.forget, task.token)
            return True

    async def _lives_on(self, record: Record) -> bool:
        """Whether it is not one that ends this moment; True where that cannot be seen."""
        until = time.monotonic() + _ENDS_NOW_S
        try:
            while life(record.process, boot=self._host.boot) is Life.ALIVE:
                if time.monotonic() >= until:
                    return True
                await asyncio.sleep(_RETRY_S)
        except OSError:
            return True
        return False

    def press(self, task: RememberedTask, deadline: float) -> None:
        """Asks the harness to end, then makes it; comes back until nothing lives."""
        task.timer = None
        loop = asyncio.get_running_loop()
        last = last_started(task.folder)
        again = loop.time() + _RETRY_S
        try:
            lives = last is not None and life(last[1].process, boot=self._host.boot) is Life.ALIVE
            status = task.folder.status(last[0]) if last and lives else {}
        except OSError as error:  # nothing is known, so it is asked again
            log.warning("stop_not_pressed", launch_token=task.token, error=str(error))
            task.timer = loop.call_at(loop.time() + _LOOK_AGAIN_S, self.press, task, deadline)
            return
        if last is None or not lives:
            if not task.lock.locked():  # nothing is being started right now
                return
        elif loop.time() >= deadline:
            stopping.kill(last[1], status)
        elif stopping.ask(last[1], status):
            again = deadline
        task.timer = loop.call_at(max(again, loop.time()), self.press, task, deadline)

    async def end(self, task: RememberedTask, stage: Stage, record: Record) -> None:
        """Sees to it that nothing of a process is left, its cgroup included."""
        until = time.monotonic() + _KILL_S
        while time.monotonic() < until:
            if life(record.process, boot=self._host.boot) is Life.ALIVE:
                stopping.kill(record, task.folder.status(stage))
            elif life(record.server, boot=self._host.boot) is Life.ALIVE or cgroups.remove(record.cgroups):
                return
            else:
                stopping.kill_rest(record)
            await asyncio.sleep(_RETRY_S)
        log.warning("task_not_cleaned", launch_token=task.token, stage=stage.name, cgroups=record.cgroups)
