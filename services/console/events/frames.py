"""Server-sent events as bytes (HTML standard, 9.2.6: lines that end with LF, an empty line ends an event)."""

from __future__ import annotations

import json
from typing import Any, Final

PING: Final = b'data: {"feed":"","kind":"ping","data":{}}\n\n'
"""An event and no comment, which a page could not hear: one that hears nothing for long knows that it is cut off."""


def event(feed: str, kind: str, data: Any, *, token: str, **more: Any) -> bytes:
    """One event. `feed` is empty for what concerns the whole stream. JSON has no line end in it."""
    said = json.dumps({"feed": feed, "kind": kind, **more, "data": data}, ensure_ascii=False, separators=(",", ":"))
    return f"event: message\nid: {token}\ndata: {said}\n\n".encode()


def reconnect(after_ms: int) -> bytes:
    """Tells the browser after how long it comes back when the stream ends."""
    return f"retry: {after_ms}\n\n".encode()
