"""What each user may take, as it was at the last look at the store. Knows nothing of who waits or runs."""

from __future__ import annotations

from services.scheduler.ports import Users
from shared.domain.limits import Limits
from shared.ids import UserId


class Shares:
    """The weights and maxima of all users, kept in memory: few differ from the defaults."""

    def __init__(self, users: Users, *, max_running: int) -> None:
        self._users = users
        self._defaults = Limits(max_running=max_running)
        self._own: dict[UserId, Limits] = {}

    async def begin(self) -> None:
        """Says what the default is, and looks for the first time."""
        await self._users.tell_max_running(self._defaults.max_running)
        await self.look()

    async def look(self) -> None:
        """Reads what admins have set."""
        self._own = {user.id: user.over(self._defaults) for user in await self._users.all()}

    @property
    def limited(self) -> bool:
        """Whether anybody has a maximum."""
        return self._defaults.max_running > 0 or any(limits.max_running for limits in self._own.values())

    def max_running(self, user: UserId) -> int:
        """How many slots this user may hold at once; 0 is any number."""
        return self._own.get(user, self._defaults).max_running

    def weight(self, user: UserId) -> float:
        """How many turns this user gets beside a user of weight 1."""
        return self._own.get(user, self._defaults).weight
