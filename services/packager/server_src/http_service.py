"""HTTP."""

from __future__ import annotations

import hmac
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.jsontext import to_json
from services.packager.server_src.pool import Pool
from services.packager.server_src.reports import problem, say

if TYPE_CHECKING:
    from typing import Any


CONNECTIONS = 128  # at once; each costs a thread
READ_S = 15  # for a client to send its query


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "agent"
    sys_version = ""
    pool: Pool  # set by serve()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/healthz":
            well = self.pool.alive > 0 and not self.pool.ending
            self._reply(200 if well else 503, {"status": "ok" if well else "unavailable", "workers": self.pool.alive})
        elif path == "/query":
            self._reply(405, problem("METHOD_NOT_ALLOWED", "Send a POST."))
        else:
            self._reply(404, problem("NOT_FOUND", "There is POST /query and GET /healthz."))

    def do_POST(self) -> None:
        refusal = self._refusal()
        if refusal:  # with its body unread the connection is of no more use
            self.close_connection = True
            self._reply(*refusal)
            return
        try:
            message = json.loads(self._body(int(self.headers["Content-Length"])))
            query = message["query"]
            if not isinstance(query, (str, type(None))):
                raise TypeError
        except TimeoutError:
            self.close_connection = True
            self._reply(408, problem("TOO_SLOW", f"Send the query within {READ_S} s."))
        except (ValueError, KeyError, TypeError, RecursionError):
            self._reply(400, problem("INVALID_REQUEST", 'Send JSON: {"query": "..."}'))
        else:
            self._ask(query)

    def _ask(self, query: str | None) -> None:
        if not self.pool.begin():
            self._reply(503, problem("STOPPING", "The service is stopping; ask again."))
            return
        try:
            started = time.monotonic()
            status, answer = self.pool.answer(query)
            say("INFO" if status == 200 else "WARNING", f"query: {status} after {time.monotonic() - started:.3f} s")
            self._reply(status, answer)
        finally:
            self.pool.finish()

    def _refusal(self) -> tuple[int, dict[str, dict[str, str]]] | None:
        """What is wrong with the request before its body is read."""
        if self.path.partition("?")[0] != "/query":
            return 404, problem("NOT_FOUND", "There is POST /query and GET /healthz.")
        token = self.pool.settings.token
        given = self.headers.get("Authorization", "").encode("utf-8", "replace")
        if token and not hmac.compare_digest(given, b"Bearer " + token.encode()):
            return 401, problem("UNAUTHENTICATED", "Send the token: Authorization: Bearer ...")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or self.headers.get("Transfer-Encoding"):
            return 411, problem("LENGTH_REQUIRED", "Send the query with a Content-Length.")
        limit = self.pool.settings.query_bytes
        if len(length) > 12 or int(length) > limit:
            return 413, problem("TOO_LARGE", f"A query has at most {limit} bytes.")
        return None

    def _body(self, length: int) -> bytes:
        until = time.monotonic() + READ_S
        data = b""
        while len(data) < length:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.connection.settimeout(left)
            piece = self.rfile.read1(length - len(data))
            if not piece:
                raise ValueError("the body is shorter than it said")
            data += piece
        self.connection.settimeout(self.timeout)
        return data

    def _reply(self, status: int, value: object) -> None:
        data = to_json(value).encode("utf-8", "replace") + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status == 405:
            self.send_header("Allow", "POST")
        if status == 503:
            self.send_header("Retry-After", "1")
        if self.close_connection or self.pool.ending:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Queries are told by _ask, and nobody wants to read of health checks."""


class Server(ThreadingHTTPServer):
    """At most so many connections at once; what comes beyond them is closed at once."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, Handler)
        self._room = threading.BoundedSemaphore(CONNECTIONS)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's own asks DNS for our name, which may take long

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):  # a client that left is nobody's fault
            say("ERROR", f"{type(error).__name__}: {error}")
