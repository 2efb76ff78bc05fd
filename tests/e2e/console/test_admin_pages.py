"""What an admin does in the console: look after everything, the queue, keys and limits."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from assay import Assay
from tests.support.browser import visitor
from tests.support.console_pages import go_to, rows_of
from tests.support.local_mode import LocalMode
from tests.support.servers import in_own_loop
from tests.support.until import until

pytestmark = pytest.mark.slow

SERVICES = ("gateway", "scheduler", "orchestrator", "logstreamer", "packager")


@pytest.fixture(scope="module")
def reckoned(sdk: Assay) -> None:
    """A test that ended and that the reports know."""
    test = sdk.run("def run(query): return query", "something to count", agent_id="counted")
    assert test.passed

    def is_in_the_books() -> bool:
        return "counted" in {row.key for row in sdk.admin.costs(by="agent").rows}

    in_own_loop(until(is_in_the_books, timeout=30))


def test_health_names_all_that_works(page: Page) -> None:
    go_to(page, "Health")
    dependencies = rows_of(page, "Dependencies")
    for name in ("MongoDB", "NATS"):
        expect(dependencies.filter(has_text=re.compile(name, re.IGNORECASE))).to_contain_text("Works")
    services = page.get_by_role("region", name="Services")
    for service in SERVICES:
        expect(services.get_by_role("heading", name=service, exact=True)).to_be_visible()
        expect(rows_of(page, f"Replicas of {service}")).to_have_count(1)


def test_usage_and_cost_show_what_ran(page: Page, reckoned: None) -> None:
    go_to(page, "Usage")
    expect(rows_of(page, "Usage by step; steps without any test are left out")).to_have_count(1)
    page.get_by_text("By hour").click()
    expect(page).to_have_url(re.compile("by=hour"))
    expect(page.get_by_role("columnheader", name="Hour (UTC)")).to_be_visible()
    go_to(page, "Cost")
    page.get_by_label("Rows").select_option("By agent")
    expect(rows_of(page, "Cost by agent").filter(has_text="counted")).to_have_count(1)


def test_the_queue_is_resized_paused_with_a_reason_and_resumed(page: Page, user_page: Page, sdk: Assay) -> None:
    before = sdk.queue_status().capacity
    user_page.goto("/queue")
    go_to(page, "Queue")
    field = page.get_by_label("Tests that run at once")
    try:
        field.fill(str(before + 3))
        page.get_by_role("button", name="Set capacity").click()
        for one in (page, user_page):
            expect(one.get_by_text(re.compile(rf"^\d+ of {before + 3}$"))).to_be_visible()
        page.get_by_role("button", name="Pause…").click()
        page.get_by_label("Why").fill("new disks <b>tonight</b>")
        page.get_by_role("button", name="Pause", exact=True).click()
        for one in (page, user_page):
            expect(one.get_by_role("alert").filter(has_text="The queue is paused")).to_contain_text("<b>tonight</b>")
        page.get_by_role("button", name="Resume").click()
        for one in (page, user_page):
            expect(one.get_by_text("The queue is paused")).to_have_count(0)
        expect(user_page.get_by_role("button", name="Pause…")).to_have_count(0)
    finally:
        sdk.admin.resume_queue()
        sdk.admin.set_capacity(before)


def test_a_key_is_shown_once_signs_in_and_when_it_is_revoked_its_user_is_out(
    browser: Browser, server: LocalMode, page: Page
) -> None:
    go_to(page, "Keys")
    page.get_by_role("button", name="New key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("User").fill("key-holder")
    dialog.get_by_label("Name").fill("for a moment")
    dialog.get_by_role("button", name="Make the key").click()
    secret = dialog.get_by_label("The new key").inner_text().strip()
    dialog.get_by_role("button", name="Done").click()
    expect(dialog).to_have_count(0)
    row = rows_of(page, "API keys").filter(has_text="for a moment")
    expect(row).to_contain_text("never")
    assert secret not in page.content()

    with visitor(browser, server.known["console"]) as (other, watched):
        watched.expect("status of 401")
        other.goto("/queue")
        other.get_by_label("API key").fill(secret)
        other.get_by_role("button", name="Sign in").click()
        expect(other.get_by_role("heading", name="Queue")).to_be_visible()
        row.get_by_role("button", name="Revoke for a moment of key-holder").click()
        page.get_by_role("dialog").get_by_role("button", name="Revoke", exact=True).click()
        expect(row).to_have_count(0)
        expect(other.get_by_role("heading", name="Sign in to Assay")).to_be_visible()
        expect(other.get_by_role("navigation", name="Pages", exact=True)).to_have_count(0)
    page.get_by_role("switch", name="Ended ones, too").check()
    expect(row).to_contain_text("Revoked")


def test_limits_are_set_and_taken_back(page: Page) -> None:
    go_to(page, "Limits")
    page.get_by_role("combobox", name="User").fill("limited")
    page.get_by_role("button", name="Show").click()
    field = page.get_by_label("Submissions in any 60 minutes, set for limited")
    row = rows_of(page, "Limits of limited").filter(has_text="Submissions in any 60 minutes")
    before = row.get_by_role("cell").nth(1).inner_text()
    field.fill("7")
    page.get_by_role("button", name="Save").click()
    expect(row.get_by_role("cell").nth(1)).to_have_text("7")
    page.reload()
    expect(field).to_have_value("7")
    field.fill("")
    page.get_by_role("button", name="Save").click()
    expect(row.get_by_role("cell").nth(1)).to_have_text(before)


def test_without_dead_letters_the_page_says_so(page: Page) -> None:
    go_to(page, "Dead letters")
    expect(page.get_by_text("There are no dead letters")).to_be_visible()
    expect(page.get_by_role("button", name="Send all again…")).to_be_disabled()


def test_the_addresses_of_these_pages_tell_others_nothing(user_page: Page) -> None:
    for address in ("health", "usage", "cost", "limits", "keys", "dead-letters"):
        user_page.goto(f"/admin/{address}")
        expect(user_page.get_by_text("This page is for admins")).to_be_visible()
