"""How a server is: in the SDK, in both ways of it, and as `assay health`."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from assay import Assay, AsyncAssay, HealthState, ServiceError, StorageUse
from assay.v1 import admin_service_pb2 as pb
from tests.unit.client.command import Cli
from tests.unit.client.conftest import QUICK
from tests.unit.client.fake_admin import SECOND
from tests.unit.client.fake_server import KEY, FakeServer

NOW = datetime.fromtimestamp(SECOND, UTC)


async def test_the_health_of_a_server_is_as_it_told_it(client: AsyncAssay, fake: FakeServer) -> None:
    found = await client.admin.health()
    assert (found.state, found.healthy, found.time) == (HealthState.UNHEALTHY, False, NOW)
    gateway, scheduler, packager = found.services
    assert (gateway.service, gateway.instance, gateway.version, gateway.state) == ("gateway", "gw-1", "1.0", "HEALTHY")
    assert (gateway.started, gateway.lag) == (NOW - timedelta(hours=2), timedelta(milliseconds=250))
    assert (gateway.last_error, gateway.wrong) == (None, ())
    assert scheduler.last_error == ServiceError("event_is_dead: \x1b[2Jno", NOW - timedelta(minutes=1))
    assert [check.detail for check in scheduler.wrong] == ["not heard from for 12 s"]
    assert (packager.instance, packager.started, packager.last_seen, packager.lag) == ("", None, None, None)
    assert [(check.name, check.state) for check in found.dependencies] == [
        ("mongodb", "HEALTHY"),
        ("nats", "UNHEALTHY"),
    ]
    assert found.queue
    assert found.queue.pending == 3
    assert found.dead_letters is None
    assert found.storage == StorageUse("b", 2, 2048, "/assay/tests", None)
    assert found.last_hour
    assert (found.last_hour.submitted, found.last_hour.success_rate) == (4, 0.75)


async def test_what_could_not_be_read_is_none(client: AsyncAssay, fake: FakeServer) -> None:
    fake.admin.health = pb.GetSystemHealthResponse(state=pb.HEALTH_STATE_HEALTHY, dead_letter_count=0)
    found = await client.admin.health()
    assert found.healthy
    assert (found.queue, found.storage, found.last_hour, found.time) == (None, None, None, None)
    assert found.dead_letters == 0


async def test_without_asyncio_it_is_the_same(client: AsyncAssay, fake: FakeServer, address: str) -> None:
    def health() -> object:
        with Assay(address, KEY, retry=QUICK) as blocking:
            return blocking.admin.health()

    assert await asyncio.to_thread(health) == await client.admin.health()


async def test_the_command_says_what_is_wrong_and_ends_with_1(cli: Cli, fake: FakeServer) -> None:
    ran = await cli("health")
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert lines[0] == "UNHEALTHY"
    assert lines[2].split() == ["SERVICE", "REPLICA", "STATE", "VERSION", "UP", "HEARD", "OF", "LAG"]
    assert lines[3].split() == [
        "gateway",
        "gw-1",
        "HEALTHY",
        "1.0",
        "2",
        "h",
        "00",
        "min",
        "12",
        "s",
        "ago",
        "250",
        "ms",
    ]
    assert lines[5].split() == ["packager", "-", "UNHEALTHY", "-", "-", "-", "-"]
    assert "  scheduler s-1: report: not heard from for 12 s" in lines
    assert "  scheduler s-1, 1 min 00 s ago: event_is_dead: \\x1b[2Jno" in lines
    assert "needs   mongodb HEALTHY (2 ms)   nats UNHEALTHY (-)" in lines
    assert "  nats: no answer within 0.7 s" in lines
    assert "dead letters could not be counted" in lines
    assert "in the last 1 h 00 min: 4 tests submitted, 4 ended, 75.0 % passed" in lines
    assert "2 packages, 2.0 KiB in the bucket b   log group /assay/tests: size not known" in lines


@pytest.mark.parametrize(
    ("state", "code"),
    [(pb.HEALTH_STATE_HEALTHY, 0), (pb.HEALTH_STATE_DEGRADED, 1), (pb.HEALTH_STATE_UNHEALTHY, 1)],
)
async def test_a_script_sees_by_the_exit_code_whether_all_is_healthy(
    cli: Cli, fake: FakeServer, state: pb.HealthState.ValueType, code: int
) -> None:
    fake.admin.health.state = state
    ran = await cli("health", "--json")
    assert ran.code == code
    found = json.loads(ran.out)
    assert found["state"] == pb.HealthState.Name(state).removeprefix("HEALTH_STATE_")
    assert found["services"][0]["lag_s"] == 0.25
    assert found["services"][1]["last_error"]["time"] == "2023-11-14T22:12:20.000000Z"
    assert found["dead_letters"] is None


async def test_a_server_that_says_nothing_ends_the_command_with_2(cli: Cli) -> None:
    ran = await cli("--address", "127.0.0.1:1", "health")
    assert ran.code == 2
