"""What the console counts."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Histogram

REQUESTS: Final = Counter("assay_console_requests_total", "Requests that were answered, by status", ["route", "status"])
REQUEST_SECONDS: Final = Histogram(
    "assay_console_request_seconds",
    "How long it took until the answer to a request began",
    ["route"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30),
)
REFUSED: Final = Counter("assay_console_refused_total", "Requests of foreign pages or under a foreign name", ["why"])
SIGN_INS: Final = Counter("assay_console_sign_ins_total", "Sessions that began", ["way"])
BYTES: Final = Counter("assay_console_file_bytes_total", "Bytes of files that went through", ["direction"])
