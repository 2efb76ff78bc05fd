"""What a page follows goes on without a gap: over a server that dies, a tab that is hidden, a session that ends."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from assay import Assay
from tests.support.browser import PATIENCE_MS, Watched
from tests.support.console_pages import lines_of_the_log, state_of_the_test
from tests.support.console_visitors import link, new_key, signed_in
from tests.support.held_agents import Gate
from tests.support.local_mode import LocalMode, skip_without_sandbox

pytestmark = pytest.mark.slow

TALL = {"width": 1280, "height": 9000}
"""A window in which the whole log of these tests is on show, so that every line of it can be looked at."""
SETTABLE = """
Object.defineProperty(document, "visibilityState", { get: () => window.seen ?? "visible" });
window.look = (seen) => { window.seen = seen; document.dispatchEvent(new Event("visibilitychange")); };
"""


@pytest.fixture
def mortal() -> Iterator[Path]:
    """A folder for a local mode that dies."""
    skip_without_sandbox()
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:  # a short path, as its sockets need it
        yield Path(folder) / ".assay"


def says_every_number_once(page: Page, last: int) -> None:
    """The log on the page is the whole of what a counting agent said."""
    expect(page.get_by_role("region", name="Log", exact=True)).to_contain_text(f"{last} lines, complete.")
    expect(lines_of_the_log(page)).to_have_text([f"number {number}" for number in range(1, last + 1)])
    expect(page.locator(".log-number")).to_have_text([str(number) for number in range(1, last + 1)])


def test_a_server_that_dies_is_waited_for_and_no_line_is_lost(browser: Browser, mortal: Path, gate: Gate) -> None:
    server = LocalMode(mortal, ASSAY_PROCESS_ISOLATION="required", **gate.settings)
    try:
        known = server.until_ready()
        with signed_in(browser, server, viewport=TALL) as (page, watched):
            watched.expect(r"ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|status of 50\d")
            with Assay(known["address"], known["api_key"]) as client:
                test = client.submit(gate.counting(), "count")
            page.goto(f"/tests/{test.id}/log")
            expect(lines_of_the_log(page).nth(4)).to_have_text("number 5")
            server.end(signal.SIGKILL)
            lost = page.get_by_text("The connection to Assay is lost")
            expect(lost).to_be_visible()
            seen = lines_of_the_log(page).count()

            server = LocalMode(mortal, ASSAY_PROCESS_ISOLATION="required", **gate.settings)
            assert server.until_ready() == known
            expect(lost).to_have_count(0, timeout=3 * PATIENCE_MS)
            expect(lines_of_the_log(page).nth(seen + 5)).to_have_text(f"number {seen + 6}")
            gate.open()
            with Assay(known["address"], known["api_key"]) as client:
                ended = client.wait(test.id)
            assert isinstance(ended.response, int), ended.failure
            says_every_number_once(page, ended.response)
    finally:
        server.end(signal.SIGTERM)


@pytest.mark.parametrize("child", ["mongod", "nats-server", "console"])
def test_a_part_that_is_killed_under_a_log_comes_back_and_no_line_is_lost(
    browser: Browser, mortal: Path, gate: Gate, child: str
) -> None:
    server = LocalMode(mortal, ASSAY_PROCESS_ISOLATION="required", **gate.settings)
    try:
        known = server.until_ready()
        with signed_in(browser, server, viewport=TALL) as (page, watched):
            watched.expect(
                r"ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|status of 50\d"
            )
            with Assay(known["address"], known["api_key"]) as client:
                test = client.submit(gate.counting(), "count")
                page.goto(f"/tests/{test.id}/log")
                expect(lines_of_the_log(page).nth(4)).to_have_text("number 5")
                pid = int(json.loads((server.folder / "run" / f"{child}.pid").read_text())["pid"])
                seen = lines_of_the_log(page).count()
                os.kill(pid, signal.SIGKILL)
                expect(lines_of_the_log(page).nth(seen + 5)).to_have_text(f"number {seen + 6}", timeout=3 * PATIENCE_MS)
                gate.open()
                ended = client.wait(test.id)
            assert isinstance(ended.response, int), ended.failure
            says_every_number_once(page, ended.response)
    finally:
        server.end(signal.SIGTERM)


def test_a_hidden_tab_asks_for_nothing_and_then_goes_on_where_it_was(
    browser: Browser, server: LocalMode, sdk: Assay, gate: Gate
) -> None:
    test = sdk.submit(gate.counting(), "count")
    with signed_in(browser, server, viewport=TALL) as (page, _):
        page.add_init_script(SETTABLE)
        page.goto(f"/tests/{test.id}/log")
        lines = lines_of_the_log(page)
        expect(lines.nth(2)).to_have_text("number 3")
        with page.expect_event("requestfailed", lambda request: "/events?" in request.url):
            page.evaluate("look('hidden')")
        seen = lines.count()
        for update in sdk.logs(test.id, from_seq=seen + 5, follow=True):
            assert update.seq == seen + 5
            break
        assert lines.count() == seen
        with page.expect_request(lambda request: "/events?" in request.url):
            page.evaluate("look('visible')")
        expect(lines.nth(seen + 6)).to_have_text(f"number {seen + 7}")
        gate.open()
        ended = sdk.wait(test.id)
        assert isinstance(ended.response, int), ended.failure
        says_every_number_once(page, ended.response)


def test_who_is_signed_out_meanwhile_signs_in_and_is_back_in_the_log(
    browser: Browser, server: LocalMode, sdk: Assay, gate: Gate
) -> None:
    made = sdk.admin.create_key("signed-out", name="ends")
    with Assay(server.known["address"], made.secret) as client:
        test = client.submit(gate.counting(), "count")
    with signed_in(browser, server, f"/tests/{test.id}?tab=log", key=made.secret) as (page, watched):
        watched.expect("status of 401")
        expect(lines_of_the_log(page).nth(2)).to_have_text("number 3")
        sdk.admin.revoke_key(made.key.id)
        expect(page.get_by_role("heading", name="Sign in to Assay")).to_be_visible()
        expect(page.get_by_text("number 1", exact=True)).to_have_count(0)
        page.get_by_label("API key").fill(new_key(server, "signed-out"))
        page.keyboard.press("Enter")
        expect(state_of_the_test(page)).to_have_text("Running")
        expect(lines_of_the_log(page).first).to_be_visible()
        gate.open()
        expect(state_of_the_test(page)).to_have_text("Passed")
        expect(page.get_by_role("region", name="Log", exact=True)).to_contain_text("lines, complete.")


def test_a_session_that_is_gone_leads_to_the_sign_in(page: Page, watched: Watched, server: LocalMode) -> None:
    watched.expect("status of 401")
    expect(page.get_by_role("navigation", name="Pages", exact=True)).to_be_visible()
    page.context.clear_cookies()
    page.reload()
    expect(page.get_by_role("heading", name="Sign in to Assay")).to_be_visible()
    page.goto(link(server, "/queue"))
    expect(page.get_by_role("heading", name="Queue")).to_be_visible()
