"""GetSystemHealth on real servers: services that report, end, die; a store or a bus that is frozen or gone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from pydantic import SecretStr

from assay.v1 import admin_service_pb2 as pb
from assay.v1.test_service_pb2 import GetTestRequest
from services.gateway.authentication import REMEMBER_S
from services.gateway.health.judgement import SERVICES
from services.packager.app import running as packager_running
from services.packager.settings import PackagerSettings
from shared.clock import SystemClock
from shared.ids import UserId, new_test_id
from shared.store.keys import ApiKeys
from tests.support.gateway import Client, Stage, refused, staged
from tests.support.packaging import new_bucket, open_emulator
from tests.support.servers import AWS_KEY, RunningServer, running_mongo
from tests.support.system import System, system
from tests.support.until import until

HEALTHY, DEGRADED, UNHEALTHY = pb.HEALTH_STATE_HEALTHY, pb.HEALTH_STATE_DEGRADED, pb.HEALTH_STATE_UNHEALTHY
PATIENCE_S = 60.0  # a machine under load, not a figure


async def health(client: Client, **more: Any) -> pb.GetSystemHealthResponse:
    answer: pb.GetSystemHealthResponse = await client.call("GetSystemHealth", pb.GetSystemHealthRequest(), **more)
    return answer


def of(answer: pb.GetSystemHealthResponse, service: str) -> list[pb.ServiceHealth]:
    return [one for one in answer.services if one.service == service]


def states(answer: pb.GetSystemHealthResponse) -> dict[str, pb.HealthState.ValueType]:
    return {check.name: check.state for check in answer.dependencies}


@asynccontextmanager
async def packager(world: System) -> AsyncIterator[None]:
    settings = PackagerSettings(
        nats_url=SecretStr(world.nats_url),
        mongo_url=SecretStr(world.mongo_url),
        mongo_database=world.name,
        instance="packager-one",
    )
    async with packager_running(settings):
        yield


@asynccontextmanager
async def everything(nats_url: str, mongo_url: str, name: str) -> AsyncIterator[tuple[Stage, System]]:
    """All services but the scheduler, which each test starts in its own way."""
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(system(nats_url, mongo_url, name))
        stage = await stack.enter_async_context(staged(nats_url, mongo_url, name, instance="gateway-one"))
        for service in ("orchestrator", "logstreamer"):
            await stack.enter_async_context(world.service(service))
        await stack.enter_async_context(packager(world))
        yield stage, world


async def test_replicas_report_themselves_and_one_that_ends_in_order_says_goodbye(
    fresh_nats_url: str, mongo_url: str, mongo_database: str
) -> None:
    async with everything(fresh_nats_url, mongo_url, mongo_database) as (stage, world):
        root = await stage.client("root", role="admin")
        (missing,) = of(await health(root), "scheduler")
        assert (missing.instance, missing.state) == ("", UNHEALTHY)

        async with world.service("scheduler"):
            found = await until(lambda: well(root), timeout=PATIENCE_S)
            assert [(one.service, one.instance) for one in found.services] == [
                (name, f"{name}-one") for name in SERVICES
            ]
            assert {one.version for one in found.services} != {""}
            assert all(check.name in {"mongodb", "nats"} for one in found.services for check in one.checks)
            assert all(one.start_time.ToDatetime(UTC) <= datetime.now(UTC) for one in found.services)
            assert states(found) == {"mongodb": HEALTHY, "nats": HEALTHY}
            async with world.service("scheduler", "two"):

                async def are_two() -> bool:
                    return len(of(await health(root), "scheduler")) == 2

                await until(are_two, timeout=PATIENCE_S)

            async def one_is_left() -> bool:
                return [one.instance for one in of(await health(root), "scheduler")] == ["scheduler-one"]

            await until(one_is_left, timeout=PATIENCE_S)

        async def nobody_is_left() -> bool:
            return [one.instance for one in of(await health(root), "scheduler")] == [""]

        await until(nobody_is_left, timeout=PATIENCE_S)
        assert (await health(root)).state == UNHEALTHY


async def test_a_service_that_was_killed_is_unhealthy_until_it_is_back(
    fresh_nats_url: str, mongo_url: str, mongo_database: str
) -> None:
    async with everything(fresh_nats_url, mongo_url, mongo_database) as (stage, world):
        root = await stage.client("root", role="admin")
        with world.process("scheduler") as process:
            await process.ready()
            await until(lambda: well(root), timeout=PATIENCE_S)
            process.kill()

            async def seen() -> bool:
                return (await health(root)).state == UNHEALTHY

            await until(seen, timeout=PATIENCE_S)
            (killed,) = of(await health(root), "scheduler")
            assert killed.instance == "scheduler-one"
            assert [check.name for check in killed.checks if check.state == UNHEALTHY] == ["report"]
            assert "not heard from for " in killed.checks[-1].detail
        with world.process("scheduler") as process:
            await process.ready()
            (back,) = of(await until(lambda: well(root), timeout=PATIENCE_S), "scheduler")
            assert back.start_time.ToNanoseconds() > killed.start_time.ToNanoseconds()


async def test_the_newest_error_and_the_lag_of_a_replica_are_told(
    fresh_nats_url: str, mongo_url: str, mongo_database: str
) -> None:
    async with (
        system(fresh_nats_url, mongo_url, mongo_database) as world,
        staged(fresh_nats_url, mongo_url, mongo_database) as stage,
    ):
        root = await stage.client("root", role="admin")
        began = datetime.now(UTC)
        # Is there before the scheduler is, which cannot make anything of it.
        await world.bus.jetstream.publish("test.submitted.alice.tst_1", b"no event")
        waits_since = asyncio.get_running_loop().time()
        async with world.service("scheduler"), world.service("logstreamer"):

            async def has_error(service: str) -> bool:
                (found,) = of(await health(root), service)
                return found.HasField("last_error") and found.last_error.time.ToDatetime(UTC) >= began

            async def with_error(service: str) -> pb.ServiceHealth:
                await until(lambda: has_error(service), timeout=PATIENCE_S)
                return of(await health(root), service)[0]

            scheduler = await with_error("scheduler")
            waited = asyncio.get_running_loop().time() - waits_since
            # All of them are in this process, and each error is told of one: of the gateway one in a call.
            assert not await has_error("gateway")
            test_id = new_test_id()
            await stage.others.database["executions"].insert_one({"_id": test_id, "user_id": "root"})
            error = await refused(root.call("GetTest", GetTestRequest(test_id=test_id)))
            assert error.code() is grpc.StatusCode.INTERNAL
            gateway = await with_error("gateway")
            assert not await has_error("logstreamer")
    assert scheduler.last_error.message.startswith("event_is_dead: ")
    assert gateway.last_error.message.startswith("rpc_broke: ")
    assert 0 < scheduler.lag.ToTimedelta().total_seconds() <= waited
    assert scheduler.state == HEALTHY  # it works, and has something to say


async def test_what_is_stored_queued_and_dead_is_told(fresh_nats_url: str, mongo_url: str, mongo_database: str) -> None:
    async with staged(fresh_nats_url, mongo_url, mongo_database, aws_bucket="") as stage:
        root = await stage.client("root", role="admin")
        for number, state in enumerate(("READY", "READY", "EXPIRED")):
            await stage.others.database["packages"].insert_one(
                {
                    "_id": f"pkg_{number}",
                    "test_id": f"tst_{number}",
                    "user_id": "alice",
                    "options_hash": "h",
                    "state": state,
                    "size": 1000,
                    "request_keys": [f"key {number}"],
                }
            )
        await stage.others.bus.jetstream.publish("dead.scheduler-test-submitted", b"{}")
        found = await health(root)
    assert (found.storage.package_count, found.storage.package_bytes) == (2, 2000)
    assert not found.storage.HasField("log_group_bytes")
    assert found.dead_letter_count == 1
    assert found.HasField("queue")
    assert found.HasField("last_hour")
    assert found.last_hour.start_time.ToDatetime(UTC).minute == 0


@pytest.mark.parametrize("gone", ["frozen", "killed"])
async def test_a_store_that_does_not_answer_is_told_in_time_to_an_admin_whose_key_is_known(
    nats_url: str, gone: str
) -> None:
    with running_mongo() as mongo:
        async with staged(nats_url, mongo.url, "outage") as stage:
            root, stranger = await stage.client("root", role="admin"), await stage.client("other", role="admin")
            assert states(await health(root)) == {"mongodb": HEALTHY, "nats": HEALTHY}
            (mongo.freeze if gone == "frozen" else mongo.kill)()
            try:
                found = await health_past_the_usual_memory(root)
                error = await refused(health(stranger, timeout=20))
            finally:
                (mongo.thaw if gone == "frozen" else mongo.start)()
            assert found.state == UNHEALTHY
            assert states(found) == {"mongodb": UNHEALTHY, "nats": HEALTHY}
            assert not any(found.HasField(part) for part in ("queue", "storage", "last_hour"))
            assert found.HasField("dead_letter_count")
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            await until(lambda: is_well(root), timeout=PATIENCE_S)


async def test_a_bus_that_is_frozen_is_told_in_time(
    nats_server: RunningServer, mongo_url: str, mongo_database: str
) -> None:
    async with staged(nats_server.url, mongo_url, mongo_database) as stage:
        root = await stage.client("root", role="admin")
        await health(root)
        nats_server.freeze()
        try:
            found = await health(root, timeout=20)
        finally:
            nats_server.thaw()
        assert states(found) == {"mongodb": HEALTHY, "nats": UNHEALTHY}
        assert found.HasField("queue")
        assert not found.HasField("dead_letter_count")
        (own,) = of(found, "gateway")
        assert own.instance == stage.settings.instance
        await until(lambda: is_well(root), timeout=PATIENCE_S)


async def test_aws_is_looked_at_where_it_is_used(
    nats_url: str, mongo_url: str, mongo_database: str, emulator: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws, objects = await new_bucket(emulator)
    group = f"/{objects.bucket}"
    bucket: dict[str, Any] = {
        "aws_endpoint_url": emulator.url,
        "aws_bucket": objects.bucket,
        "aws_log_group": group,
    }
    async with staged(nats_url, mongo_url, mongo_database, aws=open_emulator, **bucket) as stage:
        root = await stage.client("root", role="admin")
        found = await health(root)
        assert "aws" not in states(found)  # an emulator is not opened for a look
        assert found.storage.bucket == objects.bucket
    await asyncio.to_thread(aws.logs.create_log_group, logGroupName=group)
    aws.close()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", AWS_KEY.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", AWS_KEY.secret_key)

    async def looked(client: Client) -> pb.GetSystemHealthResponse:
        """Opening AWS may take longer than an answer."""
        found = await health(client)
        assert states(found)["aws"] != pb.HEALTH_STATE_UNSPECIFIED
        return found

    async with staged(nats_url, mongo_url, mongo_database, **bucket) as stage:
        root = await stage.client("root", role="admin")
        found = await until(lambda: looked(root), timeout=PATIENCE_S)
        assert states(found)["aws"] == HEALTHY
        found = await health(root)
        assert found.storage.log_group == group
        assert found.storage.HasField("log_group_bytes")
    async with staged(nats_url, mongo_url, mongo_database, **{**bucket, "aws_bucket": "no-such-bucket"}) as stage:
        root = await stage.client("root", role="admin")
        found = await until(lambda: looked(root), timeout=PATIENCE_S)
        assert states(found)["aws"] == UNHEALTHY


async def test_a_revoked_key_does_not_come_in_where_the_store_answers(
    nats_url: str, mongo_url: str, mongo_database: str
) -> None:
    async with staged(nats_url, mongo_url, mongo_database) as stage:
        root = await stage.client("root", role="admin")
        await health(root)
        # By hand, as another gateway would: this one was told nothing.
        await ApiKeys(stage.others.database).revoke_all(UserId("root"), SystemClock().now())

        async def is_out() -> bool:
            try:
                await health(root)
            except grpc.aio.AioRpcError as error:
                return error.code() is grpc.StatusCode.UNAUTHENTICATED
            return False

        await until(is_out, timeout=PATIENCE_S)
        assert (await refused(health(root))).code() is grpc.StatusCode.UNAUTHENTICATED


async def health_past_the_usual_memory(client: Client) -> pb.GetSystemHealthResponse:
    """The last of many answers, each of which came before its deadline; keys have to be looked up anew meanwhile."""
    loop = asyncio.get_running_loop()
    end = loop.time() + REMEMBER_S
    while True:
        asked = loop.time()
        found = await health(client, timeout=20)
        if asked > end:
            return found


async def well(client: Client) -> pb.GetSystemHealthResponse:
    found = await health(client)
    assert found.state == HEALTHY, found
    return found


async def is_well(client: Client) -> bool:
    return set(states(await health(client)).values()) == {HEALTHY}
