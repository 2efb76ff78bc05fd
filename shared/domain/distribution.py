"""A figure over many tests that can be added up, and still tells a median: counts in buckets that grow by a factor.

The buckets are those of DDSketch (Masson, Rim, Lee, "DDSketch", VLDB 2019) with a relative accuracy of 2 %: 4 % from
one bucket to the next, so a quantile is off by 2 % at most, and 100 ms to an hour are 260 buckets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

ACCURACY: Final = 0.02
_FACTOR: Final = (1 + ACCURACY) / (1 - ACCURACY)
_LOG: Final = math.log(_FACTOR)
LEAST: Final = 1e-3
"""Whatever is smaller counts as this much in quantiles."""


def bucket(value: float) -> int:
    """The bucket of a value: the one of (factor ** (bucket - 1), factor ** bucket]."""
    return math.ceil(math.log(max(value, LEAST)) / _LOG)


def middle(number: int) -> float:
    """What a value in this bucket is taken for: off by the accuracy at most."""
    return 2 * _FACTOR**number / (_FACTOR + 1)


@dataclass(frozen=True, slots=True)
class Distribution:
    """Count, sum, extremes and buckets of a figure. Units are those of the values that were added."""

    count: int = 0
    sum: float = 0.0
    least: float | None = None
    most: float | None = None
    buckets: Mapping[int, int] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        return self.sum / self.count if self.count else 0.0

    def quantile(self, share: float) -> float:
        """What so large a share of the values is at most; 0 where there are none."""
        wanted = max(1, math.ceil(share * self.count))
        seen = 0
        for number in sorted(self.buckets):
            seen += self.buckets[number]
            if seen >= wanted:
                return self._within(middle(number))
        return self.most or 0.0

    def plus(self, other: Distribution) -> Self:
        """Both together."""
        buckets = dict(self.buckets)
        for number, count in other.buckets.items():
            buckets[number] = buckets.get(number, 0) + count
        lows = [low for low in (self.least, other.least) if low is not None]
        highs = [high for high in (self.most, other.most) if high is not None]
        return type(self)(
            self.count + other.count, self.sum + other.sum, min(lows, default=None), max(highs, default=None), buckets
        )

    def without(self, value: float) -> Self:
        """Without one of its values. An extreme that goes with it is known by its bucket only."""
        gone = bucket(value)
        if self.buckets.get(gone, 0) < 1:
            return self
        buckets = {number: count - (number == gone) for number, count in self.buckets.items()}
        buckets = {number: count for number, count in buckets.items() if count}
        least, most = self.least, self.most
        if least is not None and value <= least:
            least = middle(min(buckets)) if buckets else None
        if most is not None and value >= most:
            most = middle(max(buckets)) if buckets else None
        return type(self)(self.count - 1, max(self.sum - value, 0.0), least, most, buckets)

    def _within(self, value: float) -> float:
        if self.least is not None:
            value = max(value, self.least)
        return value if self.most is None else min(value, self.most)
