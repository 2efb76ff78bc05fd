"""Lines that arrived together, made into messages once for all who want the same of them."""

from __future__ import annotations

from collections.abc import Sequence

from assay.v1 import log_pb2
from services.gateway.streams.loglines import Line, Wanted, message, messages


class Batch:
    """Lines that follow one another without a hole."""

    def __init__(self, lines: Sequence[Line], size: int) -> None:
        self.first = lines[0].seq
        self.last = lines[-1].seq
        self.size = size
        """Bytes, as they came over the bus."""
        self._lines = lines
        self._messages: list[log_pb2.LogLine] | None = None
        self._packed: dict[Wanted, list[bytes]] = {}

    def packed(self, wanted: Wanted) -> list[bytes]:
        """Serialised messages of StreamLogs with the wanted lines; none, where nobody wants any of them."""
        found = self._packed.get(wanted)
        if found is None:
            found = self._packed[wanted] = messages(wanted.of_lines(self._all()))
        return found

    def after(self, last: int, wanted: Wanted) -> list[bytes]:
        """The same for the lines after number `last`: for a reader that has seen some of them."""
        if last < self.first:
            return self.packed(wanted)
        return messages(wanted.of_lines(self.lines_after(last)))

    def lines_after(self, last: int) -> Sequence[log_pb2.LogLine]:
        """The lines after number `last`."""
        return self._all() if last < self.first else [line for line in self._all() if line.seq > last]

    def _all(self) -> list[log_pb2.LogLine]:
        if self._messages is None:
            self._messages = [message(line) for line in self._lines]
        return self._messages
