"""What a test costs: processor and memory by the second, log lines and stored objects by the gigabyte. US dollars."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from shared.domain.lifecycle import State

GB: Final = 10**9
"""Bytes, as AWS counts log data and objects."""
_HOUR_S: Final = 3600
_MONTH: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Prices:
    """Price table. The defaults are those of AWS Fargate for Linux on x86, CloudWatch Logs and S3 Standard in us-east-1
    (aws.amazon.com/fargate/pricing, /cloudwatch/pricing, /s3/pricing)."""

    vcpu_hour: float = 0.04048
    gb_hour: float = 0.004445
    logs_gb: float = 0.50
    storage_gb_month: float = 0.023
    least_s: float = 60.0
    """The shortest time that is charged for one task."""


ARM: Final = Prices(vcpu_hour=0.03238, gb_hour=0.00356)
"""The same for Linux on ARM."""


class Charge(NamedTuple):
    """US dollars, by what they are for."""

    cpu: float = 0.0
    memory: float = 0.0
    storage: float = 0.0
    logs: float = 0.0

    @property
    def total(self) -> float:
        return self.cpu + self.memory + self.storage + self.logs


class Stay(NamedTuple):
    """A state that a test came into, and when; of which attempt."""

    state: State
    at: datetime
    attempt: int


def for_tasks(prices: Prices, spans: Iterable[timedelta], *, vcpu: float, memory_gib: float) -> Charge:
    """Tasks of one size that were there for so long. Each is charged by the whole second and for a minute at least."""
    seconds = sum(max(math.ceil(span.total_seconds()), prices.least_s) for span in spans)
    return Charge(
        cpu=vcpu * seconds / _HOUR_S * prices.vcpu_hour, memory=memory_gib * seconds / _HOUR_S * prices.gb_hour
    )


def for_logs(prices: Prices, size: int) -> Charge:
    """Log data of so many bytes, taken in."""
    return Charge(logs=size / GB * prices.logs_gb)


def for_object(prices: Prices, size: int, kept: timedelta) -> Charge:
    """An object of so many bytes, kept for so long."""
    return Charge(storage=size / GB * prices.storage_gb_month * (kept / _MONTH))


def task_spans(history: Iterable[Stay], *, last_was_launched: bool) -> list[timedelta]:
    """How long the task of each attempt was there: from BUILDING to the state that ended the attempt.

    An attempt that never came to RUNNING is taken for one without a task, unless it is the last one and was
    launched."""
    spans: list[timedelta] = []
    begun: Stay | None = None
    ran = False
    for stay in history:
        if stay.state is State.BUILDING:
            begun, ran = stay, False
        elif stay.state is State.RUNNING:
            ran = True
        elif begun is not None:
            over = stay.state is not State.QUEUED
            if ran or (over and last_was_launched):
                spans.append(max(stay.at - begun.at, timedelta()))
            begun = None
    return spans
