"""One connection: what comes in, what goes out, and how long each may take. Knows nothing of what is asked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.jsontext import to_json
from services.packager.server_src.clients import BODY_BYTES, LINGER_S, SENDING, WRITE_S, Client, Crowd
from services.packager.server_src.framing import Refused, Request, end_of_head, request_of
from services.packager.server_src.pool import Pool

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import Awaitable
    from typing import Any

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    411: "Length Required",
    413: "Content Too Large",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}


class Connection(Client):
    """Requests and answers of one client, strictly in turn."""

    def __init__(self, pool: Pool, crowd: Crowd, reader: StreamReader, writer: StreamWriter) -> None:
        super().__init__(str((writer.get_extra_info("peername") or ("",))[0]))
        self._pool, self._crowd, self._reader, self._writer = pool, crowd, reader, writer
        self._received = bytearray()
        writer.transport.set_write_buffer_limits(high=0)  # so that `drain` waits until all of it is on its way

    def close(self) -> None:
        self._writer.transport.abort()

    def end(self) -> None:
        """What was written is with the kernel by now."""
        self._writer.close()

    async def request(self, wait_s: float) -> Request | None:
        """The next one; None where there is none. It may begin within `wait_s`, and then has a time to be there.
        Raises Refused."""
        read_s = self._pool.settings.read_s
        until = time.monotonic() + (read_s if self._received else wait_s)
        while True:
            end = end_of_head(self._received)
            if end is not None:
                head = bytes(self._received[: end - 4])
                del self._received[:end]
                return request_of(head)
            piece = await self._piece(until)
            if piece is None and self._received:
                raise Refused(408, "TOO_SLOW", f"Send a request within {read_s:g} s.")
            if not piece:
                return None
            if not self._received:
                until = time.monotonic() + read_s
            self._received += piece

    async def body(self, request: Request) -> bytes:
        """What belongs to the request. Raises Refused."""
        length, settings, crowd = request.length or 0, self._pool.settings, self._crowd
        self.does = SENDING
        until = time.monotonic() + settings.read_s
        if request.waits and len(self._received) < length:
            await self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        counted = 0
        try:
            while True:
                crowd.query_bytes += len(self._received) - counted
                counted = len(self._received)
                if counted >= length:
                    body = bytes(self._received[:length])
                    del self._received[:length]
                    return body
                if crowd.query_bytes > max(BODY_BYTES, 2 * settings.query_bytes):
                    raise Refused(503, "BUSY", "Too many queries are being sent; ask again.")
                piece = await self._piece(until)
                if piece is None:
                    raise Refused(408, "TOO_SLOW", f"Send the query within {settings.read_s:g} s.")
                if not piece:
                    raise Refused(400, "INVALID_REQUEST", "The body is shorter than it said.")
                self._received += piece
        finally:
            crowd.query_bytes -= counted

    async def reply(self, status: int, value: object, *, last: bool, allow: str = "", head_only: bool = False) -> None:
        """Raises OSError where the client does not take it in time."""
        data = to_json(value).encode("utf-8", "replace") + b"\n"
        lines = [
            f"HTTP/1.1 {status} {REASONS[status]}",
            "Server: agent",
            f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime())}",
            "Content-Type: application/json",
            "X-Content-Type-Options: nosniff",
            f"Content-Length: {len(data)}",
        ]
        if allow:
            lines.append(f"Allow: {allow}")
        if status == 503:
            lines.append("Retry-After: 1")
        if last or self._pool.ending:
            lines.append("Connection: close")
        head = "\r\n".join([*lines, "", ""]).encode("ascii")
        await self._write(head if head_only else head + data)

    async def linger(self) -> None:
        """Reads on for a moment and throws it away: a connection that is closed with something unread is reset, and the
        client may lose the answer."""
        self._received.clear()
        self._writer.write_eof()
        until = time.monotonic() + LINGER_S
        while await self._piece(until):
            pass

    async def _piece(self, until: float) -> bytes | None:
        """What comes next: nothing at the end, None when there is no more time."""
        piece: bytes | None = await _within(until - time.monotonic(), self._reader.read(1 << 16))
        return piece

    async def _write(self, data: bytes) -> None:
        """Raises OSError where the client does not take it in time."""
        self._writer.write(data)
        left = self._writer.transport.get_write_buffer_size()
        self._crowd.answer_bytes += left
        try:
            self._crowd.bound_answers(self)
            if await _within(WRITE_S, _done(self._writer.drain())) is None:
                raise OSError("the client does not take its answer")
        finally:
            self._crowd.answer_bytes -= left


async def _done(work: Awaitable[None]) -> bool:
    await work
    return True


async def _within(seconds: float, work: Awaitable[Any]) -> Any:
    """Its value, or None where it takes longer."""
    import asyncio

    try:
        return await asyncio.wait_for(work, max(seconds, 0.001))
    except asyncio.TimeoutError:
        return None
