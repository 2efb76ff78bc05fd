"""Where a story is told: a live terminal with a moving status line, or plain lines for pipes, files and NO_COLOR.

Owns colours, cursor and width; knows nothing of tests.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, TextIO

from assay.cli.text import Line

if TYPE_CHECKING:
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
    adds lines that stay. `width` is None where lines may have any length."""

    width: int | None

    def status(self, phase: str, detail: str = "") -> None: ...
    def busy(self, phase: str, detail: str = "") -> None: ...
    def show(self, lines: Iterable[Line]) -> None: ...
    def close(self) -> None: ...


def open_screen(out: TextIO | None = None) -> Screen:
    """A live screen on a terminal that may be coloured, else a plain one."""
    out = out or sys.stdout
    plain = not out.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return PlainScreen(out) if plain else LiveScreen(out)


class PlainScreen:
    """One line after the other: a status is said once."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._said: tuple[str, str] | None = None
        # A terminal without colour still has a width; a pipe has none.
        self.width = shutil.get_terminal_size().columns if out.isatty() else None

    def status(self, phase: str, detail: str = "") -> None:
        if self._said != (phase, detail):
            self._said = (phase, detail)
            self._write(f"{phase:<10} {detail}".rstrip())

    def busy(self, phase: str, detail: str = "") -> None:
        if self._out.isatty():
            self.status(phase, detail)

    def show(self, lines: Iterable[Line]) -> None:
        text = "\n".join("".join(piece for piece, _ in line).rstrip() for line in lines)
        self._write(text)

    def close(self) -> None:
        self._out.flush()

    def _write(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()


class LiveScreen:
    """Lines scroll by above one status line that counts the time."""

    def __init__(self, out: TextIO) -> None:
        from rich.console import Console

        self._console = Console(file=out, highlight=False, soft_wrap=True)
        self._live: Live | None = None
        self._phase, self._detail, self._since = "", "", time.monotonic()
        self.width: int | None = self._console.width

    def status(self, phase: str, detail: str = "") -> None:
        if phase != self._phase:
            self._since = time.monotonic()
        self._phase, self._detail = phase, detail
        if self._live is None:
            from rich.live import Live

            self._live = Live(
                get_renderable=self._status_line, console=self._console, refresh_per_second=10, transient=True
            )
            self._live.start()
        self._live.refresh()

    busy = status

    def show(self, lines: Iterable[Line]) -> None:
        from rich.text import Text

        body = Text("\n").join(self._text(line) for line in lines)
        self._console.print(body, soft_wrap=True)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _status_line(self) -> Text:
        from rich.text import Text

        frame = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[int(time.monotonic() * 10) % 10]
        elapsed = f"{time.monotonic() - self._since:.1f} s"
        line = Text.assemble((f"{frame} ", "blue"), (self._phase, "bold"), (f"  {elapsed}", "dim"))
        if self._detail:
            line.append(f"  {self._detail}", "dim")
        line.truncate(max(self._console.width - 1, 1), overflow="ellipsis")
        return line

    def _text(self, line: Line) -> Text:
        from rich.highlighter import JSONHighlighter
        from rich.text import Text

        if len(line) == 1 and line[0][1] == "json":
            return JSONHighlighter()(Text(line[0][0]))
        return Text.assemble(*((piece, STYLES.get(style, "")) for piece, style in line))
