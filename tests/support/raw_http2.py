"""HTTP/2 by hand, as somebody speaks it who means no good: frames that no library would send."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1
ENHANCE_YOUR_CALM: Final = 11
CHECK: Final = "/grpc.health.v1.Health/Check"


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def header_block(path: str, **more: str) -> bytes:
    """The headers of a gRPC call."""
    return literals(
        {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": "x",
            "te": "trailers",
            "content-type": "application/grpc",
            **{name.replace("_", "-"): value for name, value in more.items()},
        }
    )


def literals(fields: Mapping[str, str]) -> bytes:
    """Headers, each as a literal that is not indexed."""
    return b"".join(b"\x00" + _text(name) + _text(value) for name, value in fields.items())


def _text(value: str) -> bytes:
    raw = value.encode()
    if len(raw) < 127:
        return bytes([len(raw)]) + raw
    rest, size = len(raw) - 127, b"\x7f"
    while rest >= 128:
        size += bytes([rest % 128 + 128])
        rest //= 128
    return size + bytes([rest]) + raw


class Connection:
    """A connection that does what the test says, and nothing else."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *pieces: bytes) -> None:
        """Raises OSError where the connection has ended."""
        if self._reader.at_eof() or self._writer.is_closing():
            raise ConnectionError("closed")
        self._writer.write(b"".join(pieces))
        await self._writer.drain()

    async def greet(self) -> None:
        await self.send(PREFACE, frame(SETTINGS, 0, 0), frame(SETTINGS, ACK, 0))

    async def read(self) -> Frame | None:
        """The next frame; None where the connection has ended."""
        try:
            head = await self._reader.readexactly(9)
            size = int.from_bytes(head[:3])
            kind, flags, stream = struct.unpack(">BBI", head[3:])
            return Frame(kind, flags, stream & 0x7FFFFFFF, await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, OSError):
            return None

    async def frames_until_closed(self, *, answer_pings: bool = False) -> list[Frame]:
        """Everything that the server says until it closes the connection."""
        frames = []
        while (got := await self.read()) is not None:
            frames.append(got)
            if answer_pings and got.kind == PING and not got.flags & ACK:
                with contextlib.suppress(OSError):
                    await self.send(frame(PING, ACK, 0, got.payload))
        return frames


@asynccontextmanager
async def connected_by_hand(port: int) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def answering_by_hand(message: bytes, *, encoding: str) -> AsyncIterator[str]:
    """A server that answers the first call of each connection with these bytes, said to be compressed. Its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await speak(reader, Connection(reader, writer))
        finally:
            writer.transport.abort()

    async def speak(reader: asyncio.StreamReader, peer: Connection) -> None:
        await reader.readexactly(len(PREFACE))
        await peer.send(frame(SETTINGS, 0, 0), frame(SETTINGS, ACK, 0))
        while (got := await peer.read()) is not None and not (got.stream and got.flags & END_STREAM):
            pass
        if got is None:
            return
        head = {":status": "200", "content-type": "application/grpc", "grpc-encoding": encoding}
        body = b"\x01" + len(message).to_bytes(4) + message
        await peer.send(
            frame(HEADERS, END_HEADERS, got.stream, literals(head)),
            frame(DATA, 0, got.stream, body),
            frame(HEADERS, END_HEADERS | END_STREAM, got.stream, literals({"grpc-status": "0"})),
        )
        while await peer.read() is not None:
            pass

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
