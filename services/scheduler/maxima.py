"""Who may hold no further slot: pure decisions. A maximum of 0 is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from shared.ids import UserId
from shared.store.documents import QueueEntry

Maximum = Callable[[UserId], int]
"""How many slots a user may hold at once."""


def at_maximum(held: Mapping[UserId, int], maximum: Maximum) -> set[UserId]:
    """The users who hold as many slots as they may."""
    return {user for user, slots in held.items() if slots >= maximum(user) > 0}


def within_maxima(entries: Sequence[QueueEntry], held: Mapping[UserId, int], maximum: Maximum) -> list[QueueEntry]:
    """Those of the next tests that can be granted together, in their order: each user's up to his maximum."""
    then = Counter(held)
    granted = []
    for entry in entries:
        if not then[entry.user_id] >= maximum(entry.user_id) > 0:
            then[entry.user_id] += 1
            granted.append(entry)
    return granted
