"""Browsers that go in the middle of something: no fault of the console, and one line of its log."""

import asyncio
import socket
import struct
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.console.signin.session import COOKIE
from tests.support.console import Browser, Console
from tests.support.gateway import Client, Stage, line
from tests.support.until import until


@pytest_asyncio.fixture
async def client(stage: Stage) -> Client:
    return await stage.client("alice")


@pytest_asyncio.fixture
async def alice(front: Console, client: Client) -> Browser:
    return await front.signed_in(client.key)


def figure(name: str) -> float:
    return REGISTRY.get_sample_value(f"assay_console_{name}") or 0.0


class Raw:
    """A connection that is broken off as it is."""

    def __init__(self, front: Console, browser: Browser) -> None:
        self._at = front.url.removeprefix("http://").split(":")
        self._cookie = browser.cookies[COOKIE]
        self.host = ":".join(self._at)

    async def ask(self, head: str) -> None:
        self.reader, self.writer = await asyncio.open_connection(self._at[0], int(self._at[1]), limit=4096)
        said = f"{head}\r\nHost: {self.host}\r\nCookie: {COOKIE}={self._cookie}\r\nx-assay-console: 1\r\n\r\n"
        self.writer.write(said.encode())
        await self.writer.drain()

    async def go(self, *, hard: bool) -> None:
        if hard:
            found: Any = self.writer.get_extra_info("socket")
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.close()


async def long_log(stage: Stage, client: Client) -> str:
    test = await client.submit()
    await stage.others.started(test.id)
    for first in range(1, 4001, 200):
        await stage.others.wrote(test.id, [line(seq, "x" * 4000) for seq in range(first, first + 200)])
    return str(test.id)


def of_requests(logs: list[Any]) -> list[tuple[str, str, str]]:
    """What the guard said."""
    names = ("browser_gone", "request_failed")
    return [(one["event"], one["log_level"], one["route"]) for one in logs if one["event"] in names]


@pytest.mark.parametrize("hard", [False, True], ids=["closed", "reset"])
async def test_a_download_that_is_broken_off_is_one_line_of_the_log(
    stage: Stage, client: Client, front: Console, alice: Browser, *, hard: bool
) -> None:
    test_id = await long_log(stage, client)
    raw = Raw(front, alice)
    with capture_logs() as logs:
        await raw.ask(f"GET /logs/{test_id}.txt HTTP/1.1")
        assert (await raw.reader.readline()).startswith(b"HTTP/1.1 200")
        await raw.go(hard=hard)
        await until(lambda: of_requests(logs))
        await until(lambda: [one for one in logs if one["event"] == "rpc" and one["method"] == "StreamLogs"])
    assert of_requests(logs) == [("browser_gone", "info", "/logs/{name}")]


async def test_an_upload_that_is_broken_off_is_one_line_of_the_log(front: Console, alice: Browser) -> None:
    raw = Raw(front, alice)
    head = "POST /uploads HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000"
    with capture_logs() as logs:
        await raw.ask(f"{head}\r\nExpect: 100-continue")
        assert (await raw.reader.readline()).startswith(b"HTTP/1.1 100")  # the console asks for the body
        part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.py"\r\n\r\n' + b"x" * 1000
        raw.writer.write(part)
        await raw.writer.drain()
        await raw.go(hard=False)
        await until(lambda: of_requests(logs))
    assert of_requests(logs) == [("browser_gone", "info", "/uploads")]


async def test_a_tab_that_is_closed_is_no_line_of_the_log(front: Console, alice: Browser) -> None:
    raw = Raw(front, alice)
    with capture_logs() as logs:
        before = figure("tabs")
        await raw.ask("GET /events?feeds=[{%22id%22:%22q%22,%22kind%22:%22queue%22}] HTTP/1.1")
        await until(lambda: figure("tabs") == before + 1)
        await raw.go(hard=True)
        await until(lambda: figure("tabs") == before)
    assert of_requests(logs) == []
