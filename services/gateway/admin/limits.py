"""GetUserLimits, SetUserLimits: what single users may take, where that differs from the defaults."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

import structlog

from assay.v1 import admin_service_pb2 as pb
from services.gateway.caller import changed
from services.gateway.errors import Violations
from services.gateway.ports import Users
from services.gateway.submission.quota import Quota
from shared.clock import Clock
from shared.domain.limits import MOST, MOST_WEIGHT, Limits
from shared.ids import USER_ID, UserId
from shared.store.limits import LIMITS

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
            overrides=pb.UserLimits(**own.overrides), effective=api_limits(own.over(await self._all_defaults()))
        )

    async def of(self, user: UserId) -> Limits:
        """What holds for this user now, defaults filled in."""
        return (await self._users.get(user)).over(await self._all_defaults())

    async def set(self, request: pb.SetUserLimitsRequest, by: UserId) -> pb.SetUserLimitsResponse:
        """Sets all limits, or those that the mask names. Raises InvalidRequest with every bad field."""
        violations = Violations()
        user = _user(request.user_id, violations)
        changes = _changes(request, violations)
        violations.raise_if_any()
        before = (await self._users.get(user)).overrides
        own = await self._users.change(user, changes)
        for name in sorted(changes):
            changed(name, before.get(name, "default"), own.overrides.get(name, "default"))
        effective = own.over(await self._all_defaults())
        await self._quota.changed(user, self._clock.now())
        log.info("limits_set", of=user, by=by, **own.overrides)
        await self._nudge()
        return pb.SetUserLimitsResponse(effective=api_limits(effective), overrides=pb.UserLimits(**own.overrides))

    async def _all_defaults(self) -> Limits:
        """Ours, and the one that is a setting of the schedulers."""
        return replace(self._defaults, max_running=await self._users.default_max_running())


def _user(user_id: str, violations: Violations) -> UserId:
    if not USER_ID.fullmatch(user_id):
        violations.add("user_id", "must be 1 to 64 letters, digits, _ or -")
    return UserId(user_id)


def _changes(request: pb.SetUserLimitsRequest, violations: Violations) -> dict[str, Any]:
    """What to set, by name; None goes back to the default."""
    named = set(request.update_mask.paths) or set(LIMITS)
    if named.difference(LIMITS):
        violations.add("update_mask", f"must name some of {', '.join(sorted(LIMITS))}")
    set_ = {field.name: value for field, value in request.overrides.ListFields()}
    found = {name: set_.get(name) for name in named.intersection(LIMITS)}
    for name in COUNTS:
        if not 0 <= (found.get(name) or 0) <= MOST:
            violations.add(f"overrides.{name}", f"must be from 0 (no limit) to {MOST:,}; leave it out for the default")
    weight = found.get("weight")
    if weight is not None and not 0 < weight <= MOST_WEIGHT:  # not a number is neither
        violations.add("overrides.weight", f"must be above 0 and at most {MOST_WEIGHT:g}; 1 is usual")
    return found


def api_limits(limits: Limits) -> pb.UserLimits:
    """Limits with every field set."""
    return pb.UserLimits(
        submissions_per_hour=limits.submissions_per_hour,
        max_pending=limits.max_pending,
        max_running=limits.max_running,
        weight=limits.weight,
    )
