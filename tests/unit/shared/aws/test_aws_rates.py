from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.aws.rates import Api, Bucket, Rate, rate_of

RATES = st.builds(Rate, st.floats(0.5, 100), st.floats(1, 100))
GAPS = st.lists(st.floats(0, 5), min_size=1, max_size=200)


@given(RATES, GAPS)
def test_no_window_of_time_sees_more_calls_than_burst_and_rate_allow(rate: Rate, gaps: list[float]) -> None:
    bucket, now, starts = Bucket(rate), 0.0, []
    for gap in gaps:
        now += gap
        starts.append(now + bucket.take(now))
    assert starts == sorted(starts)
    for first, at in enumerate(starts):
        for last in range(first, len(starts), 7):
            allowed = rate.burst + rate.per_second * (starts[last] - at)
            assert last - first + 1 <= allowed + 1 + 1e-6


@given(RATES, GAPS)
def test_what_the_next_one_would_wait_is_what_it_waits(rate: Rate, gaps: list[float]) -> None:
    bucket, now = Bucket(rate), 0.0
    for gap in gaps:
        now += gap
        expected = bucket.wait_for_next(now)
        assert bucket.take(now) == pytest.approx(expected)


def test_after_a_refusal_the_burst_is_used_up() -> None:
    bucket = Bucket(Rate(10, 20))
    bucket.empty(100.0)
    assert bucket.take(100.0) == pytest.approx(0.1)
    assert Bucket(Rate(10, 20)).take(100.0) == 0.0


def test_replicas_share_a_rate_and_each_can_make_a_call() -> None:
    assert rate_of(Api.RUN_TASK, "eu-central-1", 0.5) == (10, 10)
    assert rate_of(Api.FILTER_LOG_EVENTS, "eu-central-1", 0.1) == (0.5, 1.0)
    assert rate_of(Api.FILTER_LOG_EVENTS, "us-east-1") == (25, 25)
