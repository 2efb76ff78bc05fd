"""The live feed on NATS: what `live.py` hears."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from services.gateway.ports import Message, Subscription
from shared.bus.connect import Bus

FLUSH_S: Final = 1


class BusFeed:
    """Plain subscriptions beside the durable consumers: every gateway hears for itself, and nothing is kept for it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def follow(self, subject: str, heard: Callable[[Message], Awaitable[None]]) -> Subscription:
        """Hears what is published on `subject` from the moment this returns.

        Raises whatever the connection raises where the server does not answer within a second."""
        subscription = await self._bus.follow(subject, heard)
        try:
            # When the server answers a ping that follows it, it has the subscription: no event slips by any more.
            await self._bus.client.flush(FLUSH_S)
        except BaseException:
            await subscription.unsubscribe()
            raise
        return subscription

    def when_reconnected(self, told: Callable[[], None]) -> None:
        """Calls `told` whenever a lost connection is there again."""
        self._bus.when_reconnected(told)
