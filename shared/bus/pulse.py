"""How replicas tell how they are: reports on plain NATS, every 2 s and whenever somebody asks.

No stream keeps them, and losing one costs the time until the next. Owns the two subjects; what a report says is
shared.telemetry.report's, and what follows from it is for those who hear it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog
from nats.aio.msg import Msg
from nats.errors import Error
from pydantic import ValidationError

from shared.background import background
from shared.bus.connect import Bus
from shared.bus.subjects import ASK, REPORT
from shared.clock import Clock
from shared.errors import Unavailable
from shared.telemetry.health import Health
from shared.telemetry.notes import NOTES
from shared.telemetry.report import Report, Reporter

log = structlog.get_logger()

EVERY_S: Final = 2.0
CHECK_S: Final = 1.0
"""How long a check may take: a report that waited longer would look like a replica that is gone."""
SEND_S: Final = 1.0
GAP_S: Final = 0.1
"""Least time between two reports, however often somebody asks."""


@asynccontextmanager
async def beating(
    bus: Bus, health: Health, *, instance: str, clock: Clock, heard: Callable[[Report], None] | None = None
) -> AsyncIterator[None]:
    """Reports on this replica during the block, and says goodbye where it ends in order.

    `heard` gets the reports, too, and also while NATS is away."""
    pulse = _Pulse(bus, Reporter(health, instance=instance, lateness=bus.lateness, notes=NOTES, clock=clock), heard)
    await bus.follow(ASK, pulse.asked)
    async with background(pulse.beat()):
        yield
    await pulse.say_goodbye()


async def hear(bus: Bus, heard: Callable[[Report], None]) -> None:
    """Calls `heard` with every report from now on. Something else on that subject is no report, and is let go."""

    async def arrived(message: Msg) -> None:
        try:
            report = Report.model_validate_json(message.data)
        except ValidationError as error:
            log.debug("not_a_health_report", error=str(error))
        else:
            heard(report)

    await bus.follow(REPORT, arrived)


async def ask(bus: Bus) -> None:
    """Asks everybody for a report. Raises Unavailable where NATS is away."""
    await _publish(bus, ASK, b"")


class _Pulse:
    """The reports of one replica."""

    def __init__(self, bus: Bus, reporter: Reporter, heard: Callable[[Report], None] | None) -> None:
        self._bus = bus
        self._reporter = reporter
        self._heard = heard
        self._wanted = asyncio.Event()

    async def asked(self, _: Msg) -> None:
        self._wanted.set()

    async def beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + EVERY_S
            self._wanted.clear()
            try:
                await self._tell(await self._reporter.report(limit_s=CHECK_S))
            except Exception as error:  # noqa: BLE001 - a service must not end because it cannot say how it is
                log.warning("health_not_reported", error=repr(error))
            await asyncio.sleep(GAP_S)
            try:
                async with asyncio.timeout_at(due):
                    await self._wanted.wait()
            except TimeoutError:
                self._bus.lateness.note(loop.time() - due)

    async def say_goodbye(self) -> None:
        try:
            await self._tell(self._reporter.farewell())
        except Exception as error:  # noqa: BLE001 - it ends either way; silence says the same, later
            log.warning("health_not_reported", error=repr(error))

    async def _tell(self, report: Report) -> None:
        if self._heard is not None:
            self._heard(report)
        try:
            await _publish(self._bus, REPORT, report.model_dump_json().encode())
        except Unavailable as error:
            log.debug("health_not_reported", error=str(error))  # the bus says by itself that it is away


async def _publish(bus: Bus, subject: str, body: bytes) -> None:
    if not bus.client.is_connected:  # else it would be kept, and arrive when it is not true any more
        raise Unavailable("NATS is not connected")
    try:
        async with asyncio.timeout(SEND_S):
            await bus.client.publish(subject, body)
    except (Error, OSError) as error:  # TimeoutError is an OSError
        raise Unavailable(f"NATS does not take it: {error!r}") from error
