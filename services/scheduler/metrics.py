"""What the scheduler counts."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

QUEUED: Final = Counter("assay_scheduler_queued_total", "Tests that entered the queue")
GRANTED: Final = Counter("assay_scheduler_granted_total", "Slots granted")
ABANDONED: Final = Counter("assay_scheduler_abandoned_total", "Claims taken back because no orchestrator renewed them")
WAIT_SECONDS: Final = Histogram(
    "assay_scheduler_wait_seconds", "From queued to granted", buckets=(0.01, 0.05, 0.25, 1, 5, 15, 60, 300, 1800, 7200)
)
PENDING: Final = Gauge("assay_scheduler_pending", "Tests that wait")
RUNNING: Final = Gauge("assay_scheduler_running", "Slots in use")
CAPACITY: Final = Gauge("assay_scheduler_capacity", "Slots in all")
PAUSED: Final = Gauge("assay_scheduler_paused", "1 while an admin has paused the queue, else 0")
PUT_OFF: Final = Counter(
    "assay_scheduler_put_off_total", "Slots given back at once because their user had as many as he may hold"
)
