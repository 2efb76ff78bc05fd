"""What the packager does when it hears of something: decode, call one use case, return."""

from __future__ import annotations

from services.packager.pack import Pack
from shared.bus.connect import Bus
from shared.events.packages import PackageRequested


def subscribe(bus: Bus, pack: Pack) -> None:
    """Registers the packager's handler."""

    async def on_package_requested(event: PackageRequested) -> None:
        await pack.make(event.package_id)

    bus.on(PackageRequested, on_package_requested)
