"""What lines that have not ended say, for one client: which of them it is told, and which it must take away again.

A filter may let through what a line says first and leave out what becomes of it. Knows neither store nor socket.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from assay.v1 import log_pb2
from services.gateway.streams.loglines import STREAMS, Wanted, partial_message
from shared.domain.logsequence import attempt_of, first_seq
from shared.events.logs import PartialLine
from shared.store.logs import RawLine


class OpenLines:
    """At most one line of each stream."""

    def __init__(self, wanted: Wanted, *, asked_for: bool) -> None:
        self._wanted = wanted
        self._filters = asked_for and not wanted.everything
        self._waiting: dict[str, PartialLine] = {}
        # What a client shows that lost its stream is not known. It may stand behind the last of the lines read first.
        self._shown: set[int] = {one for one in STREAMS.values() if self._filters and wanted.shows(one)}
        self._caught_up = False
        self._over: set[int] = set()
        self._gone: dict[int, int] = {}

    @property
    def is_shown(self) -> bool:
        """Whether the client may show one that a line which it does not get would leave standing."""
        return bool(self._shown)

    def hear(self, partials: Iterable[PartialLine]) -> None:
        """What lines say now. Of each stream only the newest word counts."""
        self._waiting |= {partial.stream: partial for partial in partials}

    def passed(self, lines: Iterable[log_pb2.LogLine]) -> None:
        """These lines came, and the client got those of them that it wants."""
        for stream, line in {line.stream: line for line in lines}.items():
            if stream in self._shown:
                self._ended(stream, line.seq, taken=self._wanted.takes(line))

    def passed_raw(self, lines: Sequence[RawLine]) -> None:
        """The same of lines as they are stored."""
        for name, line in ({line["stream"]: line for line in lines} if self._shown else {}).items():
            stream = STREAMS.get(name, 0)
            if stream in self._shown:
                self._ended(stream, line["seq"], taken=bool(self._wanted.of_raw([line])))

    def told(self, last: int) -> list[log_pb2.PartialLine]:
        """What to tell who has read up to the line `last`. What a line has overtaken is old; what is ahead waits for
        its lines."""
        told = [_gone(stream, after) for stream, after in self._gone.items()]
        if self._caught_up:
            self._shown -= self._over
        self._caught_up = True
        self._gone.clear()
        self._over.clear()
        for stream, said in list(self._waiting.items()):
            if said.after > last and not is_next(last, said.after):
                continue
            made = partial_message(said)
            # Old or not: what the client shows of the stream is older.
            if is_next(last, said.after) or not self._wanted.takes(made):
                told += self._said(made)
            del self._waiting[stream]
        return told

    def _said(self, made: log_pb2.PartialLine) -> list[log_pb2.PartialLine]:
        if self._wanted.takes(made):
            if self._filters:
                self._shown.add(made.stream)
            return [made]
        if made.stream not in self._shown:
            return []
        self._shown.discard(made.stream)
        return [_gone(made.stream, made.after_seq)]

    def _ended(self, stream: int, seq: int, *, taken: bool) -> None:
        self._over.add(stream)
        self._gone.pop(stream, None)
        if not taken:
            self._gone[stream] = seq - 1


def _gone(stream: int, after: int) -> log_pb2.PartialLine:
    return log_pb2.PartialLine(stream=stream, after_seq=after, gone=True)  # type: ignore[arg-type]


def is_next(last: int, after: int) -> bool:
    """Whether what comes after the line `after` is what comes next for who has read up to the line `last`."""
    return last == after or (last < after == first_seq(attempt_of(after + 1)) - 1)
