import math
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.distribution import ACCURACY, Distribution, bucket, middle
from shared.domain.usage import Change

VALUES = st.lists(st.floats(0.001, 1e12), min_size=1, max_size=200)


def of(values: list[float]) -> Distribution:
    """As the counters make it."""
    change = Change()
    for value in values:
        change.value("x", value)
    buckets = {
        int(name.rpartition(".")[2]): int(count) for name, count in change.add.items() if name.startswith("x.buckets.")
    }
    return Distribution(
        int(change.add["x.count"]), change.add["x.sum"], change.low["x.least"], change.high["x.most"], buckets
    )


@given(st.floats(0.001, 1e12))
def test_a_bucket_stands_for_its_values_to_two_percent(value: float) -> None:
    assert abs(middle(bucket(value)) - value) <= value * ACCURACY * (1 + 1e-6)


@given(VALUES, st.sampled_from([0.01, 0.5, 0.95, 1.0]))
def test_a_quantile_is_off_by_two_percent_at_most(values: list[float], share: float) -> None:
    exact = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    assert of(values).quantile(share) == pytest.approx(exact, rel=ACCURACY * (1 + 1e-6))


@given(VALUES, VALUES)
def test_two_added_up_are_as_all_values_together(one: list[float], other: list[float]) -> None:
    both, together = of(one).plus(of(other)), of([*one, *other])
    assert (both.count, both.buckets, both.least, both.most) == (
        together.count,
        together.buckets,
        together.least,
        together.most,
    )
    assert both.sum == pytest.approx(together.sum)
    assert reduce(Distribution.plus, [of(one), of(other)], Distribution()) == both


@given(VALUES, st.data())
def test_one_value_taken_out_leaves_the_others(values: list[float], data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(values))
    left = of(values).without(gone)
    rest = list(values)
    rest.remove(gone)
    assert left.count == len(rest)
    if rest:
        assert left.buckets == of(rest).buckets
        assert left.quantile(0.5) == pytest.approx(sorted(rest)[math.ceil(len(rest) / 2) - 1], rel=ACCURACY * 2.1)
        assert left.least == pytest.approx(min(rest), rel=ACCURACY * 1.01)
        assert left.most == pytest.approx(max(rest), rel=ACCURACY * 1.01)
    else:
        assert (left.mean, left.quantile(0.5), left.least) == (0.0, 0.0, None)


def test_a_value_that_is_not_there_is_not_taken_out() -> None:
    assert of([1.0, 2.0]).without(500.0) == of([1.0, 2.0])


def test_nothing_has_no_figures() -> None:
    assert (Distribution().mean, Distribution().quantile(0.95)) == (0.0, 0.0)
