"""Sequence numbers of log lines: counted at the source, one block of numbers per attempt.

A second attempt continues in its own block, so a number names one line of a test for ever, and who reads on from a
number never meets a line of an earlier attempt again. A hole inside a block is a lost line; the step to the next
block is not.
"""

from __future__ import annotations

from typing import Final

BLOCK: Final = 1_000_000
"""Numbers per attempt. The harness ends a log before them; a line split in pieces has a number per piece."""
MOST_LINES: Final = BLOCK - 1_000
"""What the limit of an attempt's output may be at most: the rest is for what the harness has to say itself."""


def first_seq(attempt: int) -> int:
    """The number of the first line of an attempt (counted from 1)."""
    return (max(attempt, 1) - 1) * BLOCK + 1


def attempt_of(seq: int) -> int:
    """The attempt that wrote the line with this number."""
    return (seq - 1) // BLOCK + 1


def follows(last: int, seq: int) -> bool:
    """Whether nothing is missing between the line `last` (0: none yet) and the line `seq`."""
    return seq == last + 1 or (seq == first_seq(attempt_of(seq)) and attempt_of(seq) > attempt_of(max(last, 1)))
