"""Waits for packages to be made: one subscription and one look at the store for all who wait, however many they are."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import structlog
from pydantic import ValidationError

from services.gateway.ports import Feed, Message, Packages, Subscription
from shared.background import background, every
from shared.events.packages import PackageEvent, PackageFailed, PackageReady
from shared.ids import PackageId

log = structlog.get_logger()

_ENDS: Final = (PackageReady, PackageFailed)


class Arrival:
    """One caller's wait for one package."""

    def __init__(self) -> None:
        self._made = asyncio.Event()

    def tell(self) -> None:
        """The package may have been made: look at the store."""
        self._made.set()

    async def within(self, seconds: float) -> None:
        """Returns when it may have been made, or after so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._made.wait()


class Arrivals:
    """Everybody who waits here for a package."""

    def __init__(self, feed: Feed, packages: Packages, *, look_s: float) -> None:
        self._feed = feed
        self._packages = packages
        self._look_s = look_s
        self._waiting: dict[PackageId, set[Arrival]] = {}
        self._subscriptions: list[Subscription] = []
        self._closed = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Packages are heard of."""
        async with background(every(self._look_s, "package_look", self._look)):
            try:
                yield
            finally:
                self.close()
                for subscription in self._subscriptions:
                    with contextlib.suppress(Exception):  # a connection that is closed has no subscriptions
                        await subscription.unsubscribe()

    def close(self) -> None:
        """Nobody waits any more: everybody gets the package as it is."""
        self._closed = True
        for package_id in self._waiting:
            self._tell(package_id)

    @contextmanager
    def expecting(self, package_id: PackageId) -> Iterator[Arrival]:
        """Hears of the package from here on: look at it now, then wait."""
        arrival = Arrival()
        if self._closed:
            arrival.tell()
        self._waiting.setdefault(package_id, set()).add(arrival)
        try:
            yield arrival
        finally:
            others = self._waiting[package_id]
            others.discard(arrival)
            if not others:
                del self._waiting[package_id]

    @property
    def expected(self) -> int:
        """How many packages are waited for."""
        return len(self._waiting)

    def _tell(self, package_id: PackageId) -> None:
        for arrival in self._waiting.get(package_id, ()):
            arrival.tell()

    async def _look(self) -> None:
        """Subscribes where that has not worked yet, and finds what no event has told."""
        await self._subscribe()
        if self._waiting:
            wanted = list(self._waiting)
            still_made = await self._packages.still_made(wanted)
            for package_id in wanted:
                if package_id not in still_made:
                    self._tell(package_id)

    async def _subscribe(self) -> None:
        for kind in _ENDS[len(self._subscriptions) :]:
            try:
                self._subscriptions.append(await self._feed.follow(kind.pattern(), self._heard))
            except Exception as error:  # noqa: BLE001 - the bus is away; the looks go on, and the next one tries again
                log.warning("packages_not_followed", error=repr(error))
                return

    async def _heard(self, message: Message) -> None:
        try:
            event = PackageEvent.model_validate_json(message.data)
        except ValidationError as error:  # as good as lost: the next look finds it
            log.warning("package_event_not_understood", error=str(error)[:200])
            return
        self._tell(event.package_id)
