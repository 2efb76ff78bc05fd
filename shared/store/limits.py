"""What single users may take, where that differs from the defaults. Who has no limit of their own has no document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from pydantic import Field

from shared.domain.limits import Limits
from shared.ids import UserId
from shared.store.connect import Database
from shared.store.documents import Part


class UserLimits(Part):
    """A user's limits. None is the default, 0 is no limit."""

    id: UserId = Field(alias="_id")
    submissions_per_hour: int | None = None
    max_pending: int | None = None
    max_running: int | None = None
    weight: float | None = None

    def over(self, defaults: Limits) -> Limits:
        """What holds."""
        return replace(defaults, **self.overrides)

    @property
    def overrides(self) -> dict[str, Any]:
        """What was set."""
        return self.model_dump(exclude={"id"}, exclude_none=True)


LIMITS: Final = tuple(name for name in UserLimits.model_fields if name != "id")


class UserLimitsStore:
    """The users with limits of their own: few."""

    def __init__(self, database: Database) -> None:
        self._users = database["users"]
        self._meta = database["meta"]

    async def get(self, user: UserId) -> UserLimits:
        """A user's limits."""
        found = await self._users.find_one({"_id": user})
        return UserLimits.model_validate(found) if found else UserLimits(id=user)

    async def all(self) -> list[UserLimits]:
        """Everybody's. Read as a whole: they are few."""
        return [UserLimits.model_validate(found) async for found in self._users.find({})]

    async def change(self, user: UserId, changes: Mapping[str, Any]) -> UserLimits:
        """Sets these limits, by name, and leaves the others; None goes back to the default. What is set now.

        Who has no limit of their own has no document."""
        given = {name: value for name, value in changes.items() if value is not None}
        gone = dict.fromkeys(changes.keys() - given.keys(), "")
        update = {operator: fields for operator, fields in (("$set", given), ("$unset", gone)) if fields}
        if update:
            await self._users.update_one({"_id": user}, update, upsert=bool(given))
            if not given:
                await self._users.delete_one({"_id": user, **dict.fromkeys(LIMITS, None)})
        return await self.get(user)

    async def tell_max_running(self, default: int) -> None:
        """What the schedulers take where nothing else was set for a user: written by them, for those who ask."""
        await self._meta.update_one({"_id": "limits"}, {"$set": {"max_running": default}}, upsert=True)

    async def default_max_running(self) -> int:
        """What the schedulers said last; 0 where none has started yet."""
        found = await self._meta.find_one({"_id": "limits"})
        return int(found["max_running"]) if found else 0
