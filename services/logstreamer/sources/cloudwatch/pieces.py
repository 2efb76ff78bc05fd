"""Makes lines whole again that the container runtime cut.

Docker cuts a line at 16 KiB (awslogs at 256 KiB), and each piece is an event of its own. The harness writes JSON
objects, so a piece shows that it is one: it does not parse, and joined with those behind it, it does. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from shared.aws.logs import LogEvent

SHORTEST_CUT: Final = 16_000
"""Characters. A line that is shorter was not cut, so its ends are enough to see that it is whole. A cut counts bytes,
16 KiB of them; what is not ASCII the harness escapes."""
MOST_PIECES: Final = 64
"""Of one line: 1 MiB in pieces of 16 KiB. The harness cuts at 16 KiB of text, which JSON can make six times longer."""
MOST_TEXT: Final = 1 << 20
"""Characters of one line in all its pieces: what is longer is no line of the harness, and to look at it piece by piece
takes time by the square of it."""
MOST_OPEN: Final = 512
"""Pieces that wait at once. What is not protocol at all looks like a piece, too."""

LONGEST_HOPE: Final = 3

_HEAD: Final = re.compile(r'\{"\w+":')
"""How a line of the protocol begins, and how no middle of one can: in there, a quotation mark is escaped."""


class Found(NamedTuple):
    """A line, or what could not be made one."""

    at_ms: int
    text: bytes


@dataclass(frozen=True, slots=True, order=True)
class _Piece:
    at_ms: int
    number: int
    """AWS's event ids are numbers that grow; those of an emulator say nothing, and here is 0."""
    arrival: int
    id: str = field(compare=False)
    text: str = field(compare=False)
    since: float = field(compare=False)


class Joiner:
    """The pieces of one stream that wait for the others of their line."""

    def __init__(self, *, patience_s: float) -> None:
        """After `patience_s` a piece is handed on as it is, and whoever reads it will say that it is unreadable."""
        self._patience_s = patience_s
        # A line without one of its middle pieces parses as well. The harness does not write lines that are cut, so
        # there is time to wait for what is late.
        self._settled_s = patience_s / 2
        self._open: list[_Piece] = []
        self._arrivals = 0
        self._given_up: set[str] = set()

    @property
    def open_since_ms(self) -> int | None:
        """The time stamp of the earliest piece that waits: who reads on must not begin behind it."""
        return min((piece.at_ms for piece in self._open), default=None)

    @property
    def waits(self) -> bool:
        """Whether there are pieces that may still become a line."""
        return any(piece.id not in self._given_up for piece in self._open)

    def is_due(self, now: float) -> bool:
        """Whether pieces have waited long enough for a last look at what may have come between them."""
        return any(now - piece.since >= self._settled_s for piece in self._open)

    def feed(self, events: Iterable[LogEvent], now: float) -> list[Found]:
        """The lines among these events; the pieces are kept. `now`: seconds of any clock that only goes forward.

        An event may come again, after a look back."""
        lines: list[Found] = []
        waiting = {piece.id for piece in self._open}
        for event in events:
            text = event.text.rstrip("\r\n")
            if _is_line(text):
                lines.append(Found(event.at_ms, text.encode(errors="replace")))
            elif event.id not in waiting:
                self._arrivals += 1
                number = int(event.id) if event.id.isdecimal() else 0
                self._open.append(_Piece(event.at_ms, number, self._arrivals, event.id, text, now))
        return lines

    def settle(self, now: float) -> list[Found]:
        """The lines that the pieces make, and pieces that waited too long. To be called when all was fed that was there
        at `now`, from `open_since_ms` on."""
        if not self._open:
            return []
        self._open.sort()
        return self._join(now) + self._give_up(now)

    def _join(self, now: float) -> list[Found]:
        lines: list[Found] = []
        left: list[_Piece] = []
        at = 0
        while at < len(self._open):
            end = self._end_of_line(at)
            line = self._open[at:end]
            if end is None or now - max(piece.since for piece in line) < self._settled_s:
                left.append(self._open[at])
                at += 1
            else:
                text = "".join(piece.text for piece in line)
                lines.append(Found(line[0].at_ms, text.encode(errors="replace")))
                at = end
        self._open = left
        return lines

    def _end_of_line(self, start: int) -> int | None:
        """Behind the last piece of the line that begins with the piece `start`; None where it is none or not whole."""
        text = self._open[start].text
        if not _HEAD.match(text):
            return None
        for at in range(start + 1, min(start + MOST_PIECES, len(self._open))):
            piece = self._open[at].text
            if _HEAD.match(piece):
                return None
            text += piece
            if len(text) > MOST_TEXT:
                return None
            if piece.endswith("}") and _is_object(text):
                return at + 1
        return None

    def _give_up(self, now: float) -> list[Found]:
        crowd = len(self._open) - MOST_OPEN
        newest = max((piece.since for piece in self._open if piece.id not in self._given_up), default=0.0)
        # As long as pieces come, there is hope for those that are there; but not for ever.
        patience_s = self._patience_s if now - newest >= self._patience_s else LONGEST_HOPE * self._patience_s
        late = {n for n, piece in enumerate(self._open) if n < crowd or now - piece.since >= patience_s}
        lost = [piece for n, piece in enumerate(self._open) if n in late and piece.id not in self._given_up]
        self._open = [piece for n, piece in enumerate(self._open) if n not in late]
        if len(self._given_up) < MOST_OPEN:  # so that a look back does not count them a second time
            self._given_up |= {piece.id for piece in lost}
        return [Found(piece.at_ms, piece.text.encode(errors="replace")) for piece in lost]


def _is_line(text: str) -> bool:
    if not text.endswith("}") or not _HEAD.match(text):
        return False
    return len(text) < SHORTEST_CUT or _is_object(text)


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
