"""What the way to AWS counts."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Histogram

AWS_CALLS: Final = Counter(
    "assay_aws_calls_total", "Calls of AWS, by outcome: ok, or the kind of error", ["api", "outcome"]
)
AWS_WAIT: Final = Histogram(
    "assay_aws_rate_wait_seconds",
    "Time a call waited for its turn in the rate of its API",
    ["api"],
    buckets=(0, 0.05, 0.2, 1, 5, 20),
)
