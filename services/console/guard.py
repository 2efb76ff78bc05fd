"""Around every request: is it meant for this console and sent by its own page; headers of every answer; the figures.

Plain ASGI, so that bodies stream through untouched. Knows nothing of what a route does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Final
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.console.errors import STATUS, Problem
from services.console.metrics import REFUSED, REQUEST_SECONDS, REQUESTS

log = structlog.get_logger()

HEADER: Final = "x-assay-console"
"""Own pages send it. A foreign one cannot without asking first (CORS), and is never allowed to."""
CODES: Final = "/signin/codes"
"""Is called with an API key and without a cookie, by no page."""
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
OWN: Final = frozenset({"same-origin", "none"})
"""Values of Sec-Fetch-Site: the page itself, or somebody who typed the address. Another port of this machine is
`same-site`, gets our cookies sent along, and is foreign all the same."""
DATA: Final = (
    "/api/",
    "/session",
    "/uploads",
    "/files/",
    "/logs/",
    "/packages/",
    "/export/",
    "/events",
    "/signin/code",
)
"""What only our own page asks for. All other paths are the page itself, to which anybody may link."""
NOTHING: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

Finish = Callable[[Response, Request], None]
"""Writes what is left to be said in cookies."""


class Guard:
    """Refuses foreign requests, and finishes every answer."""

    def __init__(self, app: ASGIApp, *, hosts: Collection[str], origin: str, finish: Finish) -> None:
        self._app = app
        self._hosts = hosts
        self._origin = origin
        self._finish = finish

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # web sockets: there are none
            return
        began = time.perf_counter()
        status, is_whole, gone = 0, False, False

        async def hear() -> Message:
            nonlocal gone
            message = await receive()
            gone = gone or (message["type"] == "http.disconnect" and not is_whole)
            return message

        async def answer(message: Message) -> None:
            nonlocal status, is_whole
            if message["type"] == "http.response.start":
                status = message["status"]
                self._complete(scope, MutableHeaders(raw=message.setdefault("headers", [])))
                route = _route(scope)
                REQUEST_SECONDS.labels(route).observe(time.perf_counter() - began)
                REQUESTS.labels(route, str(status)).inc()
            await send(message)
            is_whole = message["type"] == "http.response.body" and not message.get("more_body", False)

        problem = self._objection(scope["method"], scope["path"], Headers(scope=scope))
        try:
            await (problem.response() if problem else self._app)(scope, hear, answer)
        except Exception as error:
            gone = gone or (not is_whole and await _has_gone(receive))
            if gone:  # whatever it was, nobody waits for it any more
                log.info("browser_gone", route=_route(scope), status=status, error=repr(error))
                return
            # Whatever comes here is a fault of ours, or of a file that broke off, whose connection then breaks, too.
            log.exception("request_failed", route=_route(scope), error=repr(error))
            if is_whole:  # Starlette says that something went wrong, and raises all the same
                return
            if status:
                raise
            await fault().response()(scope, receive, answer)
        else:
            if gone and (not is_whole or status == STATUS["CANCELLED"]):
                log.info("browser_gone", route=_route(scope), status=status)

    def _objection(self, method: str, path: str, headers: Headers) -> Problem | None:
        if _name(headers.get("host", "")) not in self._hosts:
            REFUSED.labels("host").inc()
            return Problem(
                "INVALID_ARGUMENT",
                "The console is not known by this name. `assay open` opens the one of `assay dev`; "
                "those who run another can add the name with ASSAY_CONSOLE_HOSTS.",
                reason="WRONG_HOST",
                status=421,
            )
        changes = method not in SAFE
        if (changes or path.startswith(DATA)) and not self._is_own(headers):
            REFUSED.labels("site").inc()
            return Problem("PERMISSION_DENIED", "This request comes from another page.", reason="FOREIGN_PAGE")
        if changes and path != CODES and headers.get(HEADER) != "1":
            REFUSED.labels("header").inc()
            return Problem("PERMISSION_DENIED", f"The header {HEADER}: 1 is missing.", reason="HEADER_MISSING")
        return None

    def _is_own(self, headers: Headers) -> bool:
        if headers.get("sec-fetch-site", "none") not in OWN:
            return False
        origin = headers.get("origin")
        if origin is None:
            return True
        return origin == self._origin or urlsplit_or_empty(origin) == headers.get("host", "").lower()

    def _complete(self, scope: Scope, headers: MutableHeaders) -> None:
        carrier = Response()
        self._finish(carrier, Request(scope))
        for name, value in carrier.raw_headers:
            if name == b"set-cookie":
                headers.append("set-cookie", value.decode("latin-1"))
        headers.setdefault("content-security-policy", NOTHING)
        headers.setdefault("cache-control", "no-store")
        headers["x-content-type-options"] = "nosniff"
        headers["referrer-policy"] = "no-referrer"
        headers["cross-origin-opener-policy"] = "same-origin"
        headers["cross-origin-resource-policy"] = "same-origin"
        headers["x-frame-options"] = "DENY"


def fault() -> Problem:
    """What is said of a fault of ours."""
    return Problem("INTERNAL", "Something in the console went wrong; its log says what.", reason="INTERNAL")


async def _has_gone(receive: Receive) -> bool:
    """Whether the browser has closed its connection, without waiting for it."""
    try:
        async with asyncio.timeout(0):
            return bool((await receive())["type"] == "http.disconnect")
    except TimeoutError:
        return False


def urlsplit_or_empty(origin: str) -> str:
    """Host and port of an origin; empty for `null` and for what is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _name(host: str) -> str:
    """A Host header without its port, in lower case; empty for what is none."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return ""
    return "" if parts.path or parts.username is not None else (parts.hostname or "")


def _route(scope: Scope) -> str:
    """The pattern of a route, of which there are few, and not its path."""
    return getattr(scope.get("route"), "path", "none")
