"""HTTP."""

from __future__ import annotations

import hmac
import json
import threading
import time
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.jsontext import to_json
from services.packager.server_src.clients import (
    ANSWER_BYTES,
    ASKING,
    BODY_BYTES,
    IDLE,
    LINGER_S,
    QUERIES,
    SENDING,
    TAKING,
    WRITE_S,
    Client,
    most_connections,
    to_close,
)
from services.packager.server_src.framing import HEAD_BYTES, Refused, Request, end_of_head, request_of
from services.packager.server_src.pool import Pool
from services.packager.server_src.reports import problem, say

if TYPE_CHECKING:
    from asyncio import Future, Server, StreamReader, StreamWriter
    from collections.abc import Awaitable, Callable
    from typing import Any

ALLOWED = {"/query": "POST", "/healthz": "GET, HEAD"}
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


class HttpService:
    """All connections. One event loop reads and writes; the pool's workers answer."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.held = 0  # bytes of queries that are being sent
        self.untaken = 0  # bytes of answers that are on their way
        self.asking = 0
        self._most = most_connections()
        self._clients: set[Client] = set()

    async def listen(self, host: str, port: int) -> Server:
        import asyncio

        return await asyncio.start_server(self._serve, host, port, limit=HEAD_BYTES, backlog=512)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        connection = Connection(self, reader, writer)
        if len(self._clients) >= self._most:
            leaving = to_close(self._clients, time.monotonic())
            if leaving is None:
                connection.close()
                return
            self._clients.discard(leaving)
            leaving.close()
        self._clients.add(connection)
        try:
            await connection.serve()
        except OSError:
            pass  # a client that left is nobody's fault
        except Exception as error:
            say("ERROR", f"{type(error).__name__}: {error}")
        finally:
            self._clients.discard(connection)
            connection.end()

    def checked(self, request: Request) -> tuple[int, object] | None:
        """The answer to a request that asks the agent nothing; None for a query, whose body may then be read."""
        if request.path == "/healthz" and request.method in ("GET", "HEAD"):
            well = self.pool.alive > 0 and not self.pool.ending
            return (200 if well else 503), {
                "status": "ok" if well else "unavailable",
                "workers": self.pool.alive,
            }
        if request.path not in ALLOWED:
            return 404, problem("NOT_FOUND", "There is POST /query and GET /healthz.")
        if request.path == "/healthz" or request.method != "POST":
            return 405, problem("METHOD_NOT_ALLOWED", "Send a POST." if request.path == "/query" else "Send a GET.")
        token = self.pool.settings.token
        given = request.headers.get(b"authorization", b"")
        if token and not hmac.compare_digest(given, b"Bearer " + token.encode("utf-8", "surrogateescape")):
            return 401, problem("UNAUTHENTICATED", "Send the token: Authorization: Bearer ...")
        if not token and request.foreign_page:
            return 403, problem("FOREIGN_PAGE", "Pages of other sites may ask with an API_TOKEN only.")
        limit = self.pool.settings.query_bytes
        if request.length is None:
            return 411, problem("LENGTH_REQUIRED", "Send the query with a Content-Length.")
        if request.length > limit:
            return 413, problem("TOO_LARGE", f"A query has at most {limit} bytes.")
        return None

    def bound_answers(self, newest: Client) -> None:
        """Where answers lie about that nobody takes, another one's makes room for the newest."""
        if self.untaken > max(ANSWER_BYTES, 2 * self.pool.settings.response_bytes):
            others = [client for client in self._clients if client.does == TAKING and client is not newest]
            leaving = to_close(others, time.monotonic())
            if leaving is not None:
                self._clients.discard(leaving)
                leaving.close()

    async def answer(self, query: str | None) -> tuple[int, object]:
        """What the agent says. Its worker is waited for in a thread, which the end of the server does not wait for."""
        if self.asking >= QUERIES:
            return 503, problem("BUSY", "All workers are busy; ask again.")
        self.asking += 1
        try:
            started = time.monotonic()
            status, value = await in_thread(lambda: self.pool.answer(query))
            say("INFO" if status == 200 else "WARNING", f"query: {status} after {time.monotonic() - started:.3f} s")
            return status, value
        finally:
            self.asking -= 1


class Connection(Client):
    """One connection, from its first byte to its last: requests and answers, strictly in turn."""

    def __init__(self, service: HttpService, reader: StreamReader, writer: StreamWriter) -> None:
        super().__init__(str((writer.get_extra_info("peername") or ("",))[0]))
        self._service, self._reader, self._writer = service, reader, writer
        self._received = bytearray()
        writer.transport.set_write_buffer_limits(high=0)  # so that `drain` waits until all of it is on its way

    def close(self) -> None:
        self._writer.transport.abort()

    def end(self) -> None:
        """What was written is with the kernel by now."""
        self._writer.close()

    async def serve(self) -> None:
        import asyncio

        keep_s = read_s = (
            self._service.pool.settings.read_s
        )  # for the first request; then as long as a connection may be idle
        while True:
            try:
                request = await self._request(keep_s, read_s)
                if request is None or await self._answered(request):
                    return
            except Refused as refused:
                await self._reply(refused.status, problem(refused.code, refused.message), last=True)
                await self._linger()
                return
            keep_s = self._service.pool.settings.keep_s
            self.does, self.since = IDLE, time.monotonic()
            await asyncio.sleep(0)  # one that sends a thousand requests at once is not served before all others

    async def _request(self, wait_s: float, read_s: float) -> Request | None:
        """The next one; None where there is none. It may begin within `wait_s`, and then has `read_s` to be there."""
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

    async def _answered(self, request: Request) -> bool:
        """Answers it; True where it was the last one."""
        service = self._service
        checked = service.checked(request)
        if checked is not None:
            last = request.last or bool(request.length)  # with its body unread the connection is of no more use
            allow = ALLOWED[request.path] if checked[0] == 405 else ""
            await self._reply(*checked, last=last, allow=allow, head_only=request.method == "HEAD")
            if request.length:
                await self._linger()
            return last
        query = await self._query(request)
        if not service.pool.begin():
            await self._reply(503, problem("STOPPING", "The service is stopping; ask again."), last=True)
            return True
        try:
            self.does = ASKING
            status, value = await service.answer(query)
            self.does, self.since = TAKING, time.monotonic()  # who does not take it holds no place against others
            await self._reply(status, value, last=request.last)
        finally:
            service.pool.finish()
        return request.last

    async def _query(self, request: Request) -> str | None:
        body = await self._body(request)
        try:
            # Numbers are of no interest, and long ones take long to read.
            query = json.loads(body, parse_int=_no_number, parse_float=_no_number)["query"]
            if isinstance(query, (str, type(None))):
                return query
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        raise Refused(400, "INVALID_REQUEST", 'Send JSON: {"query": "..."}')

    async def _body(self, request: Request) -> bytes:
        length = request.length or 0
        self.does, service = SENDING, self._service
        until = time.monotonic() + service.pool.settings.read_s
        if request.waits and len(self._received) < length:
            await self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        counted = 0
        try:
            while True:
                service.held += len(self._received) - counted
                counted = len(self._received)
                if counted >= length:
                    body = bytes(self._received[:length])
                    del self._received[:length]
                    return body
                if service.held > max(BODY_BYTES, 2 * service.pool.settings.query_bytes):
                    raise Refused(503, "BUSY", "Too many queries are being sent; ask again.")
                piece = await self._piece(until)
                if piece is None:
                    raise Refused(408, "TOO_SLOW", f"Send the query within {service.pool.settings.read_s:g} s.")
                if not piece:
                    raise Refused(400, "INVALID_REQUEST", "The body is shorter than it said.")
                self._received += piece
        finally:
            service.held -= counted

    async def _piece(self, until: float) -> bytes | None:
        """What comes next: nothing at the end, None when there is no more time."""
        piece: bytes | None = await _within(until - time.monotonic(), self._reader.read(1 << 16))
        return piece

    async def _reply(self, status: int, value: object, *, last: bool, allow: str = "", head_only: bool = False) -> None:
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
        if last or self._service.pool.ending:
            lines.append("Connection: close")
        head = "\r\n".join([*lines, "", ""]).encode("ascii")
        await self._write(head if head_only else head + data)

    async def _write(self, data: bytes) -> None:
        """Raises OSError where the client does not take it in time."""
        self._writer.write(data)
        left = self._writer.transport.get_write_buffer_size()
        self._service.untaken += left
        try:
            self._service.bound_answers(self)
            if await _within(WRITE_S, _done(self._writer.drain())) is None:
                raise OSError("the client does not take its answer")
        finally:
            self._service.untaken -= left

    async def _linger(self) -> None:
        """Reads on for a moment and throws it away: a connection that is closed with something unread is reset, and the
        client may lose the answer."""
        self._received.clear()
        self._writer.write_eof()
        until = time.monotonic() + LINGER_S
        while await self._piece(until):
            pass


def _no_number(_text: str) -> int:
    return 0


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


async def in_thread(work: Callable[[], Any]) -> Any:
    """The value of `work`, from a thread that does not keep the process alive."""
    import asyncio

    loop = asyncio.get_running_loop()
    done: Future[Any] = loop.create_future()

    def tell(method: Callable[[Any], None], value: object) -> None:
        if not done.done():
            method(value)

    def run() -> None:
        try:
            value = work()
        except BaseException as error:
            outcome: tuple[Any, Any] = (done.set_exception, error)
        else:
            outcome = (done.set_result, value)
        try:
            loop.call_soon_threadsafe(tell, *outcome)
        except RuntimeError:
            pass  # the server has ended meanwhile

    threading.Thread(target=run, daemon=True).start()
    return await done
