"""Following a child until it and all its descendants are gone."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import posix as os  # what is in os without what makes its import cost a millisecond
import select
import time
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.children import Child
from services.orchestrator.harness.src.file_descriptors import READ_BYTES
from services.orchestrator.harness.src.output import Output
from services.orchestrator.harness.src.streams import Answer, Channel, Stream
from services.orchestrator.harness.src.system import Signals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


TERM_GRACE_S = 2.0  # between SIGTERM and SIGKILL
ANSWER_GRACE_S = 2.0  # for threads and exit handlers of an agent that has answered
DRAIN_S = 0.3  # for reading on after the agent ended, whoever still holds its pipes


class Watch:
    """Reads what a child writes until it and all its descendants are gone; ends it after `seconds`, or on SIGTERM."""

    def __init__(
        self,
        child: Child,
        readers: Sequence[Stream | Channel | Answer],
        seconds: float,
        output: Output,
        signals: Signals,
    ) -> None:
        self.pid = child.pid
        self.output = output
        self.signals = signals
        self.pipes: dict[int, Stream | Channel | Answer] = {reader.fd: reader for reader in readers}
        self.answer = next((reader for reader in readers if isinstance(reader, Answer)), None)
        self.answered = False
        self.stopped = ""  # why we ended it: TIMED_OUT, CANCELLED, or ANSWERED when it answered and then would not end
        self.exited = False
        self.others = False  # children beside the one that we watch: orphans that have come to us
        self.exit_code: int | None = None
        self.signal: int | None = None
        self.cpu_s = 0.0  # of it and of all its descendants
        self.peak_bytes = 0
        self.started = time.monotonic()
        self.seconds = 0.0
        self.until = self.started + seconds  # when something has to be done next

    def follow(self) -> None:
        poll = select.poll()
        for fd in (self.signals.fd, *self.pipes):
            poll.register(fd, select.POLLIN)
        while True:
            now = time.monotonic()
            if not self.exited:
                self._end_what_must_end(now)
            elif now >= self.until or not (self.pipes or self.others):
                break
            elif self.others:
                kill_all_but_us()
            wait = 0.01 if self.exited and self.others else max(0.0, self.until - now)
            wait = min(wait, self._tell_partials(now))
            for fd, _ in poll.poll(min(wait, 3600.0) * 1000 + 1):
                if fd == self.signals.fd:
                    self.signals.read()
                    self._reap()
                elif data := os.read(fd, READ_BYTES):
                    self.pipes[fd].feed(data)
                else:
                    poll.unregister(fd)
                    self.pipes.pop(fd).end()
                    os.close(fd)
            self.output.flush()
        for fd, reader in self.pipes.items():
            reader.end()
            os.close(fd)
        self._reap()
        self.output.flush()

    def _tell_partials(self, now: float) -> float:
        """Tells of lines that have not ended; seconds until there is more to tell."""
        due = [at for reader in self.pipes.values() if (at := reader.partial(now)) is not None]
        self.output.flush()
        return max(0.0, min(due) - now) if due else 3600.0

    def _end_what_must_end(self, now: float) -> None:
        if self.stopped:
            if now >= self.until:
                kill_group(self.pid, _signal.SIGKILL)
                self.until = now + TERM_GRACE_S
        elif self.signals.cancelled:
            self._stop("CANCELLED", now)
        elif now >= self.until:
            self._stop("ANSWERED" if self.answered else "TIMED_OUT", now)
        elif self.answer is not None and self.answer.complete and not self.answered:
            self.answered = True
            self.until = min(self.until, now + ANSWER_GRACE_S)

    def _stop(self, why: str, now: float) -> None:
        self.stopped = why
        if why == "ANSWERED":
            text = (
                "The agent answered but its process did not end (a thread or an exit handler still runs): stopping it."
            )
        elif why == "TIMED_OUT":
            text = f"The time limit of {now - self.started:.0f} s is over: stopping the agent."
        else:
            text = "The test was cancelled: stopping the agent."
        self.output.say(text, "warning")
        kill_group(self.pid, _signal.SIGTERM)
        self.until = now + TERM_GRACE_S

    def _reap(self) -> None:
        """Takes in every child that has ended: the one we watch and, as init or subreaper, its orphans."""
        self.others = False
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                self.others = True
                return
            self.cpu_s += usage.ru_utime + usage.ru_stime
            self.peak_bytes = max(self.peak_bytes, usage.ru_maxrss * 1024)
            if pid == self.pid:
                self._has_exited(status)

    def _has_exited(self, status: int) -> None:
        self.exited = True
        now = time.monotonic()
        self.seconds = now - self.started
        self.until = now + DRAIN_S
        if os.WIFSIGNALED(status):
            self.signal = os.WTERMSIG(status)
        else:
            self.exit_code = os.WEXITSTATUS(status)
        kill_group(self.pid, _signal.SIGKILL)


def kill_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def kill_all_but_us() -> None:
    """What the agent left behind, in whatever session: as init everything else, otherwise what has become our child."""
    try:
        if os.getpid() == 1:
            os.kill(-1, _signal.SIGKILL)
            return
        for pid in _children():
            os.kill(pid, _signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _children() -> Iterator[int]:
    us = str(os.getpid()).encode()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fd = os.open(f"/proc/{name}/stat", os.O_RDONLY)
            except OSError:
                continue
            try:
                fields = os.read(fd, 512).rpartition(b")")[2].split()  # after the name: state, parent
            except OSError:
                continue
            finally:
                os.close(fd)
            if fields[1:2] == [us]:
                yield int(name)


def how_it_ended(watch: Watch) -> str:
    if watch.signal is not None:
        try:
            import signal

            return f"killed by {signal.Signals(watch.signal).name}"
        except ValueError:
            return f"killed by signal {watch.signal}"
    return f"exit code {watch.exit_code}"
