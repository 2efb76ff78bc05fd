"""Puts what was read back into the order of the source, and knows exactly what is missing.

Every line carries its number from the source, so loss, repetition and reordering on the way are facts and not
guesses. Pure: no reading, no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.domain.logsequence import BLOCK
from shared.events.logs import LogLine, PartialLine, Seconds
from shared.events.tasks import HarnessPhase

PARTIAL: Final = b'{"partial":'
"""How the harness begins what it tells of a line that has not ended."""
LONGEST_TEXT: Final = 1 << 16
"""Characters. The harness splits at 16 KiB of what was written, and none of those bytes becomes more than four."""


class _Mark(BaseModel):
    """What the harness says of itself."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    nonce: str
    mark: str
    ts: Seconds = 0.0
    lines: int = 0


@dataclass(frozen=True, slots=True)
class PhaseMark:
    """The harness entered a phase, at `ts` (seconds since 1970)."""

    phase: HarnessPhase
    ts: float


@dataclass(slots=True)
class Step:
    """What a piece of output came to."""

    lines: list[LogLine] = field(default_factory=list)
    """In order, new; a hole before one of them, or one that fills an earlier hole, only after `release`."""
    partials: list[PartialLine] = field(default_factory=list)
    """The newest of each stream, where no line came after it."""
    phases: list[PhaseMark] = field(default_factory=list)
    unreadable: int = 0


class Sequencer:
    """The state of one attempt's output."""

    def __init__(self, *, nonce: str, first: int, last: int | None = None) -> None:
        self._nonce = nonce
        self.first = first
        self.last = first - 1 if last is None else last
        """The highest number handed on."""
        self.expected_last: int | None = None
        """The source's last number, once the end mark was read."""
        self.truncated = False
        self._ahead: dict[int, LogLine] = {}
        self._skipped: set[int] = set()

    @property
    def ended(self) -> bool:
        """Whether the end mark was read and every line before it, too."""
        return self.expected_last is not None and self.last >= self.expected_last and not self._skipped

    @property
    def has_skipped(self) -> bool:
        """Whether a hole was left behind that is still open."""
        return bool(self._skipped)

    @property
    def keeps_back(self) -> bool:
        """Whether lines wait for a hole before them to be filled."""
        return bool(self._ahead)

    @property
    def knows_more(self) -> bool:
        """Whether something was read that is not in the lines handed on: lines kept back, the end, the truncation."""
        return self.keeps_back or self.expected_last is not None or self.truncated

    def feed(self, raw: Iterable[bytes]) -> Step:
        """Takes output in. Lines that are ahead of a hole are kept back until the hole is filled or `release`
        is called."""
        step = Step()
        partials: dict[str, PartialLine] = {}
        for piece in raw:
            found = _parse(piece)
            if found is None or not self._is_ours(found):
                step.unreadable += 1
            elif isinstance(found, LogLine):
                self._take(found, step)
            elif isinstance(found, PartialLine):
                partials[found.stream] = found
            else:
                self._mark(found, step)
        step.partials = [partial for partial in partials.values() if partial.after >= self.last]
        return step

    def release(self) -> list[LogLine]:
        """Hands on what was kept back, holes and all. What comes to fill them after all is handed on when it comes."""
        lines = [self._ahead[seq] for seq in sorted(self._ahead)]
        if lines:
            self._skipped |= {seq for seq in range(self.last + 1, lines[-1].seq) if seq not in self._ahead}
            self.last = lines[-1].seq
        self._ahead.clear()
        return lines

    def _is_ours(self, found: LogLine | PartialLine | _Mark) -> bool:
        """Whether the harness of this attempt may have written it. A number beyond those of the attempt is none of
        its lines: it would be a line of another attempt, and a hole of any size."""
        behind = self.first + BLOCK
        if isinstance(found, LogLine):
            return self.first <= found.seq < behind and len(found.text) <= LONGEST_TEXT
        if isinstance(found, PartialLine):
            return self.first - 1 <= found.after < behind and len(found.text) <= LONGEST_TEXT
        if found.nonce != self._nonce or not self._nonce:
            return False
        return found.mark != "end" or self.first - 1 <= found.lines < behind

    def _take(self, line: LogLine, step: Step) -> None:
        if line.seq <= self.last:
            if line.seq in self._skipped:
                self._skipped.discard(line.seq)
                step.lines.append(line)
            return  # else seen before
        if line.seq > self.last + 1:
            self._ahead[line.seq] = line
            return
        step.lines.append(line)
        self.last = line.seq
        while self._ahead and (following := self._ahead.pop(self.last + 1, None)) is not None:
            step.lines.append(following)
            self.last = following.seq

    def _mark(self, found: _Mark, step: Step) -> None:
        if found.mark == "end":
            self.expected_last = found.lines
        elif found.mark == "truncated":
            self.truncated = True
        elif found.mark in set(HarnessPhase):
            step.phases.append(PhaseMark(HarnessPhase(found.mark), found.ts))


def runs(lines: Sequence[LogLine], *, max_lines: int, max_size: int) -> list[list[LogLine]]:
    """Cuts lines into pieces without a hole inside, of at most so many lines and characters; a longer line is alone."""
    pieces: list[list[LogLine]] = []
    size = 0
    for line in lines:
        length = len(line.text) + 80
        whole = pieces and pieces[-1][-1].seq + 1 == line.seq
        if not whole or len(pieces[-1]) >= max_lines or size + length > max_size:
            pieces.append([])
            size = 0
        pieces[-1].append(line)
        size += length
    return pieces


def _parse(piece: bytes) -> LogLine | PartialLine | _Mark | None:
    kind = PartialLine if piece.startswith(PARTIAL) else _Mark if b'"mark"' in piece[:12] else LogLine
    try:
        return kind.model_validate_json(piece)
    except ValidationError:
        return None
