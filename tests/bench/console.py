"""The console between the gateway and a browser: how late a line is, how many there can be, what a tab costs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from tests.bench.figures import Report, percentile
from tests.bench.local import PROJECT, READY_S, STOP_S, Failed, Local, environment
from tests.bench.processes import memory
from tests.bench.size import Size
from tests.bench.work import FLOOD, TICKER
from tests.support.servers import free_port

FIGURES: Final = ("console_latency_p50", "console_throughput", "console_memory")
PAUSE_S: Final = 0.01
TABS: Final = 100
LONGEST_EVENT: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Console:
    """A console of its own before a local mode, and a browser that is signed in."""

    url: str
    pid: int
    browser: aiohttp.ClientSession

    @asynccontextmanager
    async def tab(self, *feeds: dict[str, Any]) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """The events of a tab."""
        async with self.browser.get("/events", params={"feeds": json.dumps(feeds)}) as response:
            response.raise_for_status()
            yield _events(response)


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    async for line in response.content:
        if line.startswith(b"data: "):
            event = json.loads(line[6:])
            if event["kind"] == "error":
                raise Failed(f"a feed of the console failed: {event}")
            yield event


async def measure(local: Local, size: Size, report: Report) -> None:
    """All figures of the console."""
    async with served(local) as console:
        await _latency(local, console, size, report)
        await _throughput(local, console, size, report)
        await _memory(local, console, size, report)


@asynccontextmanager
async def served(local: Local) -> AsyncIterator[Console]:
    """A console of its own before this local mode."""
    port = free_port()
    process = subprocess.Popen(  # noqa: ASYNC220 - it does not wait
        [sys.executable, "-m", "services.console"],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=environment()
        | {
            "ASSAY_CONSOLE_GATEWAY": local.client.connection.address,
            "ASSAY_CONSOLE_PORT": str(port),
            "ASSAY_HEALTH_PORT": "0",
        },
    )
    try:
        async with aiohttp.ClientSession(
            f"http://127.0.0.1:{port}",
            headers={"x-assay-console": "1"},
            cookie_jar=aiohttp.CookieJar(unsafe=True),  # of an address and no name
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            read_bufsize=LONGEST_EVENT,
        ) as browser:
            await _sign_in(browser, local.client.connection.api_key or "")
            yield Console(f"http://127.0.0.1:{port}", process.pid, browser)
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, STOP_S)


async def _sign_in(browser: aiohttp.ClientSession, key: str) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        try:
            async with browser.post("/session", json={"key": key}) as response:
                if response.status != 200:
                    raise Failed(f"the console signs nobody in: {await response.text()}")
                return
        except aiohttp.ClientConnectionError:
            if time.monotonic() > deadline:
                raise Failed("the console did not start") from None
            await asyncio.sleep(0.05)


async def _latency(local: Local, console: Console, size: Size, report: Report) -> None:
    """An agent that prints the time, read by a tab and by a gRPC subscriber, which is the floor, side by side."""
    test = await local.client.submit(TICKER, f"{size.stamps} {PAUSE_S}")

    floor = asyncio.create_task(local.late(test.id))
    late_ms: list[float] = []
    async with console.tab({"id": "l", "kind": "log", "testId": test.id}) as events:
        async for event in events:
            now = time.time()
            if event["kind"] == "end":
                break
            if event["kind"] == "log":
                late_ms += [(now - float(line["text"])) * 1000 for line in event["data"].get("lines", ())]
    if len(late_ms) != size.stamps:
        raise Failed(f"{len(late_ms)} of {size.stamps} lines came through the console")
    report.add("console_latency_p50", percentile(late_ms, 50), n=len(late_ms), floor=percentile(await floor, 50))


async def _throughput(local: Local, console: Console, size: Size, report: Report) -> None:
    """The stored output of an agent that printed much, to one tab."""
    test = await local.client.submit(FLOOD, str(size.flood))
    await local.ended_well(test.id)
    begun = time.perf_counter()
    lines = 0
    async with console.tab({"id": "l", "kind": "log", "testId": test.id}) as events:
        async for event in events:
            if event["kind"] == "end":
                break
            if event["kind"] == "log":
                lines += len(event["data"].get("lines", ()))
    took = time.perf_counter() - begun
    if lines != size.flood:
        raise Failed(f"{lines} of {size.flood} lines came through the console")
    report.add("console_throughput", lines / took, n=lines, seconds=took)


async def _memory(local: Local, console: Console, size: Size, report: Report) -> None:
    """Tabs that each follow a test, its output and the queue."""
    test = await local.client.submit(TICKER, "200 0.5")
    feeds = (
        {"id": "t", "kind": "test", "testId": test.id},
        {"id": "l", "kind": "log", "testId": test.id},
        {"id": "q", "kind": "queue"},
    )
    before = memory([console.pid]).rss
    async with AsyncExitStack() as tabs:
        for _ in range(TABS):
            events = await tabs.enter_async_context(console.tab(*feeds))
            seen: set[str] = set()
            async for event in events:
                seen.add(event["kind"])
                if {"test", "queue", "log"} <= seen:
                    break
        await asyncio.sleep(size.settle_s)
        after = memory([console.pid]).rss
    await local.client.cancel(test.id)
    report.add("console_memory", after - before, n=TABS, feeds=len(feeds) * TABS, before=before)
