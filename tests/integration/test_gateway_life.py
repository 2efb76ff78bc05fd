"""The gateway's own life: its end, the end of what it needs, certificates, and its process."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from assay.v1 import test_service_pb2 as pb
from assay.v1 import test_service_pb2_grpc
from services.gateway.app import running
from shared.errors import Unavailable
from shared.settings import BadEnvironment
from tests.support.gateway import collected, details_of, lines, settings, staged
from tests.support.servers import RunningServer, free_port, running_mongo
from tests.support.until import until

Code = grpc.StatusCode
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


async def test_streams_are_sent_elsewhere_when_the_gateway_stops(
    nats_url: str, mongo_url: str, mongo_database: str
) -> None:
    async with staged(nats_url, mongo_url, mongo_database) as stage:
        alice = await stage.client()
        test = await alice.submit()
        await stage.others.started(test.id)
        health = health_pb2_grpc.HealthStub(alice.channel)
        watch_health = asyncio.create_task(collected(health.Watch(health_pb2.HealthCheckRequest())))
        streams = [
            asyncio.create_task(collected(alice.stream("WatchTest", pb.WatchTestRequest(test_id=test.id)))),
            asyncio.create_task(
                collected(alice.stream("StreamLogs", pb.StreamLogsRequest(test_id=test.id, follow=True)))
            ),
        ]
        await until(lambda: stage.live.followed)
        loop = asyncio.get_running_loop()
        began = loop.time()
        stage_closes = asyncio.gather(*streams, return_exceptions=True)
        await asyncio.sleep(0.1)
    ended = await stage_closes
    assert loop.time() - began < 4
    for error in ended:
        assert isinstance(error, grpc.aio.AioRpcError)
        assert error.code() is Code.UNAVAILABLE
        assert "shutting down" in str(error.details())
        assert "RetryInfo" in details_of(error)
    assert [message.status for message in await watch_health] == [SERVING, NOT_SERVING]


async def test_a_bus_that_is_away_delays_lines_and_loses_none(
    nats_server: RunningServer, mongo_url: str, mongo_database: str
) -> None:
    async with staged(nats_server.url, mongo_url, mongo_database, gateway_look_s=0.3) as stage:
        alice = await stage.client()
        test = await alice.submit()
        await stage.others.started(test.id)
        seqs: list[int] = []

        async def read() -> None:
            stream = alice.stream("StreamLogs", pb.StreamLogsRequest(test_id=test.id, follow=True))
            async for message in stream:
                seqs.extend(line.seq for line in message.lines)

        reading = asyncio.create_task(read())
        await stage.others.wrote(test.id, lines(1, 3))
        await until(lambda: seqs == [1, 2, 3])
        nats_server.kill()
        await stage.others.stored(test.id, lines(4, 6))
        await until(lambda: seqs == list(range(1, 7)))  # a look at the store
        late = asyncio.create_task(
            collected(alice.stream("StreamLogs", pb.StreamLogsRequest(test_id=test.id, from_seq=5, follow=True)))
        )
        assert (await alice.submit()).id  # accepted: the event waits in the outbox
        nats_server.start()
        await until(lambda: stage.others.bus.client.is_connected)
        await stage.others.wrote(test.id, lines(7, 8))
        await stage.others.completed(test.id)
        await stage.others.ended_output(test.id, 8)
        await reading
        assert seqs == list(range(1, 9))
        assert [line.seq for message in await late for line in message.lines] == [5, 6, 7, 8]


@pytest.mark.slow
async def test_a_store_that_is_away_is_unavailable_and_streams_outlive_it(nats_url: str) -> None:
    with running_mongo() as mongo:
        async with staged(nats_url, mongo.url, "outage", gateway_look_s=0.3) as stage:
            alice = await stage.client()
            test = await alice.submit()
            await stage.others.started(test.id)
            stream = alice.stream("WatchTest", pb.WatchTestRequest(test_id=test.id))
            messages = aiter(stream)
            await anext(messages)
            mongo.kill()
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await alice.call("GetTest", pb.GetTestRequest(test_id=test.id))
            assert refused.value.code() is Code.UNAVAILABLE
            assert "127.0.0.1" not in str(refused.value.details())
            assert details_of(refused.value)["RetryInfo"].retry_delay.seconds == 1
            health = health_pb2_grpc.HealthStub(alice.channel)

            async def status() -> Any:
                return (await health.Check(health_pb2.HealthCheckRequest())).status

            await until(lambda: is_(status(), NOT_SERVING), timeout=15)
            mongo.start()
            await until(lambda: is_(status(), SERVING), timeout=15)
            await until(lambda: works(alice.call("GetTest", pb.GetTestRequest(test_id=test.id))), timeout=15)
            await stage.others.completed(test.id)
            rest = [message async for message in messages]
            assert rest[-1].test.result.success


async def is_(answer: Any, wanted: Any) -> bool:
    return bool(await answer == wanted)


async def works(call: Any) -> bool:
    try:
        await call
    except grpc.aio.AioRpcError:
        return False
    return True


async def test_a_port_that_is_taken_is_said_at_once(nats_url: str, mongo_url: str, mongo_database: str) -> None:
    async with staged(nats_url, mongo_url, mongo_database) as stage:
        again = settings(nats_url, mongo_url, mongo_database, gateway_port=stage.health.port)
        with pytest.raises(Unavailable, match="cannot listen"):
            async with running(again):
                pass


async def test_a_bus_or_store_that_is_not_there_is_said_at_once(mongo_url: str, mongo_database: str) -> None:
    nowhere = settings(f"nats://127.0.0.1:{free_port()}", mongo_url, mongo_database)
    with pytest.raises(Unavailable, match="NATS"):
        async with running(nowhere):
            pass


def certificate(folder: Path, name: str) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={name}"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem"),
        ],
        check=True,
        capture_output=True,
    )


@pytest.mark.parametrize("mutual", [False, True], ids=["TLS", "mTLS"])
async def test_connections_are_encrypted_where_there_are_certificates(
    nats_url: str, mongo_url: str, mongo_database: str, tmp_path: Path, mutual: bool
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make certificates")
    for name in ("server", "client"):
        certificate(tmp_path, name)
    tls: dict[str, Any] = {
        "gateway_tls_cert_file": tmp_path / "server.pem",
        "gateway_tls_key_file": tmp_path / "server.key",
        **({"gateway_tls_client_ca_file": tmp_path / "client.pem"} if mutual else {}),
    }
    read = {name: (tmp_path / name).read_bytes() for name in ("server.pem", "client.pem", "client.key")}
    anonymous = grpc.ssl_channel_credentials(read["server.pem"])
    known = grpc.ssl_channel_credentials(read["server.pem"], read["client.key"], read["client.pem"])
    async with staged(nats_url, mongo_url, mongo_database, **tls) as stage:
        alice = await stage.client()
        request = pb.ListTestsRequest()
        for credentials, welcome in ((anonymous, not mutual), (known, True), (None, False)):
            channel = (
                grpc.aio.secure_channel(stage.address, credentials)
                if credentials
                else grpc.aio.insecure_channel(stage.address)
            )
            async with channel:
                stub = test_service_pb2_grpc.TestServiceStub(channel)
                assert await works(stub.ListTests(request, metadata=alice.metadata, timeout=5)) is welcome


def test_half_a_certificate_is_refused_by_the_settings() -> None:
    with pytest.raises(BadEnvironment, match="ASSAY_GATEWAY_TLS_KEY_FILE"):
        settings("nats://x", "mongodb://x", "x", gateway_tls_cert_file=Path("x.pem"))


async def test_the_gateway_runs_alone_as_a_process_and_ends_when_asked(
    nats_url: str, mongo_url: str, mongo_database: str
) -> None:
    port, health_port = free_port(), free_port()
    environment = {
        **os.environ,
        "ASSAY_NATS_URL": nats_url,
        "ASSAY_MONGO_URL": mongo_url,
        "ASSAY_MONGO_DATABASE": mongo_database,
        "ASSAY_GATEWAY_PORT": str(port),
        "ASSAY_HEALTH_HOST": "127.0.0.1",
        "ASSAY_HEALTH_PORT": str(health_port),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.gateway"),
        env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with aiohttp.ClientSession() as http:

            async def ready() -> bool:
                assert process.returncode is None
                try:
                    async with http.get(f"http://127.0.0.1:{health_port}/readyz") as answer:
                        return answer.status == 200
                except aiohttp.ClientError:
                    return False

            await until(ready, timeout=60)
            async with http.get(f"http://127.0.0.1:{health_port}/metrics") as answer:
                assert "assay_gateway_followed_tests" in await answer.text()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = test_service_pb2_grpc.TestServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.GetTest(pb.GetTestRequest(test_id="x"), metadata=(("authorization", "Bearer secret-key"),))
            assert refused.value.code() is Code.UNAUTHENTICATED
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    assert not err, err.decode()
    logged = [json.loads(row) for row in out.decode().splitlines()]
    (call,) = [row for row in logged if row["event"] == "rpc"]
    assert (call["method"], call["code"]) == ("GetTest", "UNAUTHENTICATED")
    assert len(call["trace_id"]) == 32
    assert "secret-key" not in out.decode()
