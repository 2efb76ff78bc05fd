"""Lines that have not ended, printed where nothing can be taken back: pipes, files, plain terminals.

Text is printed as it comes, each character once: what becomes of a line is printed behind what it said before. Decides
what to print and does no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from assay.logs import LogLine, LogStream, PartialLine

SETTLED_S = 0.7
"""A line that has said the same for so long is no bar that is written over again and again."""
_CUT_ESCAPE = re.compile(r"\x1b(\[[0-9;:]*)?$")


class GrowingLines:
    """What was printed of the open line of each stream, and where the cursor is."""

    def __init__(
        self,
        head: Callable[[LogLine | PartialLine, bool], str] = lambda _line, _continued: "",
        show: Callable[[str], str] = str,
    ) -> None:
        """`head`: what stands before a line, or before the rest of one; `show`: how a piece of its text is printed."""
        self._head = head
        self._show = show
        self._cursor: LogStream | None = None  # behind the open line of this stream
        self._printed: dict[LogStream, str] = {}
        self._held: dict[LogStream, PartialLine] = {}
        self._overwritten: set[LogStream] = set()
        self._after: dict[LogStream, int] = {}  # number of the line before the open one

    @property
    def waits(self) -> bool:
        """Whether `settle` will have something to print."""
        return any(stream not in self._overwritten for stream in self._held)

    def say(self, said: PartialLine) -> str:
        """What to print now that a line says this. Nothing at its first word: it may be a bar, whose next state takes
        its place."""
        if said.gone:
            return self._let_go(said)
        stream, text = said.stream, _CUT_ESCAPE.sub("", said.text)
        self._after[stream] = said.after_seq
        printed = self._printed.get(stream)
        if printed is not None:
            return self._go_on(said, printed, text) if text.startswith(printed) else ""
        held = self._held.get(stream)
        self._held[stream] = said
        if held is None or stream in self._overwritten:
            return ""
        if not text.startswith(_CUT_ESCAPE.sub("", held.text)):
            self._overwritten.add(stream)
            return ""
        return self.settle(stream) if said.text != held.text else ""

    def settle(self, *streams: LogStream) -> str:
        """Begins the lines that were held back: those of these streams, of all where none is named."""
        parts: list[str] = []
        for stream in [stream for stream in self._held if stream in streams or not streams]:
            if stream not in self._overwritten:
                said = self._held.pop(stream)
                text = _CUT_ESCAPE.sub("", said.text)
                parts += [self.interrupt(), self._head(said, False), self._show(text)]
                self._printed[stream] = text
                self._cursor = stream
        return "".join(parts)

    def end(self, line: LogLine, *, newline: str = "\n") -> str:
        """What to print of a line that has ended."""
        printed = self._printed.pop(line.stream, None)
        self._held.pop(line.stream, None)
        self._overwritten.discard(line.stream)
        if printed is None or not line.text.startswith(printed):
            return self.interrupt() + self._head(line, line.continued) + self._show(line.text) + newline
        rest = self._show(line.text[len(printed) :])
        if self._cursor is line.stream:
            self._cursor = None
            return rest + newline
        return self.interrupt() + self._head(line, True) + rest + newline if rest else ""

    def interrupt(self) -> str:
        """What to print before anything else."""
        if self._cursor is None:
            return ""
        self._cursor = None
        return "\n"

    def _let_go(self, said: PartialLine) -> str:
        """The line ends here: what was printed of it cannot be taken back, and nothing more is printed."""
        if self._after.get(said.stream, said.after_seq) > said.after_seq:
            return ""
        self._held.pop(said.stream, None)
        self._printed.pop(said.stream, None)
        self._overwritten.discard(said.stream)
        return self.interrupt() if self._cursor is said.stream else ""

    def _go_on(self, said: PartialLine, printed: str, text: str) -> str:
        rest = self._show(text[len(printed) :])
        self._printed[said.stream] = text
        if not rest:
            return ""
        if self._cursor is said.stream:
            return rest
        before = self.interrupt() + self._head(said, True)
        self._cursor = said.stream
        return before + rest
