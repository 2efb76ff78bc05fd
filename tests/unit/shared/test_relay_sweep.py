"""The sweep of the outboxes after an outage, without servers: a bus that takes what it is told to take."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from shared.bus.relay import PAGE, Relay
from shared.clock import ManualClock
from shared.events.letter import Letter
from tests.support.samples import NOW
from tests.support.until import until


class Backlog:
    """Outboxes with so many events, one for each test."""

    def __init__(self, count: int) -> None:
        self.left = {
            f"event-{number}": Letter(f"test-{number}", f"event-{number}", "test.queued.alice.test", b"{}", {})
            for number in range(count)
        }
        self.looks = 0

    async def clear(self, sent: Sequence[tuple[str, str]]) -> None:
        assert sent
        for _, event in sent:
            self.left.pop(event, None)

    async def unsent(self, before: datetime, limit: int) -> Sequence[Letter]:
        self.looks += 1
        return list(self.left.values())[:limit]


class TakingBus:
    """Takes everything, or nothing."""

    def __init__(self, *, open_for: bool) -> None:
        self.jetstream = self
        self._open = open_for
        self.published = 0

    async def publish(self, *_: Any, **__: Any) -> None:
        await asyncio.sleep(0)
        if not self._open:
            raise TimeoutError
        self.published += 1


@pytest.mark.parametrize("count", [1, PAGE, 3 * PAGE + 1])
async def test_what_an_outage_left_behind_goes_out_in_one_sweep(count: int) -> None:
    backlog, bus = Backlog(count), TakingBus(open_for=True)
    async with Relay(bus, ManualClock(NOW), interval_s=60.0).running(backlog):  # type: ignore[arg-type]
        await until(lambda: not backlog.left)
    assert bus.published == count


async def test_while_the_bus_is_away_a_sweep_tries_one_page() -> None:
    backlog, bus = Backlog(2 * PAGE), TakingBus(open_for=False)
    async with Relay(bus, ManualClock(NOW), interval_s=60.0).running(backlog):  # type: ignore[arg-type]
        await until(lambda: backlog.looks == 1)
        await asyncio.sleep(0.05)
    assert (backlog.looks, len(backlog.left)) == (1, 2 * PAGE)
