"""A real browser for tests of the console: Debian's Chromium, driven by Playwright.

Playwright's plain calls keep a loop of asyncio running while the browser is open, so tests with coroutines cannot stand
in the same module: the browser is there for one module of plain tests.
"""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from deploy.setup import chromium
from deploy.setup.steps import TOOLS, run_all

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
"""A test may run as root in a container without a screen, and asks nobody on the network."""
PATIENCE_MS = 20_000
"""Of every wait. A machine under load is not a failure."""
_TELL_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`content security policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
"""


class NoBrowser(Exception):
    """There is no browser here; the message says what to install."""


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser while the block lasts. Raises NoBrowser."""
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "chromium.lock").open("w") as others:
        fcntl.flock(others, fcntl.LOCK_EX)  # test processes side by side: apt-get serves one at a time
        installed = run_all([chromium.STEP]) == 0
    if not installed or (program := chromium.program()) is None:
        raise NoBrowser(f"no browser for tests of the console: {chromium.ELSEWHERE}")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield started
        finally:
            started.close()


@dataclass
class Watched:
    """What a browser complains about: violations of the content security policy, errors of scripts and of the console.

    Requests to anywhere but the console are complaints, too."""

    origin: str
    problems: list[str] = field(default_factory=list)
    _expected: list[re.Pattern[str]] = field(default_factory=list)

    def expect(self, pattern: str) -> None:
        """A complaint that matches is part of the test: `status of 401` for a call that is to be refused."""
        self._expected.append(re.compile(pattern))

    def watch(self, context: BrowserContext) -> None:
        """Takes notes of all pages of this context."""
        context.add_init_script(_TELL_VIOLATIONS)
        context.on("console", self._said)
        context.on("weberror", lambda error: self.problems.append(f"uncaught: {error.error}"))
        context.on("request", self._asked)

    def check(self) -> None:
        """Fails the test where something was complained about that it does not expect."""
        left = [problem for problem in self.problems if not any(known.search(problem) for known in self._expected)]
        assert not left, "the browser complains:\n" + "\n".join(left)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            at = message.location
            self.problems.append(f"{message.type}: {message.text} ({at.get('url')}:{at.get('lineNumber')})")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:", "blob:")):
            self.problems.append(f"asks elsewhere: {request.url}")


@contextmanager
def visitor(browser: Browser, origin: str, **options: Any) -> Iterator[tuple[Page, Watched]]:
    """Somebody with a browser profile of their own, at the console; `options` are Playwright's for a context.

    Fails at the end where the browser complained."""
    watched = Watched(origin)
    context = browser.new_context(base_url=origin, **({"viewport": {"width": 1280, "height": 900}} | options))
    context.set_default_timeout(PATIENCE_MS)
    watched.watch(context)
    try:
        yield context.new_page(), watched
        watched.check()
    finally:
        context.close()
