"""Constructs the log streamer and wires it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from services.logstreamer.handlers import subscribe
from services.logstreamer.roster import Roster
from services.logstreamer.settings import LogstreamerSettings
from services.logstreamer.sources.files import FileSource
from services.logstreamer.sources.scripted import ScriptedSource
from shared.background import background, every
from shared.bus.connect import Bus
from shared.bus.relay import Relay
from shared.clock import SystemClock
from shared.store.connect import check, connected, provision
from shared.store.executions import Executions
from shared.store.logs import LogChunks
from shared.telemetry.health import Health


@asynccontextmanager
async def running(settings: LogstreamerSettings) -> AsyncIterator[Health]:
    """The log streamer at work. At the end it lets go of what it follows; the next one reads on."""
    health = Health("logstreamer")
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            connected(settings.mongo_url.get_secret_value(), settings.mongo_database, service="logstreamer")
        )
        await provision(database)
        clock = SystemClock()
        bus = Bus(settings.nats_url.get_secret_value(), service="logstreamer", replicas=settings.stream_replicas)
        relay = Relay(bus, clock, interval_s=settings.sweep_interval_s)
        tests = Executions(database, relay.tell)
        files = FileSource()
        stack.callback(files.close)

        health.add("mongodb", lambda: check(database))
        health.add("nats", bus.check)
        await stack.enter_async_context(bus.connected())
        await stack.enter_async_context(relay.running(tests))
        tasks = await stack.enter_async_context(background())
        roster = Roster(
            tests,
            LogChunks(database),
            {"file": files, "scripted": ScriptedSource(clock)},
            relay,
            clock,
            tasks,
            follower=settings.instance,
            lease=timedelta(seconds=settings.logstreamer_lease_s),
            drain_s=settings.logstreamer_drain_s,
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
        yield health
        health.draining = True
