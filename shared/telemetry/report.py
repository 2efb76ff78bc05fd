"""What a replica reports of itself: a plain value, and how it is collected. Must not know how it travels."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from shared.clock import Clock
from shared.telemetry.health import Health
from shared.telemetry.notes import Note, Notes, told
from shared.version import assay_version

ERRORS_KEPT: Final = timedelta(hours=1)
"""So long an error is reported."""
LAG_KEPT_S: Final = 60.0
"""So long a message that waited is reported."""
MOST_STEPS: Final = 60


class Part(BaseModel):
    """A part of a report. Fields that a newer version adds are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Checked(Part):
    """One check: what is wrong (nothing where it passed), and how long it took in seconds."""

    name: str = Field(max_length=64)
    problem: str = Field("", max_length=1_000)
    took_s: float = 0.0


class Error(Part):
    """The newest error that the replica logged."""

    message: str = Field(max_length=1_000)
    at: datetime


class Report(Part):
    """How one replica of one service is, in its own words."""

    service: str
    instance: str = Field(max_length=256)
    version: str = Field(max_length=64)
    started_at: datetime
    checks: tuple[Checked, ...] = Field((), max_length=32)
    lag_s: float = 0.0
    last_error: Error | None = None
    starting: bool = False
    """It does not take up work yet."""
    draining: bool = False
    """It is on its way to an orderly end."""
    leaving: bool = False
    """This is its last report."""


class Lateness:
    """How late a replica is: how long the messages of the last minute had waited, and how late its own rounds come."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._steps: deque[tuple[float, float]] = deque(maxlen=MOST_STEPS)
        """When each second of the last minute began, and the longest wait that was noted in it."""

    def note(self, waited_s: float) -> None:
        """Something is taken up that waited so long, in seconds."""
        now, waited_s = self._monotonic(), max(waited_s, 0.0)
        if self._steps and now - self._steps[-1][0] < LAG_KEPT_S / MOST_STEPS:
            begun, most = self._steps[-1]
            self._steps[-1] = (begun, max(most, waited_s))
        else:
            self._steps.append((now, waited_s))

    def worst_s(self) -> float:
        """The longest wait of the last minute, in seconds; 0 where nothing came."""
        since = self._monotonic() - LAG_KEPT_S
        return max((most for begun, most in self._steps if begun >= since), default=0.0)


class Reporter:
    """Collects the reports of one replica."""

    def __init__(self, health: Health, *, instance: str, lateness: Lateness, notes: Notes, clock: Clock) -> None:
        self._health = health
        self._instance = instance
        self._lateness = lateness
        self._notes = notes
        self._clock = clock
        self._version = assay_version()
        self._started_at = clock.now()

    async def report(self, *, limit_s: float) -> Report:
        """How it is now. Each check has `limit_s` seconds."""
        looked = await self._health.look(limit_s)
        return self._report(
            tuple(Checked(name=one.name, problem=told(one.problem), took_s=one.took_s) for one in looked)
        )

    def farewell(self) -> Report:
        """The last report."""
        return self._report(()).model_copy(update={"leaving": True})

    def _report(self, checks: tuple[Checked, ...]) -> Report:
        return Report(
            service=self._health.service,
            instance=self._instance,
            version=self._version,
            started_at=self._started_at,
            checks=checks,
            lag_s=round(self._lateness.worst_s(), 3),
            last_error=_recent(self._notes.newest(self._health.service), self._clock.now()),
            starting=self._health.starting,
            draining=self._health.draining,
        )


def _recent(note: Note | None, now: datetime) -> Error | None:
    if note is None or now - note.at > ERRORS_KEPT:
        return None
    return Error(message=note.message, at=note.at)
