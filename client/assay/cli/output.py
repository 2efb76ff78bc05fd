"""The output of an agent as it was, for pipes and files: pieces of a long line are put together again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from assay.cli.text import safe
from assay.logs import LogLine

PIECE = 16 * 1024 - 4  # bytes: only a line at least so long can go on in the next piece (the cut is between characters)


class RawOutput:
    """Writes the text of lines. A terminal is shown control characters instead of obeying them; a file gets them."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._open = False  # the last piece has no line end yet, since the line may go on

    def write(self, batch: Sequence[LogLine]) -> None:
        parts: list[str] = []
        for line in batch:
            if self._open and not line.continued:
                parts.append("\n")
            parts.append(safe(line.text) if self._terminal else line.text)
            self._open = len(line.text) >= PIECE // 4 and len(line.text.encode(errors="replace")) >= PIECE
            if not self._open:
                parts.append("\n")
        self._out.write("".join(parts))
        self._out.flush()

    def close(self) -> None:
        if self._open:
            self._out.write("\n")
            self._open = False
        self._out.flush()
