"""Calls without a valid key: they are refused before their message is read, and keep nobody out who has one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from assay.v1 import test_pb2
from assay.v1 import test_service_pb2 as pb
from services.gateway.budgets import _Lane
from services.gateway.interceptors import Edge
from services.gateway.metrics import RPCS, TURNED_AWAY
from tests.support.gateway import Client, Stage, details_of, refused, staged
from tests.support.raw_http2 import CHECK, DATA, END_HEADERS, HEADERS, connected_by_hand, frame, header_block
from tests.support.until import until

Code = grpc.StatusCode
WATCHES = 30


@pytest_asyncio.fixture
async def stage(nats_url: str, mongo_url: str, mongo_database: str) -> AsyncIterator[Stage]:
    async with staged(
        nats_url,
        mongo_url,
        mongo_database,
        gateway_max_calls=20,
        gateway_max_calls_of_user=12,
        gateway_max_calls_without_key=40,
        gateway_max_calls_without_key_of_peer=20,
        gateway_wrong_keys_per_minute=3,
        gateway_message_s=1.0,
        gateway_reflection=False,
    ) as found:
        yield found


@pytest_asyncio.fixture
async def alice(stage: Stage) -> Client:
    return await stage.client("alice")


class Watch:
    """One Health.Watch that is left open."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.answered = False
        self.error: grpc.aio.AioRpcError | None = None
        self._call = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for _ in self._call:
                self.answered = True
        except grpc.aio.AioRpcError as error:
            self.error = error


# -- the hole: health streams against the budget of those who have a key


async def test_watches_of_health_keep_neither_key_holders_nor_probes_out(stage: Stage, alice: Client) -> None:
    async with grpc.aio.insecure_channel(stage.address) as attacker:
        watches = [Watch(attacker) for _ in range(WATCHES)]
        await until(lambda: all(watch.answered or watch.error for watch in watches))
        refusals = [watch.error for watch in watches if watch.error]
        assert len(refusals) == WATCHES - 10  # half of the 20 of one address are for streams
        for error in refusals:
            assert error.code() is Code.RESOURCE_EXHAUSTED
            assert "Calls with a key are not counted here" in str(error.details())
            details = details_of(error)
            assert details["ErrorInfo"].reason == "TOO_MANY_CALLS_WITHOUT_KEY"
            assert details["RetryInfo"].retry_delay.seconds >= 1
            assert details["QuotaFailure"].violations[0].subject == "peer:127.0.0.1"
        assert (await alice.submit()).id
        probe = await health_pb2_grpc.HealthStub(alice.channel).Check(health_pb2.HealthCheckRequest())
        assert probe.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_place_is_free_again_when_its_stream_has_ended(stage: Stage) -> None:
    async with AsyncExitStack() as stack:
        attacker = await stack.enter_async_context(grpc.aio.insecure_channel(stage.address))
        first = [Watch(attacker) for _ in range(10)]
        await until(lambda: all(watch.answered for watch in first))
        await attacker.close(None)
        other = await stack.enter_async_context(grpc.aio.insecure_channel(stage.address))
        again: list[Watch] = []

        def is_let_in() -> bool:
            if not again or again[-1].error:
                again.append(Watch(other))
            return again[-1].answered

        await until(is_let_in)


async def test_a_stream_without_a_key_ends_after_its_time(nats_url: str, mongo_url: str, mongo_database: str) -> None:
    async with (
        staged(nats_url, mongo_url, mongo_database, gateway_without_key_s=0.5) as stage,
        grpc.aio.insecure_channel(stage.address) as channel,
    ):
        watch = Watch(channel)
        await until(lambda: watch.error)
        assert watch.answered
        assert watch.error is not None
        assert (watch.error.code(), "after 0.5 s" in str(watch.error.details())) == (Code.UNAVAILABLE, True)


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_a_message_that_grows_when_it_is_unpacked_is_not_unpacked(
    stage: Stage, alice: Client, compression: grpc.Compression
) -> None:
    """A thousandth of it is on the wire."""
    request = health_pb2.HealthCheckRequest(service="x" * 3_000_000)
    error = await refused(health_pb2_grpc.HealthStub(alice.channel).Check(request, compression=compression))
    assert error.code() is Code.UNIMPLEMENTED
    large = pb.SubmitTestRequest(spec=test_pb2.TestSpec(agent_code="x" * 3_000_000))
    error = await refused(alice.tests.SubmitTest(large, metadata=alice.metadata, compression=compression))
    assert error.code() is Code.UNIMPLEMENTED
    assert (await alice.submit()).id


async def test_halves_of_health_checks_keep_no_probe_out(stage: Stage) -> None:
    """From the same address, as behind a proxy: the newest has a place, and who waits for longest goes."""
    headers = header_block(CHECK)
    async with connected_by_hand(stage.health.port) as peer, grpc.aio.insecure_channel(stage.address) as channel:
        await peer.greet()
        await peer.send(*(frame(HEADERS, END_HEADERS, number, headers) for number in range(1, 41, 2)))
        ended: set[int] = set()
        async with asyncio.timeout(10):
            while len(ended) < 10:  # of the 20 only as many wait on as there are places
                answer = await peer.read()
                assert answer is not None
                if answer.kind == HEADERS:
                    ended.add(answer.stream)
        for _ in range(3):
            probe = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
            assert probe.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_health_check_whose_message_never_comes_gives_its_place_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.gateway.withoutkey.QUESTION_S", 0.3)
    headers = header_block("/grpc.health.v1.Health/Check")
    async with connected_by_hand(stage.health.port) as peer, grpc.aio.insecure_channel(stage.address) as channel:
        await peer.greet()
        await peer.send(*(frame(HEADERS, END_HEADERS, number, headers) for number in range(1, 21, 2)))

        await let_in(lambda: health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest()))


@pytest.mark.parametrize("method", ["Check", "Watch"])
async def test_what_is_no_message_is_a_bad_request_and_fills_no_log(
    method: str, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """gRPC would log a traceback for each, for anybody who can connect."""
    async with grpc.aio.insecure_channel(stage.address) as channel:
        call = channel.unary_stream(f"/grpc.health.v1.Health/{method}", None, None)(b"\x0a\x02\xff\xff")
        error = await refused(call.read())
    assert error.code() is Code.INVALID_ARGUMENT
    assert "Traceback" not in caplog.text


async def test_what_is_no_message_of_reflection_is_a_bad_request(
    nats_url: str, mongo_url: str, mongo_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        staged(nats_url, mongo_url, mongo_database, gateway_reflection=True) as stage,
        grpc.aio.insecure_channel(stage.address) as channel,
    ):
        path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        error = await refused(channel.stream_stream(path, None, None)(iter([b"\xff"])).read())
    assert error.code() is Code.INVALID_ARGUMENT
    assert "Traceback" not in caplog.text


async def test_reflection_is_off_unless_it_is_set(stage: Stage, alice: Client) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(alice.channel)
    stream = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    assert (await refused(stream.read())).code() is Code.UNIMPLEMENTED


# -- the key is looked at before the message is


async def test_the_message_of_a_call_without_a_key_is_not_read(
    stage: Stage, alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    count_decoding(monkeypatch, decoded)
    body = pb.SubmitTestRequest(spec=test_pb2.TestSpec(agent_code="x" * 3_900_000)).SerializeToString()
    for metadata in ((), (("authorization", "Bearer assay_forged"),)):
        error = await refused(forged(alice.channel)(body, metadata=metadata))
        assert error.code() is Code.UNAUTHENTICATED
    assert decoded == []
    await refused(forged(alice.channel)(body, metadata=alice.metadata))
    assert decoded == [len(body)]


async def test_a_call_without_a_key_is_refused_before_its_message_has_come(stage: Stage) -> None:
    headers = header_block("/assay.v1.TestService/SubmitTest", authorization="Bearer assay_forged")
    announced = b"\x00" + (3 << 20).to_bytes(4)
    async with connected_by_hand(stage.health.port) as peer:
        await peer.greet()
        await peer.send(frame(HEADERS, END_HEADERS, 1, headers), frame(DATA, 0, 1, announced))
        async with asyncio.timeout(5):
            while (answer := await peer.read()) is not None and answer.kind != HEADERS:
                pass
        assert answer is not None
        assert b"not known here" in answer.payload


async def test_a_user_whose_message_does_not_come_is_told_so(stage: Stage, alice: Client) -> None:
    headers = header_block("/assay.v1.TestService/GetTest", authorization=f"Bearer {alice.key}")
    async with connected_by_hand(stage.health.port) as peer:
        await peer.greet()
        await peer.send(frame(HEADERS, END_HEADERS, 1, headers))
        async with asyncio.timeout(10):
            while (answer := await peer.read()) is not None and answer.kind != HEADERS:
                pass
        assert answer is not None
        assert b"did not arrive within 1 s" in answer.payload


async def test_a_user_who_sends_many_halves_of_messages_keeps_no_other_waiting(
    stage: Stage, alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each half is memory of the gateway's: only so many are received at once, the others wait outside."""
    bob = await stage.client("bob")
    headers = header_block("/assay.v1.TestService/SubmitTest", authorization=f"Bearer {alice.key}")
    half = frame(DATA, 0, 1, b"\x00" + (3 << 20).to_bytes(4) + b"x" * 16_000)
    edge: list[Edge] = []
    entered = Edge._next

    async def noticed(self: Edge, *more: Any) -> Any:
        edge.append(self)
        return await entered(self, *more)

    monkeypatch.setattr(Edge, "_next", noticed)
    monkeypatch.setattr("services.gateway.budgets._Lane.__init__", _narrow)
    async with connected_by_hand(stage.health.port) as peer:
        await peer.greet()
        for number in range(1, 21, 2):
            await peer.send(frame(HEADERS, END_HEADERS, number, headers), half[:5] + number.to_bytes(4) + half[9:])
        await until(lambda: len(edge) == 10)
        lane = edge[0]._reading.of("alice")
        assert (lane._inside, lane._free.locked()) == (10, True)
        assert (await bob.submit()).id
    await until(lambda: len(edge[0]._reading) == 0)


async def test_an_upload_that_stalls_ends(stage: Stage, alice: Client) -> None:
    async def stalled() -> AsyncIterator[pb.UploadArchiveRequest]:
        yield pb.UploadArchiveRequest(data=b"PK")
        await asyncio.Event().wait()

    error = await refused(alice.tests.UploadArchive(stalled(), metadata=alice.metadata, timeout=20))
    assert (error.code(), "did not arrive" in str(error.details())) == (Code.DEADLINE_EXCEEDED, True)


async def test_a_call_that_ends_without_a_message_is_a_bad_request(stage: Stage, alice: Client) -> None:
    call = alice.channel.stream_unary("/assay.v1.TestService/GetTest", None, None)
    error = await refused(call(iter([]), metadata=alice.metadata))
    assert error.code() is Code.INVALID_ARGUMENT


# -- how much users may have under way


async def test_a_user_has_so_many_calls_under_way_and_keeps_no_other_out(stage: Stage, alice: Client) -> None:
    bob = await stage.client("bob")
    test = await alice.submit()
    streams = [alice.stream("WatchTest", pb.WatchTestRequest(test_id=test.id)) for _ in range(12)]
    for stream in streams:
        await stream.read()
    error = await refused(alice.call("GetTest", pb.GetTestRequest(test_id=test.id)))
    details = details_of(error)
    assert error.code() is Code.RESOURCE_EXHAUSTED
    assert details["ErrorInfo"].reason == "TOO_MANY_CALLS"
    assert details["RetryInfo"].retry_delay.seconds >= 1
    assert details["QuotaFailure"].violations[0].subject == "user:alice"
    assert "ASSAY_GATEWAY_MAX_CALLS_OF_USER" in str(error.details())
    assert (await bob.submit()).id
    streams[0].cancel()
    await let_in(lambda: alice.call("GetTest", pb.GetTestRequest(test_id=test.id)))


# -- wrong keys


async def test_wrong_keys_are_slowed_down_and_a_valid_key_from_the_same_address_is_not(
    stage: Stage, alice: Client
) -> None:
    test = await alice.submit()
    loop = asyncio.get_running_loop()
    took: list[float] = []

    async def guess(number: int) -> grpc.aio.AioRpcError:
        began = loop.time()
        metadata = (("authorization", f"Bearer assay_guess{number}"),)
        error = await refused(alice.tests.GetTest(pb.GetTestRequest(test_id=test.id), metadata=metadata))
        took.append(loop.time() - began)
        return error

    free = [await guess(number) for number in range(3)]
    assert {error.code() for error in free} == {Code.UNAUTHENTICATED}
    lines_before = RPCS.labels("GetTest", "UNAUTHENTICATED")._value.get()
    guesses = [asyncio.create_task(guess(number)) for number in range(3, 60)]
    turned_away = TURNED_AWAY.labels("wrong_keys")
    before = turned_away._value.get()
    await until(lambda: turned_away._value.get() > before)
    assert (await alice.call("GetTest", pb.GetTestRequest(test_id=test.id))).test.id == test.id
    fresh = await stage.client("carol")  # a key that this gateway has not seen before
    assert (await fresh.submit()).id
    errors = await asyncio.gather(*guesses)
    held = [error for error in errors if error.code() is Code.UNAUTHENTICATED]
    away = [error for error in errors if error.code() is Code.RESOURCE_EXHAUSTED]
    assert len(held) >= 20  # more on a machine so slow that some are answered before others have come
    assert away
    assert len(held) + len(away) == len(guesses)
    assert sum(each >= 1 for each in took) >= 20
    assert RPCS.labels("GetTest", "UNAUTHENTICATED")._value.get() - lines_before == len(held)
    details = details_of(away[0])
    assert details["ErrorInfo"].reason == "TOO_MANY_WRONG_KEYS"
    assert details["RetryInfo"].retry_delay.seconds >= 1
    assert "Check the key" in str(away[0].details())


async def let_in(call: Callable[[], Any]) -> None:
    """Calls until it is not refused any more."""
    async with asyncio.timeout(10):
        while True:
            try:
                await call()
            except grpc.aio.AioRpcError as error:
                if error.code() is not Code.RESOURCE_EXHAUSTED:
                    raise
            else:
                return


_wide = _Lane.__init__


def _narrow(self: _Lane, lanes: dict[str, _Lane], name: str, size: int) -> None:
    _wide(self, lanes, name, 2)


def forged(channel: grpc.aio.Channel) -> Any:
    return channel.unary_unary("/assay.v1.TestService/SubmitTest", None, None)


def count_decoding(monkeypatch: pytest.MonkeyPatch, decoded: list[int]) -> None:
    """Notes the size of each message that the gateway decodes from now on."""
    guarded = Edge._guarded

    def counting(self: Edge, handler: Any, method: Any) -> Any:
        def decode(data: bytes, inner: Any = handler.request_deserializer) -> Any:
            decoded.append(len(data))
            return inner(data)

        return guarded(self, handler._replace(request_deserializer=decode), method)

    monkeypatch.setattr(Edge, "_guarded", counting)
