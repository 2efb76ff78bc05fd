"""SIGTERM, also at a bad moment: every service ends by itself, soon, without a traceback, and loses nothing."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.fleet import SERVICES, Fleet
from tests.support.flow import Flow, everything_is_at_rest, nothing_is_lost_or_doubled

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("away", ["nats-server", "mongod"])
async def test_a_service_ends_in_order_while_a_server_is_away(fleet: Fleet, away: str) -> None:
    server = {"nats-server": fleet.nats, "mongod": fleet.mongo}[away]
    async with fleet.client() as client, fleet.store() as database:
        flow = Flow(client, f"stopped-without-{away}", count=12)
        said = {name: len(fleet.services[name].log.read_text("utf-8")) for name in SERVICES}
        codes: dict[str, int] = {}

        async def disturb() -> None:
            await asyncio.to_thread(server.kill)
            stops = (asyncio.to_thread(fleet.services[name].stop) for name in SERVICES)
            codes.update(zip(SERVICES, await asyncio.gather(*stops), strict=True))
            await asyncio.to_thread(server.start)
            for name in SERVICES:
                fleet.services[name].start()
            await fleet.until_ready()

        tests = await flow.run(disturb, when_submitted=6)
        assert codes == dict.fromkeys(SERVICES, 0), fleet.said()
        for name in SERVICES:
            assert "Traceback" not in fleet.services[name].log.read_text("utf-8")[said[name] :], fleet.said()
        await nothing_is_lost_or_doubled(client, flow, tests)
        await everything_is_at_rest(database, fleet.sandboxes)


async def test_all_services_are_restarted_in_the_middle(fleet: Fleet) -> None:
    """A deployment that takes no care at all."""
    async with fleet.client() as client, fleet.store() as database:
        flow = Flow(client, "redeployed")

        async def disturb() -> None:
            codes = await asyncio.gather(*(asyncio.to_thread(one.stop) for one in fleet.services.values()))
            assert codes == [0] * len(SERVICES), fleet.said()
            for service in fleet.services.values():
                service.start()
            await fleet.until_ready()

        tests = await flow.run(disturb)
        await nothing_is_lost_or_doubled(client, flow, tests)
        await everything_is_at_rest(database, fleet.sandboxes)


async def test_all_services_are_killed_at_once(fleet: Fleet) -> None:
    """A machine that loses its power, but for the servers."""
    async with fleet.client() as client, fleet.store() as database:
        flow = Flow(client, "powerless")

        async def disturb() -> None:
            for service in fleet.services.values():
                service.kill()
            for service in fleet.services.values():
                service.start()
            await fleet.until_ready()

        tests = await flow.run(disturb)
        await nothing_is_lost_or_doubled(client, flow, tests)
        await everything_is_at_rest(database, fleet.sandboxes)
