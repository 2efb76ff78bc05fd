"""HTTP: what may be asked, and what the answer is."""

from __future__ import annotations

import hmac
import json
import threading
import time
from typing import TYPE_CHECKING

from services.packager.server_src.clients import ANSWER_BYTES, ASKING, IDLE, QUERIES, TAKING, Crowd, most_connections
from services.packager.server_src.connection import Connection
from services.packager.server_src.framing import HEAD_BYTES, Refused, Request
from services.packager.server_src.pool import Pool
from services.packager.server_src.reports import problem, say

if TYPE_CHECKING:
    from asyncio import Future, Server, StreamReader, StreamWriter
    from collections.abc import Callable
    from typing import Any

ALLOWED = {"/query": "POST", "/healthz": "GET, HEAD"}


class HttpService:
    """All connections. One event loop reads and writes; the pool's workers answer."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.asking = 0
        self._crowd = Crowd(most_connections(), max(ANSWER_BYTES, 2 * pool.settings.response_bytes))

    async def listen(self, host: str, port: int) -> Server:
        import asyncio

        return await asyncio.start_server(self._serve, host, port, limit=HEAD_BYTES, backlog=512)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        connection = Connection(self.pool, self._crowd, reader, writer)
        if not self._crowd.let_in(connection):
            connection.close()
            return
        try:
            await self._converse(connection)
        except OSError:
            pass  # a client that left is nobody's fault
        except Exception as error:
            say("ERROR", f"{type(error).__name__}: {error}")
        finally:
            self._crowd.let_go(connection)
            connection.end()

    async def _converse(self, connection: Connection) -> None:
        import asyncio

        wait_s = self.pool.settings.read_s  # for the first request; then as long as a connection may be idle
        while True:
            try:
                request = await connection.request(wait_s)
                if request is None or await self._answered(connection, request):
                    return
            except Refused as refused:
                await connection.reply(refused.status, problem(refused.code, refused.message), last=True)
                await connection.linger()
                return
            wait_s = self.pool.settings.keep_s
            connection.does, connection.since = IDLE, time.monotonic()
            await asyncio.sleep(0)  # one that sends a thousand requests at once is not served before all others

    async def _answered(self, connection: Connection, request: Request) -> bool:
        """Answers it; True where it was the last one. Raises Refused."""
        checked = self.checked(request)
        if checked is not None:
            last = request.last or bool(request.length)  # with its body unread the connection is of no more use
            allow = ALLOWED[request.path] if checked[0] == 405 else ""
            await connection.reply(*checked, last=last, allow=allow, head_only=request.method == "HEAD")
            if request.length:
                await connection.linger()
            return last
        query = _query(await connection.body(request))
        if not self.pool.begin():
            await connection.reply(503, problem("STOPPING", "The service is stopping; ask again."), last=True)
            return True
        try:
            connection.does = ASKING
            status, value = await self.answer(query)
            connection.does, connection.since = TAKING, time.monotonic()  # it holds no place against others any more
            await connection.reply(status, value, last=request.last)
        finally:
            self.pool.finish()
        return request.last

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


def _query(body: bytes) -> str | None:
    """Raises Refused."""
    try:
        # Numbers are of no interest, and long ones take long to read.
        query = json.loads(body, parse_int=_no_number, parse_float=_no_number)["query"]
        if isinstance(query, (str, type(None))):
            return query
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise Refused(400, "INVALID_REQUEST", 'Send JSON: {"query": "..."}')


def _no_number(_text: str) -> int:
    return 0


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
