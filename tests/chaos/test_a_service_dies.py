"""SIGKILL for one service in the middle of a flow of tests, and its return a moment later: nothing lost or doubled."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.fleet import SERVICES, Fleet
from tests.support.flow import Flow, everything_is_at_rest, nothing_is_lost_or_doubled

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", SERVICES)
async def test_one_is_killed_and_comes_back(fleet: Fleet, name: str) -> None:
    service = fleet.services[name]

    async def disturb() -> None:
        service.kill()
        await asyncio.sleep(0.5)
        service.start()
        await service.until_ready()

    async with fleet.client() as client, fleet.store() as database:
        flow = Flow(client, f"without-{name}")
        tests = await flow.run(disturb)
        await nothing_is_lost_or_doubled(client, flow, tests)
        await everything_is_at_rest(database, fleet.sandboxes)
