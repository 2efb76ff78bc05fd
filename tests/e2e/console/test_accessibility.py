"""axe finds nothing on any page, light and dark; every page fits a narrow screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, expect

from deploy.setup import page as page_setup
from deploy.setup.steps import run_all
from tests.e2e.console.seeded import Seeded, seed
from tests.support.browser import visitor
from tests.support.console_visitors import signed_in
from tests.support.local_mode import Command, LocalMode

PAGES: Final = {
    "tests": "/tests",
    "tests filtered": "/tests?state=%5B%22failed%22%5D&from=7d",
    "answer": "/tests/{passed}",
    "markdown": "/tests/{markdown}",
    "failure": "/tests/{failed}",
    "log": "/tests/{passed}?tab=log",
    "metrics": "/tests/{passed}?tab=metrics",
    "settings": "/tests/{passed}?tab=settings",
    "files": "/tests/{passed}?tab=files",
    "package": "/tests/{passed}?tab=package",
    "moves": "/tests/{retried}?tab=history",
    "full log": "/tests/{passed}/log",
    "compare": "/compare?a={failed}&b={passed}",
    "submit": "/submit",
    "edit and run again": "/submit?again={passed}",
    "agents": "/agents",
    "agent": "/agents/order-finder",
    "packages": "/packages",
    "queue": "/queue",
    "health": "/admin/health",
    "usage": "/admin/usage",
    "cost": "/admin/cost",
    "limits": "/admin/limits?user=alice",
    "keys": "/admin/keys",
    "dead letters": "/admin/dead-letters",
    "no page": "/nowhere",
}
NARROW: Final = 360


@pytest.fixture(scope="module")
def seeded(assay: Command) -> Seeded:
    return seed(assay)


@pytest.fixture(scope="module")
def axe() -> Path:
    """axe-core, which is one of the libraries of the page's checks; skips where they cannot be had."""
    if run_all(page_setup.EVERYTHING) != 0:
        pytest.skip("axe-core is not here (make page says why)")
    return page_setup.WEB / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def shown(browser: Browser, server: LocalMode, axe: Path) -> Iterator[Page]:
    """One page that goes from address to address."""
    with signed_in(browser, server) as (page, _):
        page.add_init_script(path=axe)
        yield page


def open_page(page: Page, path: str, seeded: Seeded) -> None:
    page.goto(path.format(**seeded._asdict()))
    expect(page.get_by_role("heading", level=1).or_(page.get_by_text("There is no such page")).first).to_be_visible()
    expect(page.get_by_role("main").locator("[aria-busy=true]")).to_have_count(0)


WCAG: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa")


def violations(page: Page, *more: str) -> list[str]:
    """What axe says, a line for each element: by WCAG 2.1 A and AA, and the rules of the tags `more`."""
    # What fades in has too little contrast until it is there.
    page.wait_for_function("() => document.getAnimations().every((one) => !(one instanceof CSSTransition))")
    found: Any = page.evaluate("(tags) => axe.run(document, {runOnly: tags})", [*WCAG, *more])
    return [
        f"{one['id']}: {one['help']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES.keys())
def test_no_page_has_a_violation(shown: Page, seeded: Seeded, path: str, scheme: Any) -> None:
    shown.emulate_media(color_scheme=scheme)
    shown.set_viewport_size({"width": 1280, "height": 900})
    open_page(shown, path, seeded)
    assert violations(shown, "best-practice") == []


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES.keys())
def test_every_page_fits_a_narrow_screen(shown: Page, seeded: Seeded, path: str) -> None:
    shown.set_viewport_size({"width": NARROW, "height": 740})
    open_page(shown, path, seeded)
    widths = shown.evaluate("() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert widths[0] <= widths[1], f"the page is {widths[0]} px wide on a screen of {widths[1]} px"


def test_the_way_in_has_no_violation(browser: Browser, server: LocalMode, axe: Path) -> None:
    with visitor(browser, server.known["console"]) as (page, watched):
        watched.expect("status of 401")
        page.add_init_script(path=axe)
        page.goto("/")
        expect(page.get_by_label("API key")).to_be_visible()
        assert violations(page) == []


def test_open_dialogs_have_no_violation(shown: Page, seeded: Seeded) -> None:
    shown.set_viewport_size({"width": 1280, "height": 900})
    open_page(shown, "/tests", seeded)
    shown.keyboard.press("Control+k")
    expect(shown.get_by_placeholder("Page, test, agent or action")).to_be_visible()
    assert violations(shown) == []
    shown.keyboard.press("Escape")
    expect(shown.get_by_role("dialog")).to_have_count(0)
    shown.keyboard.press("?")
    expect(shown.get_by_role("dialog")).to_contain_text("In a log")
    assert violations(shown) == []
    shown.keyboard.press("Escape")
