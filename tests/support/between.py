"""Something between a service and the emulator: it lets every call through and can hold an answer back.

So a test can end a service in the moment when AWS has done what it was asked for and nobody has written it down.
"""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Between:
    """Passes calls on to `url`, at an address of its own that containers reach, too."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.calls: Counter[str] = Counter()
        """By operation, such as RunTask; other calls by method."""
        self._target = (parts.hostname or "", parts.port or 80)
        self._held: dict[str, threading.Event] = {}
        self._answered: dict[str, threading.Event] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.pass_on(self)

            do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815 - the names are the protocol's

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
                pass

        self._server = ThreadingHTTPServer((self._target[0], 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self._server.server_address[:2])

    @contextmanager
    def holding(self, operation: str) -> Iterator[threading.Event]:
        """Answers to this operation do not arrive while the block lasts; the event tells that one was held back."""
        held, answered = threading.Event(), threading.Event()
        self._held[operation], self._answered[operation] = held, answered
        try:
            yield answered
        finally:
            del self._held[operation], self._answered[operation]
            held.set()

    def pass_on(self, call: BaseHTTPRequestHandler) -> None:
        operation = call.headers.get("X-Amz-Target", call.command).rpartition(".")[2]
        self.calls[operation] += 1
        body = call.rfile.read(int(call.headers.get("Content-Length") or 0))
        # With the address that it was sent to, which is part of what was signed.
        connection = http.client.HTTPConnection(*self._target, timeout=120)
        try:
            headers = {name: value for name, value in call.headers.items() if name.lower() != "connection"}
            connection.request(call.command, call.path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
            if held := self._held.get(operation):
                self._answered[operation].set()
                held.wait(60)
            call.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _OF_ONE_CONNECTION:
                    call.send_header(name, value)
            call.send_header("Content-Length", str(len(data) if call.command != "HEAD" else 0))
            call.end_headers()
            if call.command != "HEAD":
                call.wfile.write(data)
        except OSError:
            call.close_connection = True  # the emulator or the caller has gone
        finally:
            connection.close()


@contextmanager
def between(url: str) -> Iterator[Between]:
    """While the block lasts."""
    one = Between(url)
    thread = threading.Thread(target=one._server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield one
    finally:
        one._server.shutdown()
        thread.join()
        one._server.server_close()
