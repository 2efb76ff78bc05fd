from datetime import UTC, datetime, timedelta

import pytest

from shared.clock import ManualClock, SystemClock, shifted
from tests.support.samples import NOW

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def test_the_time_is_in_utc_and_as_exact_as_the_store_keeps_it() -> None:
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert now.microsecond % 1000 == 0


def test_a_manual_clock_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(NOW)
    assert clock.now() == clock.now() == NOW
    clock.advance(timedelta(seconds=2))
    assert clock.now() == NOW + timedelta(seconds=2)


@pytest.mark.parametrize(
    ("at", "by", "then"),
    [
        (NOW, timedelta(seconds=-2), NOW - timedelta(seconds=2)),
        (FIRST, timedelta(seconds=-2), FIRST),
        (FIRST + timedelta(seconds=1), timedelta(seconds=-2), FIRST),
        (LAST, timedelta(seconds=2), LAST),
        (NOW, timedelta(days=-999_999_999), FIRST),
        (NOW, timedelta.max, LAST),
    ],
)
def test_a_time_is_shifted_as_far_as_time_goes(at: datetime, by: timedelta, then: datetime) -> None:
    assert shifted(at, by) == then
