"""The output of an agent as it was, for pipes and files: pieces of a long line are put together again."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from typing import TextIO

from assay.cli.openlines import SETTLED_S, GrowingLines
from assay.cli.text import coloured, safe, tail_of
from assay.logs import LogLine, LogStream, PartialLine, standing

PIECE = 16 * 1024 - 4  # bytes: only a line at least so long can go on in the next piece (the cut is between characters)
_CLEAR = "\r\x1b[K"


def colours(out: TextIO) -> bool:
    """Whether this is a terminal that may be coloured."""
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class RawOutput:
    """Writes the text of lines. A terminal is shown control characters instead of obeying them, except for colours; a
    file gets them. A line that has not ended is shown in place on a terminal, and grows elsewhere."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        terminal = out.isatty()
        show = (coloured if colours(out) else safe) if terminal else str
        self._in_place = terminal and os.environ.get("TERM") != "dumb"
        self._growing = GrowingLines(show=show)
        self._partials: dict[LogStream, PartialLine] = {}
        self._open = False  # the last piece has no line end yet, since the line may go on
        self._seq = 0  # of the last piece
        self._timer: asyncio.TimerHandle | None = None

    def write(self, batch: Sequence[LogLine]) -> None:
        parts: list[str] = [_CLEAR] if self._in_place and self._partials else []
        for line in batch:
            if self._open and not (line.continued and line.seq == self._seq + 1):  # a filter may leave pieces out
                parts.append("\n")
            self._seq = line.seq
            self._open = len(line.text) >= PIECE // 4 and len(line.text.encode(errors="replace")) >= PIECE
            parts.append(self._growing.end(line, newline="" if self._open else "\n"))
            self._partials.pop(line.stream, None)
        parts.append(self._newest())
        self._put("".join(parts))

    def say(self, partials: Sequence[PartialLine]) -> None:
        """What lines that have not ended say so far."""
        if self._open:
            return  # in the middle of a line that is longer than any screen
        if self._in_place:
            for said in partials:
                self._partials = standing(self._partials, said)
            self._put(_CLEAR + self._newest())
            return
        self._put("".join(self._growing.say(said) for said in partials))
        if self._growing.waits and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SETTLED_S, self._settle)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._put((_CLEAR if self._partials else "") + self._growing.interrupt() + ("\n" if self._open else ""))
        self._open = False
        self._partials.clear()

    def _newest(self) -> str:
        if not self._partials or self._open:
            return ""
        newest = list(self._partials.values())[-1]
        return tail_of(safe(newest.text), shutil.get_terminal_size().columns - 1)

    def _settle(self) -> None:
        self._timer = None
        self._put(self._growing.settle())

    def _put(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
