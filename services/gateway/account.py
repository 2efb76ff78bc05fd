"""GetAccount: who is calling, what they may take, and what is left of it. Asking uses nothing up."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import NamedTuple

from assay.v1 import account_service_pb2 as pb
from assay.v1 import admin_service_pb2
from services.gateway.admin.keys import api_key
from services.gateway.admin.limits import LimitControl, api_limits
from services.gateway.caller import Caller
from services.gateway.ports import HeldSlots, KeyRing, Line, Windows
from services.gateway.translate import duration, timestamp
from shared.clock import Clock
from shared.domain.limits import Limits
from shared.domain.ratelimit import counted, room_at
from shared.store.admissions import RateWindow
from shared.store.documents import ApiKey
from shared.version import assay_version


class SubmissionsLeft(NamedTuple):
    """How many more tests a user may hand in now, and in how many seconds one more: None while some are left."""

    number: int
    next_in_s: float | None


def submissions_left(window: RateWindow, limits: Limits, now: datetime) -> SubmissionsLeft | None:
    """What the limit of submissions leaves of the window; None where there is no limit."""
    most = limits.submissions_per_hour
    if not most:
        return None
    times = [one.t for one in window.at]
    left = max(most - len(counted(times, now)), 0)
    return SubmissionsLeft(left, None if left else (room_at(times, most, now) - now).total_seconds())


class Accounts:
    """The accounts of those who call."""

    def __init__(
        self, keys: KeyRing, limits: LimitControl, windows: Windows, line: Line, slots: HeldSlots, clock: Clock
    ) -> None:
        self._keys = keys
        self._limits = limits
        self._windows = windows
        self._line = line
        self._slots = slots
        self._clock = clock

    async def of(self, caller: Caller) -> pb.GetAccountResponse:
        """The caller's own account, as it is now."""
        user = caller.user_id
        key, limits, window, pending, running = await asyncio.gather(
            self._key(caller),
            self._limits.of(user),
            self._windows.window(user),
            self._line.pending_of(user),
            self._slots.held_by(user),
        )
        now = self._clock.now()
        left = submissions_left(window, limits, now)
        return pb.GetAccountResponse(
            user_id=user,
            role=admin_service_pb2.ROLE_ADMIN if caller.admin else admin_service_pb2.ROLE_USER,
            key=api_key(key) if key else None,
            limits=api_limits(limits),
            submissions_left=left.number if left else None,
            next_submission_in=duration(left.next_in_s) if left else None,
            pending=pending,
            running=running,
            server_version=assay_version(),
            server_time=timestamp(now),
        )

    async def _key(self, caller: Caller) -> ApiKey | None:
        """None for a token of a sign-in service."""
        return await self._keys.get(caller.key_id) if caller.key_id else None
