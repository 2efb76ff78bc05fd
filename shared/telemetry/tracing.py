"""W3C trace context: the one header that ties a request, its events and its log lines together."""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("traceparent", default="")

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


def new_traceparent(incoming: str | None = None) -> str:
    """A `traceparent` header value: a child of `incoming` where that is valid, else the root of a new trace."""
    match = _TRACEPARENT.fullmatch(incoming or "")
    trace = match.group(1) if match else secrets.token_hex(16)
    return f"00-{trace}-{secrets.token_hex(8)}-01"


def trace_id(traceparent: str) -> str:
    """The 32 hex digits of the trace, empty where the header is not valid."""
    match = _TRACEPARENT.fullmatch(traceparent)
    return match.group(1) if match else ""


def current() -> str:
    """The `traceparent` of the message being handled; empty outside of a handler."""
    return _current.get()


def enter(traceparent: str) -> None:
    """Makes this the current trace for the task that calls it."""
    _current.set(traceparent)
