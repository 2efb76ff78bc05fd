"""A console in this process before a gateway, and browsers that keep its cookies."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from pydantic import SecretStr

from services.console.app import running
from services.console.settings import ConsoleSettings

SECRET = "a secret of tests that is long enough"
INDEX = '<script nonce="__CSP_NONCE__" src="/assets/main-1.js"></script><style nonce="__CSP_NONCE__"></style>'


class Browser(httpx2.AsyncClient):
    """One browser: its cookies, and the header that the page sends with everything."""

    async def ask(self, method: str, request: dict[str, Any] | None = None, **more: Any) -> httpx2.Response:
        """A call of the API, such as `TestService/GetTest`."""
        return await self.post(f"/api/{method}", content=json.dumps(request or {}), **more)

    async def call(self, method: str, request: dict[str, Any] | None = None) -> Any:
        """The answer to a call that succeeds."""
        response = await self.ask(method, request)
        assert response.status_code == 200, response.text
        return response.json()

    async def sign_in(self, key: str) -> Any:
        response = await self.post("/session", json={"key": key})
        assert response.status_code == 200, response.text
        return response.json()


class Console:
    """One replica."""

    def __init__(self, port: int, stack: AsyncExitStack) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._stack = stack

    async def browser(self, **more: Any) -> Browser:
        """A new one, which is closed with the console."""
        headers = {"x-assay-console": "1", **more.pop("headers", {})}
        browser = Browser(base_url=self.url, headers=headers, trust_env=False, timeout=30, **more)
        return await self._stack.enter_async_context(browser)

    async def signed_in(self, key: str, **more: Any) -> Browser:
        """A new one in which the owner of this key is signed in."""
        browser = await self.browser(**more)
        await browser.sign_in(key)
        return browser


def settings(gateway: str, **more: Any) -> ConsoleSettings:
    values: dict[str, Any] = {
        "console_gateway": gateway,
        "console_port": 0,
        "console_drain_s": 1.0,
        "console_secrets": SecretStr(SECRET),
        **more,
    }
    return ConsoleSettings(**values)


@asynccontextmanager
async def console(gateway: str, **more: Any) -> AsyncIterator[Console]:
    """A console at work."""
    async with running(settings(gateway, **more)) as health, AsyncExitStack() as stack:
        yield Console(health.port, stack)


def built_page(folder: Path) -> Path:
    """What the build of a page leaves."""
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(INDEX)
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / ".built-from").write_text("secret")
    (folder / "assets" / "main-1.js").write_text("console.log(1);\n" * 100)
    return folder
