"""Places that people share: so many in all, and so many for one of them, so that nobody can take them all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Full(Exception):
    """There is no place; `of_user`: this user has as many as one may have, and others may still get one."""

    def __init__(self, *, of_user: bool) -> None:
        super().__init__("the user's share is taken" if of_user else "all places are taken")
        self.of_user = of_user


class Places:
    """At most `most` at once, and at most `each` of one user."""

    def __init__(self, most: int, each: int) -> None:
        self._most = most
        self._each = each
        self._held: Counter[str] = Counter()

    @contextmanager
    def held(self, user: str) -> Iterator[None]:
        """Holds a place for this user while the block lasts. Raises Full."""
        if self._held[user] >= self._each:
            raise Full(of_user=True)
        if self._held.total() >= self._most:
            raise Full(of_user=False)
        self._held[user] += 1
        try:
            yield
        finally:
            self._held[user] -= 1
            self._held += Counter()  # forgets who holds none
