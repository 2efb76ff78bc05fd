"""What each user may take: looked up when it is needed and remembered for a moment. Refuses nobody itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from services.gateway.ports import Users
from shared.domain.limits import Limits
from shared.ids import UserId

FRESH_S: Final = 2.0
"""So long another gateway may go on with what held before an admin changed it."""
MOST_REMEMBERED: Final = 10_000


class Allowances:
    """The limits of those who call here."""

    def __init__(self, users: Users, defaults: Limits, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._users = users
        self._defaults = defaults
        self._monotonic = monotonic
        self._known: dict[UserId, tuple[float, Limits]] = {}

    async def of(self, user: UserId) -> Limits:
        """What holds for this user."""
        now = self._monotonic()
        known = self._known.get(user)
        if known is not None and now - known[0] < FRESH_S:
            return known[1]
        limits = (await self._users.get(user)).over(self._defaults)
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[user] = now, limits
        return limits

    def forget(self, user: UserId) -> None:
        """Looks it up when it is needed next: an admin has changed it here."""
        self._known.pop(user, None)
