"""The response of a tab, as its socket gets it."""

from __future__ import annotations

import asyncio
import json
from contextlib import nullcontext
from typing import Any

from services.console.events.positions import Positions
from services.console.events.stream import EventStream
from services.console.events.tabs import Tabs


async def test_a_page_hears_that_a_silent_stream_lives() -> None:
    """As events: a browser keeps comments to itself, and no page could tell a silent console from a dead one."""
    gone = asyncio.Event()
    heard: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        lines = message.get("body", b"").decode().splitlines()
        heard.extend(json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: "))
        if len(heard) > 2:
            gone.set()

    opening: Any = nullcontext(None)
    stream = EventStream([], Positions([], ""), opening, Tabs(1, 1), "alice", lasts_s=60.0, ping_s=0.01)
    async with asyncio.timeout(10):
        await stream({"type": "http"}, receive, send)
    assert [event["kind"] for event in heard[:3]] == ["hello", "ping", "ping"]
