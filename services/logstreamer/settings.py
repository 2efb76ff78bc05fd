"""The log streamer's settings: environment variables `ASSAY_LOGSTREAMER_*`."""

from __future__ import annotations

from pydantic import Field

from shared.settings import CommonSettings


class LogstreamerSettings(CommonSettings):
    """Settings of the log streamer."""

    logstreamer_lease_s: float = Field(
        20.0, gt=0, description="an output whose follower has not said so for this long is taken over by another one"
    )
    logstreamer_drain_s: float = Field(
        3.0,
        ge=0,
        description="how long to wait for the end mark after a task has stopped, before its log is incomplete",
    )
