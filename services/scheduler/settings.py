"""The scheduler's settings: environment variables `ASSAY_SCHEDULER_*`."""

from __future__ import annotations

from pydantic import Field

from shared.settings import CommonSettings


class SchedulerSettings(CommonSettings):
    """Settings of the scheduler."""

    scheduler_capacity: int = Field(
        10,
        ge=1,
        le=10_000,
        description="tests that may run at once; sets the first capacity, an admin changes it at run time",
    )
    scheduler_max_running: int = Field(
        0,
        ge=0,
        le=10_000,
        description="tests of one user that may run at once, further ones wait and let others go first; 0: no limit. "
        "An admin sets another one for single users",
    )
    scheduler_silence_s: float = Field(
        900.0, gt=0, description="a claim that no orchestrator has renewed for so long is abandoned, in seconds"
    )
