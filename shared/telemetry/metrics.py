"""Figures that more than one service counts.

A service's own are in its `metrics.py`. Names follow Prometheus: base units, `_total`."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Histogram

EVENTS_PUBLISHED: Final = Counter("assay_events_published_total", "Events published to the bus", ["type"])
EVENTS_HANDLED: Final = Counter(
    "assay_events_handled_total", "Events handled, by outcome: done, retried, dead", ["consumer", "outcome"]
)
OUTBOX_SWEPT: Final = Counter("assay_outbox_swept_total", "Events found unsent in the store and published by the sweep")
STORE_WRITES: Final = Histogram(
    "assay_store_batch_size", "Writes that left in one round trip", ["kind"], buckets=(1, 2, 4, 8, 16, 32, 64, 128)
)
