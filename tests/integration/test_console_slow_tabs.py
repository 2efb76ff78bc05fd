"""Tabs that do not read their event stream: what waits for each is bounded, and none loses or doubles a line."""

import asyncio
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from services.console.events import stream
from services.console.signin.session import COOKIE
from tests.support.console import SECRET, Browser, built_page, console
from tests.support.gateway import Client, Stage, lines
from tests.support.servers import free_port
from tests.support.system import started
from tests.support.tabs import query, tab
from tests.support.until import until

MIB = 1 << 20
TABS = 20
MOST_MIB = 4
"""For a tab with one log: 1.3 were measured, most of it the message that waits. Without bounds there were 18."""
COUNT, TEXT = 4_000, "x" * 8_000  # 32 MB, many times what sockets hold


async def long_log(stage: Stage, client: Client) -> dict[str, Any]:
    """The feed of a log that is longer than a tab takes unread."""
    test = await client.submit()
    await stage.others.started(test.id)
    for first in range(1, COUNT, 400):
        await stage.others.stored(test.id, lines(first, first + 399, TEXT))
    return {"id": "l", "kind": "log", "testId": test.id}


async def test_a_tab_that_takes_nothing_is_let_go_and_goes_on_where_it_was(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "STALLED_S", 1.0)
    alice = await stage.client()
    feed = await long_log(stage, alice)
    async with console(
        stage.address, console_page=built_page(tmp_path / "dist"), console_max_streams_of_user=1
    ) as front:
        browser = await front.signed_in(alice.key)
        async with tab(browser, feed) as first:
            await first.to_seq(1)
            await until(lambda: stage.listening(feed["testId"]) == 0, what="the gateway's stream to end", timeout=20)
            refused = await browser.get("/events", params=query(feed))  # its connection is still there
            assert (refused.status_code, refused.json()["reason"]) == (503, "TOO_MANY_TABS")
            with pytest.raises(httpx2.RemoteProtocolError):  # whoever reads again hears that this was not all
                await first.to_end()
        monkeypatch.undo()  # a tab that reads is not let go, however slow the machine is
        assert 0 < len(first.seqs()) < COUNT
        async with tab(browser, feed, last=first.last_id) as second:
            await second.to_seq(COUNT)
    assert first.seqs() + second.seqs() == list(range(1, COUNT + 1))


async def test_what_waits_for_tabs_that_never_read_is_bounded(stage: Stage, tmp_path: Path) -> None:
    alice = await stage.client()
    feed = await long_log(stage, alice)
    port = free_port()
    given = {
        "console_gateway": stage.address,
        "console_port": port,
        "console_page": built_page(tmp_path / "dist"),
        "console_secrets": SECRET,
    }
    browser = Browser(base_url=f"http://127.0.0.1:{port}", headers={"x-assay-console": "1"}, trust_env=False)
    loop = asyncio.get_running_loop()
    async with browser, AsyncExitStack() as opened:
        with started("console", given) as process:
            await process.ready()
            await browser.sign_in(alice.key)
            async with tab(browser, feed) as seen:
                await seen.to_seq(400)
            before = process.resident
            head = f"GET /events?{urlencode(query(feed))} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            for _ in range(TABS):
                raw = opened.enter_context(socket.socket())
                raw.setblocking(False)
                await loop.sock_connect(raw, ("127.0.0.1", port))
                await loop.sock_sendall(raw, f"{head}Cookie: {COOKIE}={browser.cookies[COOKIE]}\r\n\r\n".encode())
                assert (await loop.sock_recv(raw, 12)) == b"HTTP/1.1 200"

            async def rests() -> bool:
                held = process.resident
                await asyncio.sleep(2)
                return process.resident < held + MIB

            await until(rests, timeout=30)
            assert process.resident - before < TABS * MOST_MIB * MIB
