"""What the log streamer counts."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

LINES: Final = Counter("assay_logstreamer_lines_total", "Log lines stored and published")
BYTES: Final = Counter("assay_logstreamer_bytes_total", "Bytes of text in them")
SEALED: Final = Counter("assay_logstreamer_sealed_total", "Logs that came to their end", ["complete"])
UNREADABLE: Final = Counter(
    "assay_logstreamer_unreadable_total", "Pieces of output that were not lines of the protocol"
)
CLOUDWATCH_EVENTS: Final = Counter(
    "assay_logstreamer_cloudwatch_events_total", "Log events that CloudWatch answered with, those seen before included"
)
FOLLOWED: Final = Gauge("assay_logstreamer_followed", "Outputs this log streamer follows")
