"""How a server's health reads on a terminal: pure functions like those of text.py."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from assay.cli import queue_text
from assay.cli.table_text import columns
from assay.cli.text import Line, age, cut, percent, plural, roughly, safe, size, span
from assay.health import HealthCheck, HealthState, ServiceHealth, StorageUse, SystemHealth
from assay.reports import UsageFigures

_STYLES = {HealthState.HEALTHY: "good", HealthState.DEGRADED: "warn", HealthState.UNHEALTHY: "bad"}
_TITLES = ("SERVICE", "REPLICA", "STATE", "VERSION", "UP", "HEARD OF", "LAG")


def health(found: SystemHealth, now: datetime, width: int | None) -> Iterator[Line]:
    """The whole in one word, a row for each replica, then what they need and what there is. `width`: columns of the
    terminal, None where lines may be of any length."""
    now = found.time or now  # ages by the server's clock, as its times are
    yield [(found.state.value, _STYLES.get(found.state, ""))]
    yield []
    yield from columns(
        _TITLES,
        [_cells(one, now) for one in found.services],
        [("", "dim", _STYLES.get(one.state, ""), "dim", "dim", "dim", "dim") for one in found.services],
        width,
    )
    for one in found.services:
        yield from _wrong(one.wrong, f"{_named(one)}: ")
    yield from _errors(found, now)
    yield []
    yield _dependencies(found.dependencies)
    yield from _wrong(found.dependencies)
    if found.queue is None:
        yield [("the queue could not be read", "warn")]
    else:
        yield from queue_text.status(found.queue)
    yield _dead_letters(found.dead_letters)
    if found.last_hour is not None:
        yield _usage(found.last_hour, now)
    if found.storage is not None:
        yield _storage(found.storage)


def _cells(one: ServiceHealth, now: datetime) -> tuple[str, ...]:
    return (
        safe(one.service),
        cut(safe(one.instance), 40) or "-",
        one.state.value,
        cut(safe(one.version), 20) or "-",
        roughly(max(now - one.started, timedelta())) if one.started else "-",
        age(one.last_seen, now),
        span(one.lag),
    )


def _errors(found: SystemHealth, now: datetime) -> Iterator[Line]:
    failed = [(one, one.last_error) for one in found.services if one.last_error is not None]
    if not failed:
        return
    yield []
    yield [("newest errors of the last hour", "dim")]
    for one, error in failed:
        yield [(f"  {_named(one)}, {age(error.time, now)}: ", "dim"), (safe(error.message), "bad")]


def _named(one: ServiceHealth) -> str:
    return f"{safe(one.service)} {safe(one.instance)}".rstrip()


def _dependencies(checks: tuple[HealthCheck, ...]) -> Line:
    line: Line = [("needs", "dim")]
    for check in checks:
        line += [
            (f"   {safe(check.name)} ", ""),
            (check.state.value, _STYLES.get(check.state, "")),
            (f" ({span(check.latency)})", "dim"),
        ]
    return line


def _wrong(checks: tuple[HealthCheck, ...], of: str = "") -> Iterator[Line]:
    for check in checks:
        if check.state is not HealthState.HEALTHY:
            yield [(f"  {of}{safe(check.name)}: {safe(check.detail)}", _STYLES.get(check.state, ""))]


def _dead_letters(count: int | None) -> Line:
    if count is None:
        return [("dead letters could not be counted", "warn")]
    return [(plural(count, "dead letter"), "warn" if count else "dim")]


def _usage(figures: UsageFigures, now: datetime) -> Line:
    since = f"in the last {roughly(now - figures.start)}" if figures.start else "lately"
    ended = figures.completed + figures.failed + figures.timed_out + figures.cancelled
    line: Line = [(f"{since}: {plural(figures.submitted, 'test')} submitted, {ended:,} ended", "dim")]
    if figures.success_rate is not None:
        line.append((f", {percent(figures.success_rate)} passed", "dim"))
    return line


def _storage(found: StorageUse) -> Line:
    line: Line = [(f"{plural(found.package_count, 'package')}, {size(found.package_bytes)}", "dim")]
    if found.bucket:
        line.append((f" in the bucket {safe(found.bucket)}", "dim"))
    if found.log_group:
        kept = "size not known" if found.log_group_bytes is None else size(found.log_group_bytes)
        line.append((f"   log group {safe(found.log_group)}: {kept}", "dim"))
    return line
