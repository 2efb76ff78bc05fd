"""When to try again, and after how long. Pure: the clients do the waiting."""

from __future__ import annotations

import random
from dataclasses import dataclass

STEADY_S = 1.0
"""A stream that breaks sooner, whatever it said before, is begun again after ever longer pauses."""
MOST_BRIEF = 100
"""So many of them in a row are enough, where a stream should have ended by itself."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Calls that meet an unavailable server are repeated: `attempts` times in all, with growing pauses (in seconds).

    Repeating is harmless: each submission carries a request id, and everything else may be said twice.
    Streams count anew whenever a message arrives, and have `stream_attempts`, since a server may restart under them.
    """

    attempts: int = 5
    first_pause: float = 0.1
    longest_pause: float = 5.0
    stream_attempts: int = 12

    def pause(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row: between half and all of it, so that clients spread out."""
        ceiling: float = min(self.longest_pause, self.first_pause * 2 ** min(failures - 1, 30))
        return ceiling * (0.5 + random.random() / 2)


NO_RETRY = RetryPolicy(attempts=1, stream_attempts=1)
