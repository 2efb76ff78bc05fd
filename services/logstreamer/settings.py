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
    logstreamer_drain_cloudwatch_s: float = Field(
        60.0, gt=0, description="the same where the output comes through CloudWatch Logs, which takes its time"
    )
    logstreamer_cloudwatch_poll_s: float = Field(
        2.0, gt=0, description="how often a log group is read, for all tests that write into it together"
    )
    logstreamer_cloudwatch_fastest_s: float = Field(0.5, gt=0, description="the same while lines flow")
    logstreamer_cloudwatch_slowest_s: float = Field(5.0, gt=0, description="the same where nobody has written for 30 s")
    logstreamer_cloudwatch_overlap_s: float = Field(
        10.0, gt=0, description="what each look reads again: events may come late and out of order"
    )
