"""Which streams to ask for that are not known to exist.

One missing stream spoils a call for all in it, and AWS does not say which it was. So those that are not known are asked
for apart from the others, in groups: one that succeeds doubles the next, one that fails halves it. Tasks that were
launched together come up together, so a few calls find a hundred. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from shared.aws.logs import MOST_STREAMS

A_LOOK: Final = 4
"""Calls for this in one look at a group, however many streams wait."""
LONGEST_WAIT_S: Final = 2.0

Stream = TypeVar("Stream")


class Scouting:
    """How large the next group is."""

    def __init__(self) -> None:
        self._size = 1

    def group(self, unknown: Sequence[Stream]) -> Sequence[Stream]:
        """Whom to ask for next, of those whose time has come, the most urgent first."""
        return unknown[: self._size]

    def found(self, count: int) -> None:
        """A group of so many was there."""
        self._size = min(MOST_STREAMS, max(self._size, 2 * count))

    def missing(self, count: int) -> None:
        """In a group of so many, one was not."""
        self._size = max(1, count // 2)


def wait_s(failures: int) -> float:
    """When to ask again for a single stream that was not there so many times."""
    return min(LONGEST_WAIT_S, 0.5 * 2.0 ** min(failures, 10))
