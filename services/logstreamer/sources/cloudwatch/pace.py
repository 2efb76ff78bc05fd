"""How long to wait from one look at a group to the next. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LONGEST_S: Final = 30.0
"""Between looks while AWS refuses them."""
CALLS_PER_S: Final = 4.0
"""One group's share of FilterLogEvents, whose quota is 5 to 25 calls per second in a region."""
QUIET_AFTER_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds from look to look."""

    usual_s: float = 2.0
    fastest_s: float = 0.5
    """While lines flow, and `usual_s` longer; and while a task that has ended is drained."""
    slowest_s: float = 5.0
    """Where nobody has written for half a minute."""

    def after(self, *, hurry: bool, starting: bool, quiet_for_s: float, calls: int) -> float:
        """After a look that took so many calls. `starting`: somebody waits for the first line of a task."""
        if hurry or quiet_for_s < self.usual_s:
            wanted = self.fastest_s
        elif starting or quiet_for_s < QUIET_AFTER_S:
            wanted = self.usual_s
        else:
            wanted = self.slowest_s
        return max(wanted, calls / CALLS_PER_S)

    def after_refusal(self, refusals: int) -> float:
        """After so many refused looks, one behind the other."""
        return min(LONGEST_S, self.usual_s * 2.0 ** min(refusals, 10))
