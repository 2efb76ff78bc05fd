"""Starts the scheduler: `python -m services.scheduler`, configured by `ASSAY_*` variables."""

from __future__ import annotations

from services.scheduler.app import running
from services.scheduler.settings import SchedulerSettings
from shared.service import main

if __name__ == "__main__":
    main("scheduler", running, SchedulerSettings)
