from datetime import UTC, timedelta

from shared.clock import ManualClock, SystemClock
from tests.support.samples import NOW


def test_the_time_is_in_utc_and_as_exact_as_the_store_keeps_it() -> None:
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert now.microsecond % 1000 == 0


def test_a_manual_clock_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(NOW)
    assert clock.now() == clock.now() == NOW
    clock.advance(timedelta(seconds=2))
    assert clock.now() == NOW + timedelta(seconds=2)
