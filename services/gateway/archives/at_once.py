"""How many things of a kind a user may have under way at the same time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.gateway.errors import OverLimit
from shared.ids import UserId


class AtOnce:
    """Counts for each user, in this process. `too_many` makes the refusal."""

    def __init__(self, most: int, too_many: Callable[[UserId, int], OverLimit]) -> None:
        self._most = most
        self._too_many = too_many
        self._under_way: Counter[UserId] = Counter()

    @contextmanager
    def one_more(self, user: UserId) -> Iterator[None]:
        """Counts for as long as it is open. Raises what `too_many` makes where the user has as many as may be."""
        if self._under_way[user] >= self._most:
            raise self._too_many(user, self._most)
        self._under_way[user] += 1
        try:
            yield
        finally:
            self._under_way[user] -= 1
            if not self._under_way[user]:
                del self._under_way[user]
