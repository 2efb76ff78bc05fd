"""What the packager counts."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

ENDED: Final = Counter(
    "assay_packager_packages_total",
    "Packages that were made or could not be, by outcome: ready, or the failure",
    ["outcome"],
)
SECONDS: Final = Histogram(
    "assay_packager_seconds",
    "Time from the request for a package to its being ready",
    buckets=(0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 10, 60),
)
BYTES: Final = Counter("assay_packager_bytes_total", "Size of the packages that were made")
POSTPONED: Final = Counter("assay_packager_postponed_total", "How often a package waited for the object store")
TAKEN_OVER: Final = Counter("assay_packager_taken_over_total", "Packages whose packager had disappeared")
EXPIRED: Final = Counter("assay_packager_expired_total", "Packages removed after their time")
UNDER_WAY: Final = Gauge("assay_packager_under_way", "Packages that are being made now")
