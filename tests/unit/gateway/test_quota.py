from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from services.gateway.errors import OverLimit, RateLimited, TooManyPending
from services.gateway.submission.allowances import FRESH_S, Allowances
from services.gateway.submission.quota import LOOK_AGAIN, refusal
from shared.domain.limits import Limits
from shared.ids import UserId, new_test_id
from shared.store.admissions import RateWindow, Submitted
from shared.store.limits import UserLimits
from tests.support.samples import ALICE, BOB, NOW

MINUTE = timedelta(minutes=1)


def window(*minutes_ago: int, waiting: int = 0) -> RateWindow:
    return RateWindow(
        id=ALICE,
        at=[Submitted(id=new_test_id(), t=NOW - minutes * MINUTE) for minutes in minutes_ago],
        waiting=[new_test_id() for _ in range(waiting)],
    )


@pytest.mark.parametrize(
    ("full", "limits", "kind", "retry_after"),
    [
        pytest.param(window(50, 10), Limits(submissions_per_hour=2), RateLimited, 10 * MINUTE, id="the oldest leaves"),
        pytest.param(
            window(50, 40, 30, 5), Limits(submissions_per_hour=2), RateLimited, 30 * MINUTE, id="after it was lowered"
        ),
        pytest.param(
            window(50, waiting=3),
            Limits(submissions_per_hour=2, max_pending=3),
            TooManyPending,
            LOOK_AGAIN,
            id="many wait",
        ),
        pytest.param(window(waiting=3), Limits(max_pending=3), TooManyPending, LOOK_AGAIN, id="many wait, any rate"),
        pytest.param(
            window(50, 20, waiting=3),
            Limits(submissions_per_hour=2, max_pending=3),
            RateLimited,
            10 * MINUTE,
            id="both",
        ),
        pytest.param(window(90), Limits(submissions_per_hour=1), RateLimited, 0 * MINUTE, id="free again by now"),
    ],
)
def test_a_refusal_says_which_limit_and_when_there_is_room(
    full: RateWindow, limits: Limits, kind: type[OverLimit], retry_after: timedelta
) -> None:
    error = refusal(ALICE, full, limits, NOW)
    assert type(error) is kind
    assert error.retry_after == retry_after
    assert error.subject == "user:alice"
    assert "alice" in str(error)


def test_one_test_is_one_test() -> None:
    assert "1 test in any 60 minutes" in str(refusal(ALICE, window(1), Limits(submissions_per_hour=1), NOW))


class Users:
    def __init__(self) -> None:
        self.limits = UserLimits(id=ALICE)
        self.looks = 0

    async def get(self, user: UserId) -> UserLimits:
        self.looks += 1
        return self.limits if user == ALICE else UserLimits(id=user)

    async def change(self, user: UserId, changes: Mapping[str, Any]) -> UserLimits:
        assert user == ALICE
        self.limits = self.limits.model_copy(update=dict(changes))
        return self.limits

    async def default_max_running(self) -> int:
        return 0


async def test_limits_are_remembered_for_a_moment_and_forgotten_when_they_change_here() -> None:
    seconds, users = 0.0, Users()
    allowances = Allowances(users, Limits(max_pending=9), monotonic=lambda: seconds)
    for _ in range(3):
        assert await allowances.of(ALICE) == Limits(max_pending=9)
    assert users.looks == 1
    users.limits = UserLimits(id=ALICE, max_pending=1)
    assert await allowances.of(ALICE) == Limits(max_pending=9)
    allowances.forget(ALICE)
    allowances.forget(BOB)
    assert await allowances.of(ALICE) == Limits(max_pending=1)
    users.limits = UserLimits(id=ALICE)
    seconds += FRESH_S
    assert await allowances.of(ALICE) == Limits(max_pending=9)
    assert await allowances.of(BOB) == Limits(max_pending=9)


def test_room_is_told_by_the_clock() -> None:
    error = refusal(ALICE, window(50), Limits(submissions_per_hour=1), NOW)
    assert f"{NOW + 10 * MINUTE:%H:%M:%S} UTC" in str(error)
