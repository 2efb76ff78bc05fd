"""The log on the page: a real agent that prints much, read from the first line to the last, live and afterwards.

Rows are told by what is drawn: the number of each line and its text, which the agent numbers by itself.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.browser import PATIENCE_MS, Watched
from tests.support.console_visitors import signed_in
from tests.support.local_mode import Command, LocalMode

pytestmark = pytest.mark.slow

LINES = 99_000
"""Below the limit of 100,000 lines of a test."""
PRINTS = f"""\
import sys

def run(query):
    out = []
    for n in range(1, {LINES} + 1):
        line = f"no. {{n}} {{'needle' if n % 1_000 == 7 else 'hay'}}"
        out.append(f"ERROR: no. {{n}} \\x1b[31mit broke\\x1b[0m" if n == 70_123 else line)
        out[-1] += "x" * 5_000 if n == 50_000 else ""
    print("\\n".join(out))
    return "done"
"""
GROWS = """\
import sys, time

def run(query):
    n = 0
    while True:
        for _ in range(2_000 if n < 20_000 else 3):
            n += 1
            print(f"no. {n} {'needle' if n % 100 == 7 else 'hay'}")
        sys.stdout.flush()
        time.sleep(0.05)
"""
SEEN = """() => {
  const box = document.querySelector('.log-scroll')?.getBoundingClientRect();
  const isSeen = (row) => {
    const at = row.getBoundingClientRect();
    return at.bottom > box.top + 2 && at.top < box.bottom - 2;
  };
  const rows = [...document.querySelectorAll('.log-row')].filter(isSeen);
  if (rows.length === 0 || rows.some((row) => row.matches('.log-wait'))) return null;
  // All of what is seen must be drawn, from the top on.
  const scroll = document.querySelector('.log-scroll');
  const filled = Math.min(box.bottom, box.top + scroll.scrollHeight - scroll.scrollTop) - 40;
  const [first, last] = [rows[0].getBoundingClientRect(), rows.at(-1).getBoundingClientRect()];
  if (first.top > box.top + 2 || last.bottom < filled) return null;
  const told = rows.map((row) => [Number(row.dataset.seq ?? 0), row.querySelector('.log-text').textContent]);
  return told.filter(([seq]) => seq > 0);
}"""


def seen(page: Page) -> list[tuple[int, str]]:
    """The rows that are seen now, once all of them have come."""
    return [(seq, text) for seq, text in page.wait_for_function(SEEN).json_value()]


def numbers(page: Page) -> list[int]:
    """The numbers that the agent gave the lines that are seen, which must be whole and follow each other."""
    rows = seen(page)
    ours = [int(found[1]) for _, text in rows if (found := re.search(r"no\. (\d+) ", text))]
    assert ours == list(range(ours[0], ours[0] + len(rows))), "a hole, or a line twice"
    assert [after - before for (before, _), (after, _) in pairwise(rows)] == [1] * (len(rows) - 1)
    return ours


def scroll_to(page: Page, top: float) -> None:
    page.locator(".log-scroll").evaluate("(box, top) => { box.scrollTop = top }", top)
    page.wait_for_function("(top) => Math.abs(document.querySelector('.log-scroll').scrollTop - top) < 2", arg=top)


def until_seen(page: Page, fits: Callable[[list[int]], bool]) -> list[int]:
    """Waits for what is seen to fit."""
    rows: list[int] = []
    for _ in range(PATIENCE_MS // 50):
        rows = numbers(page)
        if fits(rows):
            return rows
        page.wait_for_timeout(50)
    raise AssertionError(f"never seen, the last was {rows[0]} to {rows[-1]}")


def found(page: Page) -> Locator:
    """What the search says."""
    return page.get_by_role("toolbar", name="Log").get_by_role("status")


@pytest.fixture(scope="module")
def ended(assay: Command) -> str:
    """A test that has printed all of its lines."""
    ran = assay("submit", assay.file("prints.py", PRINTS), "-q", "x", "--follow", "--json")
    assert ran.code == 0, ran.err
    test_id: str = ran.objects[0]["test"]["id"]
    return test_id


@contextmanager
def growing(assay: Command) -> Iterator[str]:
    """A test that prints until it is cancelled."""
    test_id = assay("submit", assay.file("grows.py", GROWS), "-q", "x").out.strip()
    try:
        yield test_id
    finally:
        assay("cancel", test_id)


@contextmanager
def at_log(browser: Browser, server: LocalMode, test_id: str, query: str = "") -> Iterator[tuple[Page, Watched]]:
    allowed = ["clipboard-read", "clipboard-write"]
    with signed_in(browser, server, f"/tests/{test_id}/log{query}", permissions=allowed) as there:
        expect(there[0].locator(".log-text").first).to_be_visible()
        yield there


def test_every_place_of_a_long_log_opens_and_has_no_holes(browser: Browser, server: LocalMode, ended: str) -> None:
    with at_log(browser, server, ended) as (page, _):
        expect(page.get_by_text(f"{LINES:,} lines, complete.")).to_be_visible()
        assert numbers(page)[0] == 1
        # Row by row over the borders of pages, then all over the log.
        known: set[int] = set()
        for step in range(60):
            scroll_to(page, step * 500)
            known.update(numbers(page))
        assert known == set(range(1, max(known) + 1))
        assert max(known) > 1_500
        height = page.locator(".log-scroll").evaluate("(box) => box.scrollHeight - box.clientHeight")
        for share in (0.99, 0.01, 0.5, 0.123, 0.77, 0.333):
            scroll_to(page, height * share)
            assert abs(numbers(page)[0] - share * LINES) < 100
        assert page.locator(".log-row").count() < 200, "the page holds what is seen and not the log"
        page.locator(".log-scroll").focus()
        page.keyboard.press("End")
        until_seen(page, lambda rows: rows[-1] == LINES)
        page.keyboard.press("g")
        page.keyboard.press("g")
        until_seen(page, lambda rows: rows[0] == 1)
        page.keyboard.press("Shift+G")
        until_seen(page, lambda rows: rows[-1] == LINES)


def test_a_link_opens_at_its_lines_which_are_copied_without_numbers(
    browser: Browser, server: LocalMode, ended: str
) -> None:
    with at_log(browser, server, ended, "?line=60010-60012") as (page, _):
        until_seen(page, lambda rows: 60_010 in rows)
        expect(page.locator(".log-marked")).to_have_count(3)
        page.get_by_role("button", name="Copy lines").click()
        expect(page.get_by_text("Copied.")).to_be_visible()
        lines = page.evaluate("navigator.clipboard.readText()").split("\n")
        first = int(lines[0].split()[1])
        assert [line.split()[1] for line in lines] == [str(n) for n in range(first, first + 3)]
        number = page.locator(".log-number").filter(has_text="60014")
        number.click(modifiers=["Shift"])
        expect(page).to_have_url(re.compile(r"line=60010-60014"))
        expect(page.locator(".log-marked")).to_have_count(5)
        page.reload()
        expect(page.locator(".log-marked")).to_have_count(5)


def test_the_whole_log_is_searched_and_filtered(browser: Browser, server: LocalMode, ended: str) -> None:
    with at_log(browser, server, ended) as (page, _):
        page.locator(".log-scroll").focus()
        page.keyboard.press("e")
        until_seen(page, lambda rows: 70_123 in rows)
        expect(page.get_by_text("it broke", exact=True)).not_to_have_css("color", "rgb(33, 37, 41)")
        page.keyboard.press("/")
        page.keyboard.type("NEEDLE")
        expect(found(page)).to_have_text("72 of 99 lines")
        page.locator(".log-scroll").focus()
        before = found(page).inner_text()
        page.keyboard.press("n")
        expect(found(page)).not_to_have_text(before)
        page.keyboard.press("Shift+N")
        expect(found(page)).to_have_text(before)
        expect(page.locator(".log-current mark")).to_have_text("needle")
        page.get_by_label("Only matches").check()
        expect(page.get_by_text("99 lines shown")).to_be_visible()
        assert {text.split()[2] for _, text in seen(page)} == {"needle"}
        page.reload()
        expect(page.get_by_text("99 lines shown")).to_be_visible()
        page.get_by_label("Only matches").uncheck()
        page.get_by_label("Search in the whole log").fill("")
        page.get_by_label("Levels").select_option(label="Error and above")
        expect(page.get_by_text("1 line shown")).to_be_visible()


def test_a_huge_line_is_folded(browser: Browser, server: LocalMode, ended: str) -> None:
    with at_log(browser, server, ended, "?line=50000") as (page, _):
        until_seen(page, lambda rows: 50_000 in rows)
        page.get_by_role("button", name=re.compile("show .* KiB more")).click()
        expect(page.get_by_text("x" * 5_000)).to_be_visible()


def test_a_log_that_grows_is_followed_left_searched_and_gone_on_with_after_the_console_was_away(
    browser: Browser, server: LocalMode, assay: Command
) -> None:
    with growing(assay) as test_id, signed_in(browser, server, f"/tests/{test_id}/log") as (page, watched):
        first = until_seen(page, lambda rows: rows[-1] > 20_000)
        until_seen(page, lambda rows: rows[-1] > first[-1] + 30)
        # Left by scrolling: what is seen stays, and what is new is counted.
        page.locator(".log-scroll").hover()
        page.mouse.wheel(0, -2_000)
        expect(page.get_by_role("button", name="new line")).to_be_visible()
        page.wait_for_timeout(300)
        there = numbers(page)
        told = page.get_by_role("button", name="new line").inner_text()
        expect(page.get_by_role("button", name="new line")).not_to_have_text(told)
        assert numbers(page) == there
        # The count of a search grows with the log.
        page.keyboard.press("/")
        page.keyboard.type("needle")
        expect(found(page)).to_have_text(re.compile(r"\d+ of \d+ lines"))
        count = found(page).inner_text()
        expect(found(page)).not_to_have_text(count)
        # The console goes away in the middle of the stream and comes back.
        watched.expect("ERR_|status of 50[0-9]|EventSource")
        page.get_by_role("button", name="new line").click()
        last = until_seen(page, lambda rows: len(rows) > 5)[-1]
        os.kill(console_process(server), signal.SIGTERM)
        until_seen(page, lambda rows: rows[0] > last)
        while numbers(page)[0] > last:
            top = page.locator(".log-scroll").evaluate("(box) => box.scrollTop")
            scroll_to(page, top - 400)
        assay("cancel", test_id)
        expect(page.get_by_text("so far, live")).to_have_count(0)


def console_process(server: LocalMode) -> int:
    """The process that serves the page."""
    return int(re.findall(r'"pid": (\d+)', (server.folder / "run" / "console.pid").read_text())[0])
