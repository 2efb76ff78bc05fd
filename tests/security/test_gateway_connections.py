"""Connections that are half open, silent, slow or far too busy: they end, and others do not notice."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from assay.v1 import test_service_pb2 as pb
from tests.integration.test_gateway_life import certificate
from tests.support.gateway import Stage, collected, staged
from tests.support.raw_http2 import (
    ACK,
    CHECK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    Connection,
    Frame,
    connected_by_hand,
    frame,
    header_block,
)
from tests.support.until import until

ENDS_WITHIN_S = 20.0
RESETS = 20_000
PINGS = 10


@pytest_asyncio.fixture
async def stage(nats_url: str, mongo_url: str, mongo_database: str) -> AsyncIterator[Stage]:
    async with staged(
        nats_url,
        mongo_url,
        mongo_database,
        gateway_handshake_s=0.5,
        gateway_idle_s=1.0,
        gateway_keepalive_s=1.0,
        gateway_ping_answer_s=1.0,
    ) as found:
        yield found


async def says_nothing(_: Connection) -> None:
    pass


async def says_half_of_the_preface(peer: Connection) -> None:
    await peer.send(PREFACE[:10])


async def says_no_settings(peer: Connection) -> None:
    await peer.send(PREFACE)


async def says_half_a_frame(peer: Connection) -> None:
    await peer.greet()
    await peer.send(frame(HEADERS, END_HEADERS, 1, header_block(CHECK))[:12])


async def says_half_of_the_headers(peer: Connection) -> None:
    await peer.greet()
    await peer.send(frame(HEADERS, 0, 1, header_block(CHECK)[:10]))


async def makes_no_call(peer: Connection) -> None:
    await peer.greet()


@pytest.mark.parametrize(
    "begins",
    [says_nothing, says_half_of_the_preface, says_no_settings, says_half_a_frame, says_half_of_the_headers],
)
async def test_who_says_nothing_or_half_is_closed(
    stage: Stage, begins: Callable[[Connection], Coroutine[Any, Any, None]]
) -> None:
    async with connected_by_hand(stage.health.port) as peer, asyncio.timeout(ENDS_WITHIN_S):
        await begins(peer)
        await peer.frames_until_closed()


async def test_who_answers_pings_and_makes_no_call_is_closed(stage: Stage) -> None:
    async with connected_by_hand(stage.health.port) as peer, asyncio.timeout(ENDS_WITHIN_S):
        await peer.greet()
        frames = await peer.frames_until_closed(answer_pings=True)
    assert any(b"idle" in got.payload for got in frames if got.kind == GOAWAY)


async def test_headers_that_come_a_byte_at_a_time_end(stage: Stage) -> None:
    block = header_block(CHECK, x_pad="y" * 2_000)
    async with connected_by_hand(stage.health.port) as peer, asyncio.timeout(ENDS_WITHIN_S):
        await peer.greet()
        await peer.send(frame(HEADERS, 0, 1, block[:10]))
        closed = asyncio.create_task(peer.frames_until_closed())
        for place in range(10, len(block)):
            with contextlib.suppress(OSError):
                await peer.send(frame(CONTINUATION, 0, 1, block[place : place + 1]))
            await asyncio.wait([closed], timeout=0.1)
            if closed.done():
                break
        assert place < len(block) - 1


async def test_a_stream_whose_client_has_gone_without_a_word_is_closed(stage: Stage) -> None:
    """The half-open connection: nobody answers the gateway's pings."""
    async with connected_by_hand(stage.health.port) as peer, asyncio.timeout(ENDS_WITHIN_S):
        await peer.greet()
        watch = header_block("/grpc.health.v1.Health/Watch")
        await peer.send(frame(HEADERS, END_HEADERS, 1, watch), frame(DATA, END_STREAM, 1, b"\x00" * 5))
        await peer.frames_until_closed()


async def test_a_silent_stream_whose_client_answers_is_left_alone(stage: Stage) -> None:
    """Longer than all limits of connections together, without a message: then the test ends, and the client hears."""
    alice = await stage.client("alice")
    test = await alice.submit()
    await stage.others.started(test.id)
    watched = asyncio.create_task(
        collected(alice.stream("WatchTest", pb.WatchTestRequest(test_id=test.id)), within_s=60)
    )
    await asyncio.wait([watched], timeout=4.0)
    assert not watched.done()
    await stage.others.completed(test.id)
    assert len(await watched) >= 2


async def test_a_client_whose_idle_connection_was_closed_goes_on_with_the_next_call(stage: Stage) -> None:
    alice = await stage.client("alice")
    await alice.submit()
    await until(lambda: alice.channel.get_state() is grpc.ChannelConnectivity.IDLE)
    assert (await alice.call("ListTests", pb.ListTestsRequest())).tests


async def test_a_flood_of_pings_ends_the_connection(stage: Stage) -> None:
    async with connected_by_hand(stage.health.port) as peer, asyncio.timeout(ENDS_WITHIN_S):
        await peer.greet()
        got: Frame | None = None
        for number in range(PINGS):
            await peer.send(frame(PING, 0, 0, struct.pack(">Q", number)))
            while (got := await peer.read()) is not None and got.kind != GOAWAY:
                if got.kind == PING and got.flags & ACK:
                    break
            if got is None or got.kind == GOAWAY:
                break
        assert got is not None
        assert struct.unpack(">I", got.payload[4:8])[0] == ENHANCE_YOUR_CALM


async def test_headers_without_end_are_cut_off(stage: Stage) -> None:
    await _flooded(stage, [frame(HEADERS, 0, 1, header_block(CHECK)), *[frame(CONTINUATION, 0, 1)] * 3_000])


async def test_calls_that_are_taken_back_at_once_keep_nobody_from_calling(stage: Stage) -> None:
    """Rapid reset (CVE-2023-44487): open and reset, again and again, which no limit of open streams counts."""
    alice = await stage.client("alice")
    block, cancel = header_block(CHECK), struct.pack(">I", 8)
    async with connected_by_hand(stage.health.port) as peer:
        await peer.greet()
        reading = asyncio.create_task(peer.frames_until_closed(answer_pings=True))
        for first in range(1, 2 * RESETS, 200):
            with contextlib.suppress(OSError):
                await peer.send(
                    *(
                        frame(HEADERS, END_HEADERS, number, block) + frame(RST_STREAM, 0, number, cancel)
                        for number in range(first, first + 200, 2)
                    )
                )
        async with asyncio.timeout(20):
            assert (await alice.submit()).id
        reading.cancel()
    async with asyncio.timeout(20):
        assert (await alice.submit()).id


async def test_so_many_connections_are_taken_and_no_more(nats_url: str, mongo_url: str, mongo_database: str) -> None:
    async with staged(nats_url, mongo_url, mongo_database, gateway_max_connections=10) as stage:
        peers = [socket.create_connection(("127.0.0.1", stage.health.port)) for _ in range(30)]
        try:
            for peer in peers:
                peer.settimeout(10)
                with contextlib.suppress(OSError):
                    peer.sendall(PREFACE + frame(4, 0, 0))
            heard = await asyncio.to_thread(lambda: [_first_byte(peer) for peer in peers])
        finally:
            for peer in peers:
                peer.close()
    assert sum(heard) <= 10
    assert heard[0]


def _first_byte(peer: socket.socket) -> bool:
    try:
        return bool(peer.recv(1))
    except OSError:
        return False


@pytest.mark.parametrize(
    "says", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], ids=["nothing", "half a hello"]
)
async def test_who_does_not_begin_with_tls_is_closed(
    nats_url: str, mongo_url: str, mongo_database: str, tmp_path: Path, says: bytes
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make certificates")
    certificate(tmp_path, "server")
    tls: dict[str, Any] = {
        "gateway_tls_cert_file": tmp_path / "server.pem",
        "gateway_tls_key_file": tmp_path / "server.key",
        "gateway_handshake_s": 0.5,
    }
    async with (
        staged(nats_url, mongo_url, mongo_database, **tls) as stage,
        asyncio.timeout(ENDS_WITHIN_S),
        connected_by_hand(stage.health.port) as peer,
    ):
        await peer.send(says)
        await peer.frames_until_closed()


async def _flooded(stage: Stage, pieces: Any) -> list[Frame]:
    """What the server says until it closes the connection on which it gets all this."""
    async with connected_by_hand(stage.health.port) as peer, asyncio.timeout(ENDS_WITHIN_S):
        await peer.greet()
        closed = asyncio.create_task(peer.frames_until_closed())
        for piece in pieces:
            with contextlib.suppress(OSError):
                await peer.send(piece)
            if closed.done():
                break
        return await closed
