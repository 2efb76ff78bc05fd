"""One supervised child process: started until it is ready, restarted when it dies, ended when we end.

Knows processes, pid files and back-off; must not know which program it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from deploy.local import lifeline

log = structlog.get_logger()

RUN, LOGS = "run", "logs"  # folders in the data folder: pid files, output

START_S = 60.0  # mongod waits 30 s for a silent stranger on the port it had before
STOP_S = 15.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 10.0
SETTLED_S = 30.0  # a child that lived this long starts again without the pause its earlier deaths earned


class StartFailed(Exception):
    """A child ended, or did not get ready, while it was started. The message carries the end of its log."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, and how to see that it is ready (`ready` waits as long as it takes; it is cancelled if need be)."""

    name: str
    command: Sequence[str]
    ready: Callable[[], Awaitable[None]]
    worst_of: Callable[[Sequence[str]], Sequence[str]] = lambda lines: lines
    """The lines of its log that tell a person why it ended."""
    environment: Mapping[str, str] | None = None
    """All that it gets of an environment; None: ours."""
    descriptors: Sequence[int] = ()
    """Our open files that it has, too, under the same numbers."""


class Child:
    def __init__(self, program: Program, folder: Path) -> None:
        self._program = program
        self._pid_file = folder / RUN / f"{program.name}.pid"
        self._log_file = folder / LOGS / f"{program.name}.log"
        self._process: asyncio.subprocess.Process | None = None
        self._since = 0.0
        self.restarts = 0

    @property
    def name(self) -> str:
        return self._program.name

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> None:
        """Returns when the program is ready. Raises StartFailed."""
        for file in (self._log_file, self._pid_file):
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        begun = time.monotonic()
        with contextlib.suppress(FileNotFoundError):
            self._log_file.replace(self._log_file.with_suffix(".previous.log"))
        with self._log_file.open("ab") as output:
            # A session of its own: Ctrl-C reaches us alone, and we end our children in the right order.
            self._process = process = await asyncio.create_subprocess_exec(
                *lifeline.tied_to_us(self._program.command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=self._program.environment,
                pass_fds=self._program.descriptors,
            )
        lifeline.record(self._pid_file, process.pid)
        try:
            await self._until_ready(process)
        except BaseException:
            await self._end(process)
            raise
        self._since = time.monotonic()
        log.debug("child_ready", child=self.name, pid=process.pid, ms=round((self._since - begun) * 1000))

    async def keep_alive(self) -> None:
        """Starts the child again whenever it dies, sooner at first and later with each death. Never returns."""
        pause = FIRST_PAUSE_S
        while True:
            process = self._process
            assert process is not None, "start() comes first"
            code = await process.wait()
            if time.monotonic() - self._since > SETTLED_S:
                pause = FIRST_PAUSE_S
            log.warning("child_died", child=self.name, pid=process.pid, exit_code=code, restart_in_s=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 3, LONGEST_PAUSE_S)
            try:
                await self.start()
            except Exception as error:  # noqa: BLE001 - whatever it is, all there is to do is to try again
                log.error("child_not_restarted", child=self.name, error=str(error))
            else:
                self.restarts += 1
                log.info("child_restarted", child=self.name, pid=self.pid, restarts=self.restarts)

    async def ended(self) -> int:
        """Waits until the program is gone, and returns its exit code."""
        assert self._process is not None, "start() comes first"
        return await self._process.wait()

    async def stop(self) -> None:
        if self._process is not None:
            await self._end(self._process)

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        ready = asyncio.ensure_future(self._program.ready())
        ended = asyncio.ensure_future(process.wait())
        try:
            await asyncio.wait([ready, ended], timeout=START_S, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                raise StartFailed(self._story(f"ended with code {ended.result()} while it started"))
            if not ready.done():
                raise StartFailed(self._story(f"was not ready within {START_S:g} s"))
            ready.result()
        finally:
            for waiting in (ready, ended):
                waiting.cancel()
            await asyncio.gather(ready, ended, return_exceptions=True)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None:
            for order, patience_s in ((signal.SIGTERM, STOP_S), (signal.SIGKILL, STOP_S)):
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(order)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(patience_s):
                        await process.wait()
                        break
        self._pid_file.unlink(missing_ok=True)

    def _story(self, what: str) -> str:
        try:
            lines = self._log_file.read_text("utf-8", errors="replace").splitlines()
            tail = "\n".join((self._program.worst_of(lines) or lines)[-8:])
        except OSError:
            tail = ""
        return f"{self.name} {what}. The end of {self._log_file}:\n{tail or '(empty)'}"
