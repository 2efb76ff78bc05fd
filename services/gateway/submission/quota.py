"""Lets a submission in, or says why not and when there is room. The store decides, in one document per user."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import structlog

from services.gateway.errors import OverLimit, RateLimited, TooManyPending
from services.gateway.metrics import REFUSED
from services.gateway.ports import Windows
from services.gateway.submission.allowances import Allowances
from shared.domain.limits import Limits
from shared.domain.ratelimit import counted, room_at
from shared.ids import TestId, UserId
from shared.store.admissions import RateWindow
from shared.store.connect import StoreError

log = structlog.get_logger()

LOOK_AGAIN: Final = timedelta(seconds=5)
"""When one of many waiting tests gets its slot cannot be told."""


class Quota:
    """The limits that hold where tests are handed in."""

    def __init__(self, windows: Windows, allowances: Allowances) -> None:
        self._windows = windows
        self._allowances = allowances

    async def enter(self, user: UserId, test: TestId, now: datetime) -> None:
        """Takes a place for this test. Raises RateLimited or TooManyPending where the user has none left."""
        limits = await self._allowances.of(user)
        full = await self._windows.enter(user, test, now, limits)
        if full is not None:
            error = refusal(user, full, limits, now)
            REFUSED.labels(error.limit).inc()
            raise error

    async def changed(self, user: UserId, now: datetime) -> None:
        """An admin has set limits of this user. What there is already counts, as far as nobody has listed it."""
        self._allowances.forget(user)
        limits = await self._allowances.of(user)
        if limits.submissions_per_hour or limits.max_pending:
            await self._windows.recall(user, now)

    async def leave(self, user: UserId, test: TestId) -> None:
        """Gives the place back, if it can: the test is not a new one."""
        try:
            await self._windows.leave(user, test)
        except StoreError as error:
            log.warning("place_not_given_back", user=user, test_id=test, error=repr(error))


def refusal(user: UserId, full: RateWindow, limits: Limits, now: datetime) -> OverLimit:
    """Why a window with no place left has none."""
    most = limits.submissions_per_hour
    times = [one.t for one in full.at]
    if most and (len(counted(times, now)) >= most or not limits.max_pending):
        room = room_at(times, most, now)
        return RateLimited(
            user,
            f"{user} may hand in {_tests(most)} in any 60 minutes, retries included; "
            f"there is room again at {room:%H:%M:%S} UTC.",
            room - now,
        )
    return TooManyPending(
        user,
        f"{user} may have {_tests(limits.max_pending)} waiting at the same time; "
        "hand in the next one when one of them has got its slot, or cancel one.",
        LOOK_AGAIN,
    )


def _tests(count: int) -> str:
    return "1 test" if count == 1 else f"{count} tests"
