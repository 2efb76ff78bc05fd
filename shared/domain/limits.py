"""What one user may take: a value. Who counts and who refuses is decided elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST: Final = 10_000
"""No limit is higher: the log of a user's submissions and the list of what waits lie in one document each."""
MOST_WEIGHT: Final = 100.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds for a user. 0 is no limit; a weight of 2 gets twice as many turns in the queue as one of 1."""

    submissions_per_hour: int = 0
    max_pending: int = 0
    max_running: int = 0
    weight: float = 1.0
