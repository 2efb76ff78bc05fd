"""Standard streams of the agent's process: ordinary text files, which say beside what they write what it is.

Standard output is written as it is, and read as that. Standard error, and what `logging`, `warnings` and printed
exceptions write anywhere, leaves in frames (frames.py).
"""

from __future__ import annotations

import io
import posix as os  # what is in os without what makes its import cost a millisecond
import sys
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.frames import framed

if TYPE_CHECKING:
    from types import FrameType

    from typing_extensions import Buffer

MOST_CALLERS = 30  # from a write back to who logs: rich takes about ten


class AgentPipe(io.FileIO):
    """One of the fds 1 and 2. A process that the agent forks has it too; another program has the plain pipe."""

    def __init__(self, fd: int, stream: str, token: bytes) -> None:
        super().__init__(fd, "w", closefd=False)
        self.name = f"<{stream}>"  # as usual
        self._number = fd
        self._stream = stream
        self._token = token
        self._pipe = _identity(fd)

    def write(self, data: Buffer, /) -> int:
        """How many bytes it took, for plain text as a pipe takes it. Waits where the agent made the pipe one that does
        not (asyncio does, to write to it)."""
        of_errors = self._stream == "stderr"
        level = level_of_caller(sys._getframe(1), of_errors) if of_errors or "logging" in sys.modules else ""
        if (level or of_errors) and self._is_still_ours():
            text = bytes(data)
            for frame in framed(self._token, self._stream, level, text):
                _write(self._number, frame)
            return len(text)
        return _write(self._number, data)

    def _is_still_ours(self) -> bool:
        """Whether it is where the harness reads: the agent may have put a file of its own in its place."""
        try:
            return _identity(self._number) == self._pipe
        except OSError:
            return False


def _identity(fd: int) -> tuple[int, int]:
    state = os.fstat(fd)
    return state.st_dev, state.st_ino


def _write(fd: int, data: Buffer) -> int:
    while True:
        try:
            return os.write(fd, data)  # of a frame all of it: a pipe takes so few bytes whole or not at all
        except BlockingIOError:
            import select

            poll = select.poll()
            poll.register(fd, select.POLLOUT)
            poll.poll()


def level_of_caller(frame: FrameType | None, of_errors: bool) -> str:  # noqa: FBT001 - on the path of every line
    """What the code that writes says of its text: the level of a log record; on standard error also `warning` for a
    warning and `error` for an exception that is printed; "" where it is just text."""
    logging = _space("logging")
    warnings = traceback = None
    if of_errors:
        warnings, traceback = _space("_py_warnings") or _space("warnings"), _space("traceback")
    for _ in range(MOST_CALLERS):
        if frame is None:
            break
        space = frame.f_globals
        if space is logging:
            if frame.f_code.co_name in ("handle", "callHandlers"):
                return _level_of_record(frame.f_locals.get("record"))
        elif space is traceback:
            if frame.f_code.co_name in ("print", "print_exception"):
                return "error"
        elif space is warnings and frame.f_code.co_name.startswith("_showwarn"):
            return "warning"
        frame = frame.f_back
    return ""


def _space(name: str) -> dict[str, object] | None:
    module = sys.modules.get(name)
    return None if module is None else module.__dict__


def _level_of_record(record: object) -> str:
    number = getattr(record, "levelno", None)
    if type(number) is not int:
        return ""
    return (
        "critical" if number >= 50 else "error" if number >= 40 else "warning" if number >= 30
        else "info" if number >= 20 else "debug"
    )  # fmt: skip


def renew_streams(token: bytes) -> None:
    """Standard streams made for what fds 0, 1 and 2 are now; every line leaves at once, and nothing is unprintable."""
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="replace", closefd=False)  # type: ignore[misc]
    for fd, name in ((1, "stdout"), (2, "stderr")):
        stream = io.TextIOWrapper(
            io.BufferedWriter(AgentPipe(fd, name, token)),
            encoding="utf-8",
            errors="backslashreplace",
            line_buffering=True,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
