"""SIGKILL for nats-server or mongod in the middle of a flow of tests, and its return: nothing lost or doubled."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.fleet import Fleet
from tests.support.flow import Flow, everything_is_at_rest, nothing_is_lost_or_doubled
from tests.support.servers import RunningServer

pytestmark = pytest.mark.slow


def server_of(fleet: Fleet, name: str) -> RunningServer:
    return {"nats-server": fleet.nats, "mongod": fleet.mongo}[name]


@pytest.mark.parametrize("name", ["nats-server", "mongod"])
async def test_it_is_killed_and_comes_back(fleet: Fleet, name: str) -> None:
    server = server_of(fleet, name)

    async def disturb() -> None:
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(server.start)

    async with fleet.client() as client, fleet.store() as database:
        flow = Flow(client, f"without-{name}")
        tests = await flow.run(disturb)
        await nothing_is_lost_or_doubled(client, flow, tests)
        await everything_is_at_rest(database, fleet.sandboxes)


@pytest.mark.parametrize("name", ["nats-server", "mongod"])
async def test_it_does_not_answer_for_a_while(fleet: Fleet, name: str) -> None:
    """Connections stay open and nothing comes back: the worst kind of outage."""
    server = server_of(fleet, name)

    async def disturb() -> None:
        server.freeze()
        await asyncio.sleep(4)
        server.thaw()

    async with fleet.client() as client, fleet.store() as database:
        flow = Flow(client, f"frozen-{name}", count=20)
        tests = await flow.run(disturb, when_submitted=8)
        await nothing_is_lost_or_doubled(client, flow, tests)
        await everything_is_at_rest(database, fleet.sandboxes)
