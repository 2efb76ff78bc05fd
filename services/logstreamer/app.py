"""Constructs the log streamer and wires it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from services.logstreamer.handlers import subscribe
from services.logstreamer.roster import Roster
from services.logstreamer.settings import LogstreamerSettings
from services.logstreamer.sources.cloudwatch.pace import Pace
from services.logstreamer.sources.cloudwatch.port import OpenReach, Reach
from services.logstreamer.sources.cloudwatch.source import CloudWatchSource
from services.logstreamer.sources.files import FileSource
from services.logstreamer.sources.scripted import ScriptedSource
from shared.background import background, every
from shared.bus.connect import Bus
from shared.bus.pulse import beating
from shared.bus.relay import Relay
from shared.clock import Clock, SystemClock
from shared.store.connect import check, connected, provision
from shared.store.executions import Executions
from shared.store.logs import LogChunks
from shared.telemetry.health import Health
from shared.telemetry.notes import speaking_for

if TYPE_CHECKING:
    from services.logstreamer.sources.cloudwatch.reach import AwsReach


async def cloudwatch_of(region: str) -> Reach:
    """The way to CloudWatch, loaded with the first output that lies there: boto3 takes a second and 40 MiB, which who
    has no such output need not spend."""
    kind = await asyncio.to_thread(_load)
    return await kind.open(region)


@asynccontextmanager
async def running(settings: LogstreamerSettings, reach: OpenReach = cloudwatch_of) -> AsyncIterator[Health]:
    """The log streamer at work. At the end it lets go of what it follows; the next one reads on."""
    health = Health("logstreamer")
    async with AsyncExitStack() as stack:
        stack.enter_context(speaking_for(health.service))
        database = await stack.enter_async_context(
            connected(settings.mongo_url.get_secret_value(), settings.mongo_database, service="logstreamer")
        )
        await provision(database)
        clock = SystemClock()
        bus = Bus.of(settings, "logstreamer")
        relay = Relay(bus, clock, interval_s=settings.sweep_interval_s)
        tests = Executions(database, relay.tell)
        files = FileSource(drain_s=settings.logstreamer_drain_s)
        stack.callback(files.close)

        health.add("mongodb", lambda: check(database))
        health.add("nats", bus.check)
        await stack.enter_async_context(bus.connected())
        await stack.enter_async_context(beating(bus, health, instance=settings.instance, clock=clock))
        await stack.enter_async_context(relay.running(tests))
        tasks = await stack.enter_async_context(background())
        cloudwatch = _cloudwatch(settings, reach, clock, tasks)
        stack.push_async_callback(cloudwatch.aclose)
        roster = Roster(
            tests,
            LogChunks(database),
            {
                "file": files,
                "scripted": ScriptedSource(clock, drain_s=settings.logstreamer_drain_s),
                "cloudwatch": cloudwatch,
            },
            relay,
            clock,
            tasks,
            follower=settings.instance,
            lease=timedelta(seconds=settings.logstreamer_lease_s),
        )
        stack.push_async_callback(roster.aclose)
        subscribe(bus, roster)
        await roster.resume()
        await stack.enter_async_context(
            background(
                every(settings.logstreamer_lease_s / 3, "follow_renewal", roster.renew),
                every(settings.sweep_interval_s, "logstreamer_sweep", roster.sweep),
            )
        )
        await stack.enter_async_context(bus.consuming())
        health.starting = False
        yield health
        health.draining = True


def _cloudwatch(
    settings: LogstreamerSettings, reach: OpenReach, clock: Clock, tasks: asyncio.TaskGroup
) -> CloudWatchSource:
    pace = Pace(
        settings.logstreamer_cloudwatch_poll_s,
        settings.logstreamer_cloudwatch_fastest_s,
        settings.logstreamer_cloudwatch_slowest_s,
    )
    return CloudWatchSource(
        reach,
        clock,
        tasks,
        pace=pace,
        overlap_s=settings.logstreamer_cloudwatch_overlap_s,
        drain_s=settings.logstreamer_drain_cloudwatch_s,
    )


def _load() -> type[AwsReach]:
    from services.logstreamer.sources.cloudwatch.reach import AwsReach

    return AwsReach
