"""What the packager does when it hears of something: decode, call one use case, return."""

from __future__ import annotations

import structlog

from shared.bus.connect import Bus
from shared.events.packages import PackageRequested

log = structlog.get_logger()


def subscribe(bus: Bus) -> None:
    """Registers the packager's handler. Nobody tells this event yet: GeneratePackage answers UNIMPLEMENTED so far."""

    async def on_package_requested(event: PackageRequested) -> None:
        log.warning("packages_are_not_made_yet", package_id=event.package_id)

    bus.on(PackageRequested, on_package_requested)
