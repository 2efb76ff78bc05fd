"""Where a story is told: a live terminal with a moving status line, or plain lines for pipes, files and NO_COLOR.

Owns colours, cursor and width; knows nothing of tests.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, TextIO

from assay.cli import text
from assay.cli.openlines import SETTLED_S, GrowingLines
from assay.cli.output import colours
from assay.cli.text import Line
from assay.logs import LogLine, LogStream, PartialLine, standing

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.text import Text

STYLES = {
    "": "",
    "dim": "dim",
    "strong": "bold",
    "id": "cyan",
    "wait": "yellow",
    "work": "blue",
    "good": "bold green",
    "bad": "bold red",
    "warn": "yellow",
    "answer": "bold",
    "json": "",
}


class Screen(Protocol):
    """`status` is what goes on now, a part of the story; `busy` is what one waits for, told on a terminal only; `show`
    adds lines that stay, and `log` those of an agent; `say` shows what its lines that have not ended say so far.
    `width` is None where lines may have any length."""

    width: int | None

    def status(self, phase: str, detail: str = "") -> None: ...
    def busy(self, phase: str, detail: str = "") -> None: ...
    def show(self, lines: Iterable[Line]) -> None: ...
    def log(self, lines: Sequence[LogLine]) -> None: ...
    def say(self, partials: Sequence[PartialLine]) -> None: ...
    def close(self) -> None: ...


def open_screen(out: TextIO | None = None) -> Screen:
    """A live screen on a terminal that may be coloured, else a plain one."""
    out = out or sys.stdout
    return LiveScreen(out) if colours(out) else PlainScreen(out)


class PlainScreen:
    """One line after the other: a status is said once."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._said: tuple[str, str] | None = None
        self._growing = GrowingLines(_head, text.safe)
        self._timer: asyncio.TimerHandle | None = None
        # A terminal without colour still has a width; a pipe has none.
        self.width = shutil.get_terminal_size().columns if out.isatty() else None

    def status(self, phase: str, detail: str = "") -> None:
        if self._said != (phase, detail):
            self._said = (phase, detail)
            self._write(f"{text.safe(phase):<10} {text.safe(detail)}".rstrip())

    def busy(self, phase: str, detail: str = "") -> None:
        if self._out.isatty():
            self.status(phase, detail)

    def show(self, lines: Iterable[Line]) -> None:
        shown = ([(text.BAR, "dim"), *line] if _is_told(line) and self.width is not None else line for line in lines)
        self._write("\n".join("".join(text.safe(piece) for piece, _ in line).rstrip() for line in shown))

    def log(self, lines: Sequence[LogLine]) -> None:
        said = [self._growing.end(line) for line in lines]
        self._put("".join(f"{text.rstrip()}\n" for text in said if text))

    def say(self, partials: Sequence[PartialLine]) -> None:
        self._put("".join(self._growing.say(said) for said in partials))
        if self._growing.waits and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SETTLED_S, self._settle)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._put(self._growing.interrupt())

    def _settle(self) -> None:
        self._timer = None
        self._put(self._growing.settle())

    def _write(self, text: str) -> None:
        self._put(f"{self._growing.interrupt()}{text}\n")

    def _put(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def _head(line: LogLine | PartialLine, continued: bool) -> str:
    return text.log_line(line, continued=continued)[0][0]


def _is_told(line: Line) -> bool:
    """Whether somebody else wrote the whole line. A pipe or a file gets it as it is."""
    return len(line) == 1 and line[0][1] == "answer"


class LiveScreen:
    """Lines scroll by above one status line that counts the time."""

    def __init__(self, out: TextIO) -> None:
        from rich.console import Console

        self._console = Console(file=out, highlight=False, soft_wrap=True)
        self._live: Live | None = None
        self._open: dict[LogStream, PartialLine] = {}
        self._phase, self._detail, self._since = "", "", time.monotonic()
        self.width: int | None = self._console.width

    def status(self, phase: str, detail: str = "") -> None:
        if phase != self._phase:
            self._since = time.monotonic()
        self._phase, self._detail = phase, detail
        self._refresh()

    busy = status

    def log(self, lines: Sequence[LogLine]) -> None:
        for line in lines:
            self._open.pop(line.stream, None)
        self._print(text.log_line(line, colours=True) for line in lines)

    def say(self, partials: Sequence[PartialLine]) -> None:
        for said in partials:
            self._open = standing(self._open, said)
        self._refresh()

    def _refresh(self) -> None:
        if self._live is None:
            from rich.live import Live

            self._live = Live(get_renderable=self._below, console=self._console, refresh_per_second=10, transient=True)
            self._live.start()
        self._live.refresh()

    def show(self, lines: Iterable[Line]) -> None:
        """No piece steers the terminal, whatever is in it."""
        safe = ([(text.safe(piece), style) for piece, style in line] for line in lines)
        self._print([(text.BAR, "dim"), *line] if _is_told(line) else line for line in safe)

    def _print(self, lines: Iterable[Line]) -> None:
        from rich.text import Text

        body = Text("\n").join(self._text(line) for line in lines)
        self._console.print(body, soft_wrap=True)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _below(self) -> RenderableType:
        from rich.console import Group

        lines = [self._open_line(said) for said in self._open.values()]
        return Group(*lines, *([self._status_line()] if self._phase else []))

    def _open_line(self, said: PartialLine) -> Text:
        head, (shown, style) = text.log_line(said)
        return self._text([head, (text.tail_of(shown, self._console.width - 1 - len(head[0])), style)])

    def _status_line(self) -> Text:
        from rich.text import Text

        frame = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[int(time.monotonic() * 10) % 10]
        elapsed = f"{time.monotonic() - self._since:.1f} s"
        line = Text.assemble((f"{frame} ", "blue"), (text.safe(self._phase), "bold"), (f"  {elapsed}", "dim"))
        if self._detail:
            line.append(f"  {text.safe(self._detail)}", "dim")
        line.truncate(max(self._console.width - 1, 1), overflow="ellipsis")
        return line

    def _text(self, line: Line) -> Text:
        from rich.highlighter import JSONHighlighter
        from rich.text import Text

        if len(line) == 1 and line[0][1] == "json":
            return JSONHighlighter()(Text(line[0][0]))
        return Text.assemble(*(self._piece(piece, STYLES.get(style, "")) for piece, style in line))

    def _piece(self, piece: str, style: str) -> Text:
        from rich.text import Text

        return Text.from_ansi(piece, style=style) if "\x1b" in piece else Text(piece, style)
