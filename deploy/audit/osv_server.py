"""OSV's query as pip-audit asks it, answered from a database that was given: on loopback, while the block lasts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from packaging.utils import canonicalize_name

from deploy.audit.advisories import ECOSYSTEM, Advisories, Record

_MOST_ASKED: Final = 1 << 16


@contextmanager
def answering(advisories: Advisories) -> Iterator[str]:
    """The address to ask."""

    class Query(BaseHTTPRequestHandler):
        timeout = 30

        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            asked = json.loads(self.rfile.read(min(size, _MOST_ASKED)))
            found = advisories.about(asked["package"]["name"], asked["version"])
            answer = json.dumps({"vulns": [_as_asked(record) for record in found]} if found else {}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Query) as server:
        thread = threading.Thread(target=server.serve_forever, name="osv", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query"
        finally:
            server.shutdown()
            thread.join()


def _as_asked(record: Record) -> Record:
    """With package names in the one form that pip-audit looks for."""
    affected = [
        {**one, "package": {**one["package"], "name": canonicalize_name(one["package"]["name"])}}
        for one in record["affected"]
        if one.get("package", {}).get("ecosystem") == ECOSYSTEM
    ]
    return {**record, "affected": affected}
