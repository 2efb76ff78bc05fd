"""From reports and the time to how everything is: pure functions. Must not know where reports come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from assay.v1 import admin_service_pb2 as pb
from services.gateway.translate import duration, timestamp
from shared.telemetry.health import Looked
from shared.telemetry.report import Report

SERVICES: Final = ("gateway", "scheduler", "orchestrator", "logstreamer", "packager")
"""Those that there must be."""
ALONE_S: Final = 6.0
"""A service of which nothing was heard for so long is down: three reports are missing."""
LATE_S: Final = 10.0
GONE_S: Final = 30.0
"""A replica that was not heard from for so long, while others of its service were."""
_HEALTHY: Final = pb.HEALTH_STATE_HEALTHY
_DEGRADED: Final = pb.HEALTH_STATE_DEGRADED
_UNHEALTHY: Final = pb.HEALTH_STATE_UNHEALTHY


class Heard(NamedTuple):
    """The newest report of a replica, and when it arrived."""

    report: Report
    at: datetime


def replicas(heard: Iterable[Heard], now: datetime) -> list[pb.ServiceHealth]:
    """Every replica, by service and name, and an entry without an instance for a service with none."""
    by_service: dict[str, list[Heard]] = {name: [] for name in SERVICES}
    for one in sorted(heard, key=lambda one: one.report.instance):
        by_service.setdefault(one.report.service, []).append(one)
    found = []
    for name, known in by_service.items():
        if not known:
            found.append(_nobody(name))
            continue
        silent = all(_silence_s(one, now) >= ALONE_S for one in known)
        found += [_replica(one, now, silent=silent) for one in known]
    return found


def overall(services: Iterable[pb.ServiceHealth], dependencies: Iterable[pb.HealthCheck]) -> pb.HealthState.ValueType:
    """A service works while one replica does, and in part where another does not. Without the store or the bus nothing
    works; without AWS some things do."""
    by_service: dict[str, list[pb.HealthState.ValueType]] = {}
    for one in services:
        by_service.setdefault(one.service, []).append(one.state)
    states = [_HEALTHY]
    for of_service in by_service.values():
        states.append(_worst(of_service) if _HEALTHY not in of_service else min(_worst(of_service), _DEGRADED))
        if _HEALTHY not in of_service:
            states.append(_UNHEALTHY)
    states += [one.state if one.name != "aws" else min(one.state, _DEGRADED) for one in dependencies]
    return _worst(states)


def dependency(looked: Looked) -> pb.HealthCheck:
    """A check of the gateway's own."""
    return _check(looked.name, looked.problem, looked.took_s)


def _replica(heard: Heard, now: datetime, *, silent: bool) -> pb.ServiceHealth:
    report, silence_s = heard.report, _silence_s(heard, now)
    checks = [_check(one.name, one.problem, one.took_s) for one in report.checks]
    if report.starting:
        checks.append(pb.HealthCheck(name="start", state=_DEGRADED, detail="is starting"))
    if report.draining:
        checks.append(pb.HealthCheck(name="shutdown", state=_DEGRADED, detail="is shutting down"))
    if silence_s >= (ALONE_S if silent else LATE_S):
        state = _UNHEALTHY if silent or silence_s >= GONE_S else _DEGRADED
        checks.append(pb.HealthCheck(name="report", state=state, detail=f"not heard from for {silence_s:.0f} s"))
    error = report.last_error
    return pb.ServiceHealth(
        service=report.service,
        instance=report.instance,
        version=report.version,
        state=_worst([_HEALTHY, *(check.state for check in checks)]),
        checks=checks,
        start_time=timestamp(report.started_at),
        last_seen_time=timestamp(heard.at),
        lag=duration(report.lag_s),
        last_error=pb.ServiceError(message=error.message, time=timestamp(error.at)) if error else None,
    )


def _nobody(service: str) -> pb.ServiceHealth:
    check = pb.HealthCheck(name="report", state=_UNHEALTHY, detail="no replica was heard of")
    return pb.ServiceHealth(service=service, state=_UNHEALTHY, checks=[check])


def _check(name: str, problem: str, took_s: float) -> pb.HealthCheck:
    state = _UNHEALTHY if problem else _HEALTHY
    return pb.HealthCheck(name=name, state=state, detail=problem, latency=duration(took_s))


def _silence_s(heard: Heard, now: datetime) -> float:
    return max((now - heard.at).total_seconds(), 0.0)


def _worst(states: Sequence[pb.HealthState.ValueType]) -> pb.HealthState.ValueType:
    return max(states)
