"""One stream: how far it was read, what of it was seen, and the lines that come of it.

Time stamps only say where to look. What is new is decided by event ids here, and what is missing by the sequence
numbers in the lines, elsewhere. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.logstreamer.ports import Batch, Cursor
from services.logstreamer.sources.cloudwatch.pieces import Found, Joiner
from shared.aws.logs import LogEvent

NUMBERED: Final = b'{"seq"'
"""How the harness begins a line that is not a mark."""
FEW: Final = 1_000
"""Event ids that may be remembered beyond their time: tidying has a price, too."""


class Tail:
    """A place in a stream."""

    def __init__(self, cursor: Cursor, *, overlap_s: float, begun_ms: int) -> None:
        """`begun_ms`: nothing in the stream is older; for where the cursor says nothing."""
        self._overlap_ms = round(overlap_s * 1000)
        self._begun_ms = begun_ms
        self._joiner = Joiner(patience_s=overlap_s)
        self.rewind(cursor)

    def rewind(self, cursor: Cursor) -> None:
        """Goes back to `cursor`. What follows is read again: a late line may be among it."""
        at_ms = cursor.get("ms")
        self._newest_ms = at_ms if isinstance(at_ms, int) else self._begun_ms
        self._handed_ms = self._newest_ms
        self._floor_ms = self.start_ms
        self._seen: dict[str, int] = {}
        self._few = FEW

    @property
    def start_ms(self) -> int:
        """From when on to read, so that nothing is missed that came late."""
        open_ms = self._joiner.open_since_ms
        at_ms = self._newest_ms if open_ms is None else min(open_ms, self._newest_ms)
        return max(0, at_ms - self._overlap_ms)

    @property
    def waits(self) -> bool:
        """Whether pieces of a line wait for the others."""
        return self._joiner.waits

    def is_due(self, now: float) -> bool:
        """Whether a look from `start_ms` on, and `settle`, would make a line of pieces."""
        return self._joiner.is_due(now)

    def take(self, events: Iterable[LogEvent], now: float) -> Batch:
        """What is new in these events, as lines, and where to read on after them."""
        new: list[LogEvent] = []
        for event in events:
            # What is older than all that is remembered was seen, or is so late that whoever misses it rewinds.
            if event.at_ms >= self._floor_ms and event.id not in self._seen:
                self._seen[event.id] = event.at_ms
                new.append(event)
        if new:
            self._newest_ms = max(self._newest_ms, *(event.at_ms for event in new))
            self._forget()
        return self._batch(self._joiner.feed(new, now))

    def settle(self, now: float) -> Batch:
        """What came of pieces, once all was taken that was there at `now`, from `start_ms` on."""
        return self._batch(self._joiner.settle(now))

    def _batch(self, found: list[Found]) -> Batch:
        # What is missing before a numbered line is known to be missing, and what will come behind it is no older. Of a
        # mark, or of a piece, nobody can say that.
        self._handed_ms = max(self._handed_ms, *(one.at_ms for one in found if one.text.startswith(NUMBERED)), 0)
        open_ms = self._joiner.open_since_ms
        cursor = self._handed_ms if open_ms is None else min(open_ms, self._handed_ms)
        return Batch([one.text for one in found], {"ms": cursor})

    def _forget(self) -> None:
        if len(self._seen) > self._few:
            self._floor_ms = max(self._floor_ms, self.start_ms)
            self._seen = {name: at_ms for name, at_ms in self._seen.items() if at_ms >= self._floor_ms}
            self._few = max(FEW, 2 * len(self._seen))
