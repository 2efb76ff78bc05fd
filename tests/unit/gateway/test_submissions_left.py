"""What is left of a user's submissions: a decision from what they handed in lately."""

from datetime import UTC, datetime, timedelta

import pytest

from services.gateway.account import SubmissionsLeft, submissions_left
from shared.domain.limits import Limits
from shared.ids import TestId, UserId
from shared.store.admissions import RateWindow, Submitted

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def window(*minutes_ago: int) -> RateWindow:
    at = [
        Submitted(id=TestId(f"tst_{number:032x}"), t=NOW - timedelta(minutes=ago))
        for number, ago in enumerate(minutes_ago)
    ]
    return RateWindow(id=UserId("alice"), at=at)


@pytest.mark.parametrize(
    ("minutes_ago", "limit", "left"),
    [
        pytest.param((), 3, SubmissionsLeft(3, None), id="nothing handed in"),
        pytest.param((50, 10), 3, SubmissionsLeft(1, None), id="one left"),
        pytest.param((50, 10, 5), 3, SubmissionsLeft(0, 600.0), id="none left: until the oldest leaves the window"),
        pytest.param((90, 60, 10), 3, SubmissionsLeft(2, None), id="what left the window does not count"),
        pytest.param((50, 40, 10), 2, SubmissionsLeft(0, 1200.0), id="more than the limit, which was lowered"),
        pytest.param((1, 1, 1), 0, None, id="no limit"),
    ],
)
def test_what_is_left_of_an_hour(minutes_ago: tuple[int, ...], limit: int, left: SubmissionsLeft | None) -> None:
    assert submissions_left(window(*minutes_ago), Limits(submissions_per_hour=limit), NOW) == left
