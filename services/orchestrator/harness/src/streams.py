"""What the pipes of a child bring: lines of output, and one answer."""

from __future__ import annotations

from services.orchestrator.harness.src.levels import level_of
from services.orchestrator.harness.src.output import Output

# how faulthandler writes a frame of this file; the user of a log looks for frames of the agent
OUR_FRAMES = f'  File "{level_of.__code__.co_filename}", line '.encode()


class Stream:
    """Cuts what one pipe brings into lines, and long lines into pieces at character boundaries."""

    def __init__(
        self, fd: int, name: str, output: Output, default: str = "info", collector: Collector | None = None
    ) -> None:
        """`collector` gets all of it, too, whatever the log keeps."""
        self.collector = collector
        self.fd = fd
        self.name = name
        self.output = output
        self.default = default
        self.rest = b""
        self.continued = False

    def feed(self, data: bytes) -> None:
        if self.collector is not None:
            self.collector.take(data)
        if self.output.truncated:
            return
        lines = (self.rest + data).split(b"\n")
        self.rest = lines.pop()
        for line in lines:
            self._emit(self._long(line))
            self.continued = False
        self.rest = self._long(self.rest)

    def end(self) -> None:
        """A last line without a newline is a line."""
        if self.rest:
            self._emit(self.rest)
            self.rest = b""

    def _long(self, line: bytes) -> bytes:
        """Sends off full pieces of a long line, gives back what is left of it."""
        limit = self.output.line_bytes
        while len(line) > limit:
            cut = limit
            while cut > limit - 4 and line[cut] & 0xC0 == 0x80:  # inside a UTF-8 sequence
                cut -= 1
            self._emit(line[:cut])
            self.continued = True
            line = line[cut:]
        return line

    def _emit(self, line: bytes) -> None:
        if line.startswith(OUR_FRAMES) and b", in " not in line:  # of a stack that faulthandler dumped
            return
        self.output.line(self.name, line, default=self.default, continued=self.continued)


class Transcript(Stream):
    """A stream that remembers its last lines, for the error message."""

    tail: tuple[str, ...] = ()

    def _emit(self, line: bytes) -> None:
        super()._emit(line)
        if line.strip():
            self.tail = (*self.tail[-19:], line.decode("utf-8", "replace"))


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
