"""Makes the picture of the README from a real run: `.venv/bin/python docs/img/record.py` beside a running local mode.

Runs the commands below on a pseudo-terminal, keeps what stays on the screen, and draws it with Rich.
"""

from __future__ import annotations

import io
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
from collections.abc import Sequence
from fcntl import ioctl
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).resolve().parents[2]
PICTURE = Path(__file__).with_name("assay-submit.svg")
COLUMNS = 98
COMMANDS = (
    "assay submit examples/document_search.py -q 'Do you ship to all of Europe?' --follow",
    "assay submit examples/fails.py -q 'What do I owe?' --follow",
)

BACKGROUND, FOREGROUND = (22, 24, 29), (214, 218, 224)
ANSI = [
    (22, 24, 29),
    (239, 108, 117),
    (126, 200, 124),
    (230, 190, 110),
    (97, 175, 239),
    (198, 140, 230),
    (90, 200, 210),
    (214, 218, 224),
]
THEME = TerminalTheme(BACKGROUND, FOREGROUND, ANSI, ANSI)

_CONTROL = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|\r\n|\r|\n")


class Screen:
    """The rows that stay. Knows as much of a terminal as Rich's live display needs."""

    def __init__(self) -> None:
        self.rows = [""]
        self._at = 0

    def feed(self, text: str) -> None:
        end = 0
        for found in _CONTROL.finditer(text):
            self.rows[self._at] += text[end : found.start()]
            end = found.end()
            self._control(found)
        self.rows[self._at] += text[end:]

    def _control(self, found: re.Match[str]) -> None:
        values, letter = found.group(1) or "", found.group(2)
        if letter == "m":
            self.rows[self._at] += found.group()
        elif letter == "K":
            self.rows[self._at] = ""
        elif letter == "A":
            self._at = max(0, self._at - int(values or 1))
        elif found.group().endswith("\n"):
            self._at += 1
            if self._at == len(self.rows):
                self.rows.append("")


def play(command: str, screen: Screen) -> None:
    """Runs one command on a terminal and writes it and what it shows to the screen."""
    screen.feed(f"\x1b[1;32m$\x1b[0m \x1b[1m{command}\x1b[0m\r\n")
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    words = shlex.split(command)
    child = subprocess.Popen(
        [str(ROOT / ".venv" / "bin" / words[0]), *words[1:]],
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)},
        start_new_session=True,
    )
    os.close(theirs)
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:  # Linux: the other end is closed
            break
        if not data:
            break
        screen.feed(data.decode("utf-8", "replace"))
    child.wait()
    os.close(ours)
    screen.feed("\r\n")


def drawn(rows: Sequence[str]) -> str:
    """The SVG."""
    console = Console(width=COLUMNS, record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for row in rows:
        console.print(Text.from_ansi(row), highlight=False)
    svg = console.export_svg(title="assay", theme=THEME, unique_id="assay")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # no fonts from elsewhere
    return svg.replace("Fira Code", "ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono")


def main() -> int:
    screen = Screen()
    for command in COMMANDS:
        play(command, screen)
    rows = screen.rows
    while rows and not Text.from_ansi(rows[-1]).plain.strip():
        rows.pop()
    PICTURE.write_text(drawn(rows), "utf-8")
    print(f"{PICTURE.relative_to(ROOT)}: {len(rows)} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
