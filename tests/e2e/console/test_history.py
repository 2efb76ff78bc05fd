"""The list of tests: what the address says, pages, what comes while somebody reads, and what is done with the list."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from assay import Assay, Test, TestState
from tests.support.console_pages import rows_of
from tests.support.console_visitors import new_key, signed_in
from tests.support.held_agents import Gate
from tests.support.local_mode import LocalMode

pytestmark = pytest.mark.slow

PAGE_SIZE = 25
CALLED_OFF = 26
"""Tests that are cancelled before they begin: a list of more than one page, and no agent has to run for it."""


@dataclass
class Past:
    """Somebody with tests of their own."""

    key: str
    client: Assay

    def ids(self, *states: TestState) -> set[str]:
        return {test.id for test in self.client.list(states=states)}


@pytest.fixture(scope="module")
def past(server: LocalMode, sdk: Assay) -> Iterator[Past]:
    """One test that passed, one that failed, and many that were cancelled."""
    key = new_key(server, "historian")
    with Assay(server.known["address"], key) as client:
        called_off(sdk, client, CALLED_OFF)
        client.run('def run(query):\n    raise LookupError("lost")', "a red herring", name="the bad one")
        client.run("def run(query): return query", "a blue whale", name="the good one", labels={"team": "sea"})
        yield Past(key, client)


def called_off(admin: Assay, client: Assay, number: int) -> None:
    """Has so many tests of `client` cancelled while they wait."""
    admin.admin.pause_queue("tests are made that never run")
    try:
        waiting = [client.submit("def run(query): return query", "idle", name="called off") for _ in range(number)]
        for test in waiting:
            client.cancel(test.id)
    finally:
        admin.admin.resume_queue()


@pytest.fixture
def history(browser: Browser, server: LocalMode, past: Past) -> Iterator[Page]:
    """Their list of tests."""
    with signed_in(browser, server, "/tests", key=past.key) as (page, _):
        expect(listed(page)).to_have_count(PAGE_SIZE)
        yield page


def listed(page: Page) -> Locator:
    return rows_of(page, "Tests")


def first_ids(page: Page) -> list[str]:
    """Ids of the tests on show, from their links."""
    links = listed(page).get_by_role("link").and_(page.locator('[href^="/tests/"]'))
    return [str(link.get_attribute("href")).removeprefix("/tests/") for link in links.all()]


def test_filters_are_in_the_address_and_there_again_after_a_reload(history: Page) -> None:
    words = history.get_by_label("Words in name or query", exact=True)
    words.fill("WHALE")
    expect(listed(history)).to_have_count(1)
    expect(history).to_have_url(re.compile(r"[?&]text=WHALE"))
    history.get_by_role("button", name="Filters").click()
    history.get_by_role("combobox", name="Labels").fill("team=sea")
    history.keyboard.press("Enter")
    expect(history).to_have_url(re.compile("label=.*sea"))
    history.reload()
    expect(words).to_have_value("WHALE")
    expect(listed(history)).to_have_count(1)
    expect(listed(history)).to_contain_text("the good one")
    words.fill("herring")
    expect(history.get_by_text("No test fits these filters")).to_be_visible()
    history.get_by_role("button", name="Clear all filters").click()
    expect(listed(history)).to_have_count(PAGE_SIZE)

    history.get_by_role("group", name="States").get_by_text("Failed or cancelled").click()
    expect(history).to_have_url(re.compile("state=.*failed"))
    history.get_by_label("Failure code", exact=True).fill("agent_exception")
    expect(listed(history)).to_have_count(1)
    expect(listed(history)).to_contain_text("AGENT_EXCEPTION: LookupError: lost")
    history.reload()
    expect(listed(history)).to_contain_text("the bad one")
    expect(history.get_by_label("Failure code", exact=True)).to_have_value("AGENT_EXCEPTION")
    history.goto("/tests?order=nonsense&state=none&text=whale")
    expect(listed(history)).to_have_count(1)


def test_pages_go_forth_and_back_and_show_every_test_once(history: Page, past: Past) -> None:
    everything = past.ids()
    first = first_ids(history)
    history.get_by_role("button", name="Next").click()
    expect(listed(history)).to_have_count(len(everything) - PAGE_SIZE)
    second = first_ids(history)
    assert set(first) | set(second) == everything
    expect(history.get_by_role("button", name="Next")).to_be_disabled()
    history.reload()
    expect(listed(history)).to_have_count(len(second))
    history.go_back()
    expect(listed(history)).to_have_count(PAGE_SIZE)
    history.go_forward()
    expect(listed(history)).to_have_count(len(second))
    history.get_by_role("button", name="Previous").click()
    expect(listed(history)).to_have_count(PAGE_SIZE)
    assert first_ids(history) == first


def test_what_comes_is_counted_and_moves_no_row(history: Page, past: Past, gate: Gate) -> None:
    before = first_ids(history)
    new = past.client.submit(gate.agent('print("here")'), "fresh", name="a newcomer")
    shown = history.get_by_role("button", name="1 new test: show")
    expect(shown).to_be_visible()
    assert first_ids(history) == before
    shown.click()
    row = listed(history).first
    expect(row).to_contain_text("a newcomer")
    expect(row).to_contain_text("Running")
    assert first_ids(history)[:2] == [new.id, before[0]]
    gate.open()
    expect(row).to_contain_text("Passed")
    assert first_ids(history)[:2] == [new.id, before[0]]


def test_two_tests_are_compared(history: Page, past: Past) -> None:
    compare = history.get_by_role("button", name="Compare two")
    expect(compare).to_be_disabled()
    for name in ("the good one", "the bad one"):
        listed(history).filter(has_text=name).get_by_role("checkbox").check()
    compare.click()
    expect(history.get_by_role("heading", name="Compare two tests")).to_be_visible()
    expect(history.get_by_role("region", name="First test")).to_contain_text(re.compile("the bad one.*Failed"))
    expect(history.get_by_role("region", name="Second test")).to_contain_text(re.compile("the good one.*Passed"))
    expect(history.get_by_role("main")).to_contain_text("a blue whale")


def test_the_export_has_every_row_of_the_filter(history: Page, past: Past) -> None:
    history.get_by_role("group", name="States").get_by_text("Failed or cancelled").click()
    expect(history).to_have_url(re.compile("state=.*failed"))
    history.get_by_role("button", name="Export").click()
    with history.expect_download() as downloading:
        history.get_by_role("menuitem", name="This list as CSV").click()
    assert downloading.value.suggested_filename == "tests.csv"
    with downloading.value.path().open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == CALLED_OFF + 1
    assert {row["id"] for row in rows} == past.ids(TestState.FAILED)


def test_old_tests_are_counted_before_they_are_put_away(browser: Browser, server: LocalMode, sdk: Assay) -> None:
    key = new_key(server, "archivist")
    with Assay(server.known["address"], key) as client:
        called_off(sdk, client, 3)
        with signed_in(browser, server, "/tests", key=key) as (page, _):
            expect(listed(page)).to_have_count(3)
            page.get_by_role("button", name="Archive…").click()
            dialog = page.get_by_role("dialog")
            expect(dialog).to_contain_text("No test ended that long ago")
            expect(dialog.get_by_role("button", name="Archive", exact=True)).to_be_disabled()
            dialog.get_by_label("Ended at least so many days ago").fill("0")
            expect(dialog).to_contain_text("3 tests would be archived")
            dialog.get_by_role("button", name="Archive 3 tests").click()
            expect(dialog).to_contain_text("3 tests were archived.")
            dialog.get_by_role("button", name="Done").click()
            expect(page.get_by_text("No tests yet")).to_be_visible()
        archived: list[Test] = list(client.list(states=[TestState.ARCHIVED]))
    assert len(archived) == 3
