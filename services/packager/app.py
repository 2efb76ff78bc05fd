"""Constructs the packager and wires it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from services.packager.handlers import subscribe
from services.packager.settings import PackagerSettings
from shared.bus.connect import Bus
from shared.store.connect import check, connected
from shared.telemetry.health import Health


@asynccontextmanager
async def running(settings: PackagerSettings) -> AsyncIterator[Health]:
    """The packager at work; drained at the end."""
    health = Health("packager")
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            connected(settings.mongo_url.get_secret_value(), settings.mongo_database, service="packager")
        )
        bus = Bus.of(settings, "packager")
        subscribe(bus)
        health.add("mongodb", lambda: check(database))
        health.add("nats", bus.check)
        await stack.enter_async_context(bus.connected())
        await stack.enter_async_context(bus.consuming())
        yield health
        health.draining = True
