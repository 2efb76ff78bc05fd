"""Counters as the API's messages. Owns which field goes where and which unit it has there; decides nothing."""

from __future__ import annotations

from assay.v1 import distribution_pb2
from shared.domain.distribution import Distribution


def api_distribution(found: Distribution, *, unit: float = 1.0) -> distribution_pb2.Distribution:
    """A distribution; `unit` turns the stored values into the API's (0.001: milliseconds into seconds)."""
    if found.count <= 0:
        return distribution_pb2.Distribution()
    return distribution_pb2.Distribution(
        count=found.count,
        mean=found.mean * unit,
        p50=found.quantile(0.5) * unit,
        p95=found.quantile(0.95) * unit,
        min=(found.least or 0.0) * unit,
        max=(found.most or 0.0) * unit,
    )
