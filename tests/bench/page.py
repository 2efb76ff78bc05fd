"""The console's page in a real browser: when it can be used, how much script that takes, how late a line is on the
screen, and whether a long log scrolls without a long frame."""

from __future__ import annotations

import asyncio
import gzip
import sys
from statistics import median
from typing import Any, Final

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from deploy.local.console import PAGE
from deploy.setup import chromium
from tests.bench.console import Console, served
from tests.bench.figures import Report, percentile
from tests.bench.local import Local
from tests.bench.size import Size
from tests.bench.work import FLOOD, TICKER
from tests.support.browser import FLAGS

FIGURES: Final = ("page_usable", "page_script", "page_line_p50", "page_frame")
OPENED: Final = 5
"""How often the page is opened, each time by a browser that has nothing of it."""
PAUSE_S: Final = 0.01
PATIENCE_MS: Final = 60_000

_USABLE: Final = """() => new Promise((done) => {
  const usable = () => document.querySelector("main h1") && document.querySelector("main table tbody tr");
  const look = () => (usable() ? done(performance.now()) : requestAnimationFrame(look));
  look();
})"""
_WATCH_LINES: Final = """() => {
  globalThis.lateMs = new Map();
  const look = () => {
    for (const row of document.querySelectorAll(".log-row[data-seq]")) {
      const printed = Number(row.querySelector(".log-text")?.textContent) * 1000;
      if (printed && !lateMs.has(row.dataset.seq)) lateMs.set(row.dataset.seq, Date.now() - printed);
    }
  };
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });
}"""
_SCROLL: Final = """async (steps) => {
  const box = document.querySelector(".log-scroll");
  const frames = [];
  let before = await new Promise(requestAnimationFrame);
  for (let step = 0; step < steps; step++) {
    // Like a wheel that is turned fast, with a jump to another part of the log now and then.
    if (step % 100 === 99) box.scrollTop = (box.scrollHeight * ((step * 7919) % steps)) / steps;
    else box.scrollTop += 600;
    const now = await new Promise(requestAnimationFrame);
    frames.push(now - before);
    before = now;
  }
  return frames;
}"""
_BARE: Final = """async (steps) => {
  const frames = [];
  let before = await new Promise(requestAnimationFrame);
  for (let step = 0; step < steps; step++) {
    const now = await new Promise(requestAnimationFrame);
    frames.push(now - before);
    before = now;
  }
  return frames;
}"""
STEPS: Final = 600


def lacks() -> str:
    """What is missing here to show the page; empty: nothing."""
    if chromium.program() is None:
        return chromium.ELSEWHERE
    return "" if PAGE.exists() else "the page is not built (make page says why)"


async def measure(local: Local, size: Size, report: Report) -> None:
    """All figures of the page; says so and measures none where there is no browser."""
    program = chromium.program()
    if (missing := lacks()) or program is None:
        print(f"bench: no figures of the page: {missing}", file=sys.stderr)
        return
    async with served(local) as console, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            await _opened(local, console, browser, report)
            await _line(local, console, browser, size, report)
            await _frame(local, console, browser, size, report)
        finally:
            await browser.close()


async def _signed_in(browser: Browser, console: Console, local: Local) -> BrowserContext:
    context = await browser.new_context(base_url=console.url, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    answer = await context.request.post(
        "/session", headers={"x-assay-console": "1"}, data={"key": local.client.connection.api_key}
    )
    assert answer.ok, await answer.text()
    return context


async def _opened(local: Local, console: Console, browser: Browser, report: Report) -> None:
    """The list of tests, from the address to its rows; the floor is the same browser with an answer of a few bytes."""
    test = await local.client.submit(TICKER, "1 0.01")
    await local.ended_well(test.id)
    took: list[float] = []
    floor: list[float] = []
    script = 0
    for _ in range(OPENED):
        context = await _signed_in(browser, console, local)
        page = await context.new_page()
        await page.goto("/favicon.svg")
        floor.append(await page.evaluate("performance.timing.loadEventEnd - performance.timing.navigationStart"))
        sizes: dict[str, int] = {}

        async def weigh(response: Any, sizes: dict[str, int] = sizes) -> None:
            if response.url.endswith(".js"):
                sizes[response.url] = len(gzip.compress(await response.body(), 9))

        page.on("response", weigh)
        await page.goto("/tests", wait_until="commit")
        took.append(await page.evaluate(_USABLE))
        await page.wait_for_load_state("load")
        await asyncio.sleep(0.3)  # bodies of what came last
        script = max(script, sum(sizes.values()))
        await context.close()
    report.add("page_usable", median(took), n=OPENED, floor=median(floor), slowest=max(took))
    report.add("page_script", script / 1024, n=OPENED)


async def _line(local: Local, console: Console, browser: Browser, size: Size, report: Report) -> None:
    """An agent that prints the time, on the screen of a browser; the floor is a gRPC subscriber beside it."""
    context = await _signed_in(browser, console, local)
    page = await context.new_page()
    test = await local.client.submit(TICKER, f"{size.stamps} {PAUSE_S} 3")
    await page.goto(f"/tests/{test.id}/log")
    await page.evaluate(_WATCH_LINES)
    floor = await local.late(test.id)
    await page.get_by_text(f"{size.stamps} lines, complete").wait_for()
    late: list[float] = await page.evaluate("[...lateMs.values()]")
    await context.close()
    report.add("page_line_p50", percentile(late, 50), n=len(late), floor=percentile(floor, 50))


async def _frame(local: Local, console: Console, browser: Browser, size: Size, report: Report) -> None:
    """A long log, scrolled fast and with jumps: the longest frame. The floor is the same page when nothing moves."""
    context = await _signed_in(browser, console, local)
    page: Page = await context.new_page()
    test = await local.client.submit(FLOOD, str(size.flood))
    await local.ended_well(test.id)
    await page.goto(f"/tests/{test.id}/log?line=1")
    await page.locator(".log-row[data-seq]").first.wait_for()
    bare: list[float] = await page.evaluate(_BARE, STEPS // 4)
    frames: list[float] = await page.evaluate(_SCROLL, STEPS)
    await context.close()
    report.add(
        "page_frame",
        max(frames),
        n=len(frames),
        floor=max(bare),
        p99=percentile(frames, 99),
        p50=percentile(frames, 50),
    )
