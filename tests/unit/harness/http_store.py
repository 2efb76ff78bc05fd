"""A store of one object each way over real HTTP, as a container reaches it by pre-signed addresses."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Store:
    """What is served and what has arrived; it may fail some times first."""

    context: bytes = b""
    failures: int = 0
    status: int = 500
    takes: int = 1 << 30
    """Bytes of a body; a longer one is refused for good."""
    url: str = ""
    requests: list[str] = field(default_factory=list)
    result: dict[str, Any] | None = None
    contents: bytes = b""
    """What came behind the result."""
    content_type: str = ""


@contextmanager
def store(given: Store) -> Iterator[Store]:
    """Serves `given` on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def respond(self, body: bytes) -> None:
            given.requests.append(self.command)
            failing = given.failures > 0
            given.failures -= failing
            self.send_response(given.status if failing else 200)
            self.send_header("Content-Length", str(0 if failing else len(body)))
            self.end_headers()
            if not failing:
                self.wfile.write(body)

        def do_GET(self) -> None:
            self.respond(given.context)

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            given.content_type = self.headers["Content-Type"]
            if len(body) > given.takes:
                given.requests.append("PUT refused")
                self.send_error(403)
                return
            if not given.failures:
                line, _, given.contents = body.partition(b"\n")
                given.result = json.loads(line)
            self.respond(b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    given.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield given
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def environment(served: Store, **changes: str) -> dict[str, str]:
    """What a container gets."""
    return {
        "ASSAY_CONTEXT_URL": f"{served.url}/context?signature=secret",
        "ASSAY_CONTEXT_SHA256": hashlib.sha256(served.context).hexdigest(),
        "ASSAY_RESULT_URL": f"{served.url}/result?signature=secret",
        **changes,
    }
