"""`make screenshots`: every page of the console in both themes, and some on a narrow screen, into docs/images.

From a real local mode of its own with real tests; ends it afterwards.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, expect

from tests.e2e.console.seeded import Seeded, seed
from tests.support.browser import NoBrowser, browser
from tests.support.console_visitors import signed_in
from tests.support.local_mode import Command, LocalMode, local_mode

TO: Final = Path(__file__).parents[3] / "docs" / "images"
PAGES: Final = {
    "tests": "/tests",
    "answer": "/tests/{passed}",
    "failure": "/tests/{failed}",
    "log": "/tests/{passed}/log",
    "metrics": "/tests/{passed}?tab=metrics",
    "package": "/tests/{passed}?tab=package",
    "compare": "/compare?a={failed}&b={passed}",
    "submit": "/submit?again={passed}",
    "agents": "/agents",
    "agent": "/agents/order-finder",
    "packages": "/packages",
    "queue": "/queue",
    "health": "/admin/health",
    "usage": "/admin/usage?by=hour",
    "cost": "/admin/cost",
    "limits": "/admin/limits?user=alice",
    "keys": "/admin/keys",
    "dead-letters": "/admin/dead-letters",
}
NARROW: Final = ("tests", "answer", "log", "submit")


def settle(page: Page) -> None:
    """Waits until nothing is being read any more, code is coloured and charts are drawn."""
    main = page.get_by_role("main")
    expect(main.get_by_role("heading", level=1)).to_be_visible()
    for _ in range(2):  # what was read may show something that is read in turn
        expect(main.locator("[aria-busy=true]")).to_have_count(0)
        page.wait_for_timeout(400)
    charts = main.locator("[role=img] > div")
    expect(charts.locator("canvas")).to_have_count(charts.count())
    page.wait_for_timeout(300)


def take(started: Browser, server: LocalMode, seeded: Seeded) -> int:
    """Takes all pictures and says how many."""
    count = 0
    for scheme in ("light", "dark"):
        with signed_in(started, server, color_scheme=scheme) as (page, _):
            expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
            for name, path in PAGES.items():
                page.set_viewport_size({"width": 1280, "height": 800})
                page.goto(path.format(**seeded._asdict()))
                settle(page)
                page.screenshot(path=TO / f"{name}-{scheme}.png")
                count += 1
                if name in NARROW and scheme == "light":
                    page.set_viewport_size({"width": 360, "height": 740})
                    settle(page)
                    page.screenshot(path=TO / f"{name}-narrow.png")
                    count += 1
    return count


def main() -> int:
    TO.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="assay-screenshots-") as folder:
        data = Path(folder) / "user" / ".assay"
        data.parent.mkdir()
        try:
            with local_mode(data) as server, browser() as started:
                seeded = seed(Command(data.parent))
                count = take(started, server, seeded)
        except NoBrowser as reason:
            print(reason, file=sys.stderr)
            return 1
    print(f"{count} pictures in {TO.relative_to(Path.cwd()) if TO.is_relative_to(Path.cwd()) else TO}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
