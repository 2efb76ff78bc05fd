"""What the pipes of a child bring: lines of output, and one answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.frames import Unframer
from services.orchestrator.harness.src.levels import Levels, level_of, says_nothing
from services.orchestrator.harness.src.output import Output
from services.orchestrator.harness.src.own_files import OUR_FILES

if TYPE_CHECKING:
    from collections.abc import Callable

# how faulthandler writes a frame of ours; the user of a log looks for frames of the agent
OUR_FRAMES = tuple(f'  File "{name}", line '.encode() for name in OUR_FILES)
PARTIAL_AFTER_S = 0.2  # that a line has not ended is told after this, and its changes no more often than so
LONG_PARTIAL = 4096  # bytes; each time all of the line so far is told, so a long one is told less often
LONG_PARTIAL_S = 1.0
ERASED = (b"\x1b[2K", b"\x1b[K", b"\x1b[0K")  # how a terminal is told that the line is empty from here on: it is


class Lines:
    """Cuts what one stream brings into lines, and long lines into pieces at character boundaries.

    A line is what a terminal would show in the end: what stood before a carriage return was written over.
    """

    def __init__(
        self, name: str, output: Output, level: str = "", *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`level`: of all lines; where it is "", of each what its writer or its text says. `clock`: in seconds."""
        self.clock = clock
        self.name = name
        self.output = output
        self.level = level
        self.levels = Levels()
        self.rest = b""
        self.known = ""  # the level that came with what is in `rest`
        self.continued = False
        self.piece_level = ""  # of the line that goes on
        self.told = b""  # of `rest`, to whoever looks on
        self.told_at = 0.0
        self.changed_at = 0.0  # when `rest` was no longer what was told

    def feed(self, data: bytes, level: str = "") -> None:
        if self.output.truncated:
            return
        if self.rest:
            known = level or self.known
            data = self.rest + data
        else:
            known = level
        overwrites = b"\r" in data
        lines = data.split(b"\n")
        rest = lines.pop()
        usual = ""
        if len(lines) > 1 and not level and not self.levels.in_traceback and says_nothing(data):
            usual = self.levels.default
        for line in lines:
            if overwrites:
                line = last_state(line)
            self._emit(self._long(line, known) if len(line) > self.output.line_bytes else line, known or usual)
            self.continued = False
            known = level
        if overwrites:
            rest = last_state(rest) + (b"\r" if rest[-1:] == b"\r" else b"")
        self.rest = self._long(rest, known)
        self.known = known if self.rest else ""
        if lines:
            self.told, self.changed_at = b"", 0.0
        if not self.changed_at and self.rest and self.rest != self.told:
            self.changed_at = self.clock()

    def end(self) -> None:
        """A last line without a newline is a line."""
        if self.rest:
            self._emit(last_state(self.rest), self.known)
            self.rest = b""

    def partial(self, now: float) -> float | None:
        """Tells what the open line says so far if it is time to; when it will be, where there is something to tell."""
        if not self.changed_at:
            return None
        if not self.rest or self.rest == self.told or self.output.truncated:
            self.changed_at = 0.0
            return None
        gap = PARTIAL_AFTER_S if len(self.rest) < LONG_PARTIAL else LONG_PARTIAL_S
        due = max(self.changed_at + PARTIAL_AFTER_S, self.told_at + gap)
        if due > now:
            return due
        text = whole_characters(last_state(self.rest)).decode("utf-8", "replace")
        level = self.level or self.known or self.piece_level or level_of(text, self.levels.default)
        if text:
            self.output.partial(self.name, level, text)
        self.told, self.told_at, self.changed_at = self.rest, now, 0.0
        return None

    def _long(self, line: bytes, known: str) -> bytes:
        """Sends off full pieces of a long line, gives back what is left of it."""
        limit = self.output.line_bytes
        while len(line) > limit:
            cut = limit
            while cut > limit - 4 and line[cut] & 0xC0 == 0x80:  # inside a UTF-8 sequence
                cut -= 1
            self._emit(line[:cut], known)
            self.continued = True
            line = line[cut:]
        return line

    def _emit(self, line: bytes, known: str) -> None:
        text = line.decode("utf-8", "replace")
        if not self.continued:
            self.piece_level = self.level or known or self.levels.of(text)
        self.output.line(self.name, text, len(line), self.piece_level, continued=self.continued)


class Stream(Lines):
    """One pipe that brings one stream."""

    def __init__(self, fd: int, name: str, output: Output, level: str = "") -> None:
        super().__init__(name, output, level)
        self.fd = fd


class Faults(Stream):
    """What Python says of itself when it dies or is told to end: where each thread was."""

    def _emit(self, line: bytes, known: str) -> None:
        if line.startswith(OUR_FRAMES) and b", in " not in line:
            return
        super()._emit(line, known)


class Transcript(Stream):
    """A stream that remembers its last lines, for the error message."""

    tail: tuple[str, ...] = ()

    def _emit(self, line: bytes, known: str) -> None:
        super()._emit(line, known)
        if line.strip():
            self.tail = (*self.tail[-59:], line.decode("utf-8", "replace"))


class Collector:
    """Keeps the bytes of standard output, up to a limit: for an agent whose answer is what it prints."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0  # of all that came
        self.pieces: list[bytes] = []

    @property
    def too_large(self) -> bool:
        return self.size > self.limit

    def take(self, data: bytes) -> None:
        if self.size < self.limit:
            self.pieces.append(data[: self.limit - self.size])
        self.size += len(data)

    def text(self) -> str:
        return b"".join(self.pieces).decode("utf-8", "replace")


class Channel:
    """The one pipe of an agent: standard output and standard error, in the order in which they were written."""

    def __init__(self, fd: int, token: bytes, output: Output, collector: Collector | None = None) -> None:
        """`collector`: also gets all of standard output, whatever the log keeps of it."""
        self.fd = fd
        self.collector = collector
        self.frames = Unframer(token)
        self.lines = {name: Lines(name, output) for name in ("stdout", "stderr")}

    def feed(self, data: bytes) -> None:
        self._take(self.frames.feed(data))

    def end(self) -> None:
        self._take(self.frames.end())
        for lines in self.lines.values():
            lines.end()

    def partial(self, now: float) -> float | None:
        due = [at for lines in self.lines.values() if (at := lines.partial(now)) is not None]
        return min(due) if due else None

    def _take(self, pieces: list[tuple[str, str, bytes]]) -> None:
        for stream, level, data in pieces:
            if self.collector is not None and stream == "stdout":
                self.collector.take(data)
            self.lines[stream].feed(data, level)


ANNOUNCES = b'{"entry":'


class Answer:
    """What the agent process hands over on its own pipe: one JSON object and a newline. What follows is ignored.

    Before it may come a line of its own that says what is called, so that this is known whatever the call does."""

    def __init__(self, fd: int, limit: int) -> None:
        self.fd = fd
        self.limit = limit
        self.data = b""
        self.announced = b""
        self.complete = False
        self.too_large = False

    def feed(self, data: bytes) -> None:
        if self.complete:
            return
        self.data += data
        if not self.announced and self.data.startswith(ANNOUNCES) and b"\n" in data:
            self.announced, _, self.data = self.data.partition(b"\n")
        self.complete = b"\n" in self.data if self.announced else b"\n" in data
        self.too_large = len(self.data) > self.limit
        self.complete |= self.too_large

    def end(self) -> None:
        pass

    def partial(self, now: float) -> float | None:
        """It is no output."""
        del now
        return None


def last_state(line: bytes) -> bytes:
    """What a line shows after all that was written over it; the carriage returns at its end move nothing."""
    line = line.rstrip(b"\r")
    line = line[line.rfind(b"\r") + 1 :]
    if b"\x1b[" in line:
        for erased in ERASED:
            line = line.replace(erased, b"")
    return line


def whole_characters(data: bytes) -> bytes:
    """Without the beginning of a UTF-8 character whose rest has not come."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 != 0x80:
            size = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
            return data[:-back] if size > back else data
    return data
