"""What the orchestrator counts."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

LAUNCHED: Final = Counter("assay_orchestrator_launched_total", "Tasks launched", ["runtime"])
ENDED: Final = Counter("assay_orchestrator_ended_total", "Attempts ended, by state and failure code", ["state", "code"])
ADOPTED: Final = Counter("assay_orchestrator_adopted_total", "Tasks taken over from an orchestrator that went away")
RUNNING: Final = Gauge("assay_orchestrator_tasks", "Tasks this orchestrator looks after")
LAUNCH_SECONDS: Final = Histogram(
    "assay_orchestrator_launch_seconds", "Time of a launch call", buckets=(0.005, 0.01, 0.025, 0.1, 0.5, 2, 10, 60)
)
COUNTED: Final = Counter("assay_orchestrator_counted_total", "Tests and packages added to usage and cost")
COUNTING_LAG: Final = Gauge(
    "assay_orchestrator_counting_lag_seconds", "How long the oldest change waits that usage and cost do not know yet"
)
