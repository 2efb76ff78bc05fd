"""GetUserLimits, SetUserLimits: what single users may take, where that differs from the defaults."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

import structlog

from assay.v1 import admin_service_pb2 as pb
from services.gateway.errors import Violations
from services.gateway.ports import Users
from services.gateway.submission.quota import Quota
from shared.clock import Clock
from shared.domain.limits import MOST, MOST_WEIGHT, Limits
from shared.ids import USER_ID, UserId
from shared.store.limits import UserLimits

log = structlog.get_logger()

COUNTS: Final = ("submissions_per_hour", "max_pending", "max_running")


class LimitControl:
    """The limits of users. They hold here at once, elsewhere within some seconds."""

    def __init__(
        self,
        users: Users,
        quota: Quota,
        clock: Clock,
        *,
        defaults: Limits,
        nudge: Callable[[], Awaitable[None]],
    ) -> None:
        self._users = users
        self._quota = quota
        self._clock = clock
        self._defaults = defaults
        self._nudge = nudge

    async def get(self, request: pb.GetUserLimitsRequest) -> pb.GetUserLimitsResponse:
        """Of any user id, whether anybody has it. Raises InvalidRequest."""
        violations = Violations()
        user = _user(request.user_id, violations)
        violations.raise_if_any()
        own = await self._users.get(user)
        return pb.GetUserLimitsResponse(
            overrides=pb.UserLimits(**own.overrides), effective=_message(own.over(await self._all_defaults()))
        )

    async def set(self, request: pb.SetUserLimitsRequest, by: UserId) -> pb.SetUserLimitsResponse:
        """Replaces what was set before. Raises InvalidRequest with every bad field."""
        violations = Violations()
        user = _user(request.user_id, violations)
        own = _limits(user, request.overrides, violations)
        violations.raise_if_any()
        await self._users.put(own)
        effective = own.over(await self._all_defaults())
        await self._quota.changed(user, self._clock.now())
        log.info("limits_set", of=user, by=by, **own.overrides)
        await self._nudge()
        return pb.SetUserLimitsResponse(effective=_message(effective))

    async def _all_defaults(self) -> Limits:
        """Ours, and the one that is a setting of the schedulers."""
        return replace(self._defaults, max_running=await self._users.default_max_running())


def _user(user_id: str, violations: Violations) -> UserId:
    if not USER_ID.fullmatch(user_id):
        violations.add("user_id", "must be 1 to 64 letters, digits, _ or -")
    return UserId(user_id)


def _limits(user: UserId, overrides: pb.UserLimits, violations: Violations) -> UserLimits:
    found: dict[str, Any] = {}
    for name in (*COUNTS, "weight"):
        if overrides.HasField(name):
            found[name] = getattr(overrides, name)
    for name in COUNTS:
        if not 0 <= found.get(name, 0) <= MOST:
            violations.add(f"overrides.{name}", f"must be from 0 (no limit) to {MOST:,}; leave it out for the default")
    if not 0 < found.get("weight", 1.0) <= MOST_WEIGHT:  # not a number is neither
        violations.add("overrides.weight", f"must be above 0 and at most {MOST_WEIGHT:g}; 1 is usual")
    return UserLimits(id=user, **found)


def _message(limits: Limits) -> pb.UserLimits:
    return pb.UserLimits(
        submissions_per_hour=limits.submissions_per_hour,
        max_pending=limits.max_pending,
        max_running=limits.max_running,
        weight=limits.weight,
    )
