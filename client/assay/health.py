"""How a server is, as the SDK gives it. Owns names and meaning of the fields; health_messages.py makes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from assay.plain import plain
from assay.queue import QueueStatus
from assay.reports import UsageFigures


class HealthState(StrEnum):
    """How a part is. DEGRADED: works in part. UNHEALTHY: does not work, or is not heard from."""

    UNKNOWN = "UNKNOWN"  # a state that this version of the SDK does not know
    HEALTHY = "HEALTHY"
    DEGRADED = "DEGRADED"
    UNHEALTHY = "UNHEALTHY"


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How a dependency or a loop is; `detail` is what is wrong with it."""

    name: str
    state: HealthState
    detail: str
    latency: timedelta | None


@dataclass(frozen=True, slots=True)
class ServiceError:
    """An error that a service logged, in a line."""

    message: str
    time: datetime | None


@dataclass(frozen=True, slots=True)
class ServiceHealth:
    """One replica of a service; with an empty `instance`, a service that has none.

    `lag`: how long messages of the last minute had waited for it, or how late its rounds are. `last_error`: its newest
    one of the last hour."""

    service: str
    instance: str
    version: str
    state: HealthState
    checks: tuple[HealthCheck, ...]
    started: datetime | None
    last_seen: datetime | None
    lag: timedelta | None
    last_error: ServiceError | None

    @property
    def wrong(self) -> tuple[HealthCheck, ...]:
        """The checks that say what is wrong."""
        return tuple(check for check in self.checks if check.state is not HealthState.HEALTHY)


@dataclass(frozen=True, slots=True)
class StorageUse:
    """What is stored outside the database. `log_group_bytes` is None where it could not be asked."""

    bucket: str
    package_count: int
    package_bytes: int
    log_group: str
    log_group_bytes: int | None


@dataclass(frozen=True, slots=True)
class SystemHealth:
    """How everything is. What the server could not read is None.

    `last_hour` is since the beginning of the hour before this one: its `start` says it."""

    state: HealthState
    services: tuple[ServiceHealth, ...]
    dependencies: tuple[HealthCheck, ...]
    queue: QueueStatus | None
    dead_letters: int | None
    storage: StorageUse | None
    last_hour: UsageFigures | None
    time: datetime | None

    @property
    def healthy(self) -> bool:
        """True when nothing is wrong anywhere."""
        return self.state is HealthState.HEALTHY

    def to_dict(self) -> dict[str, Any]:
        """For JSON: times as ISO 8601 in UTC, durations as seconds in fields that end in `_s`."""
        value: dict[str, Any] = plain(self)
        return value
