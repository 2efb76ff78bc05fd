"""What tests with a browser do again and again on the pages of the console."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect


def write_code(page: Page, code: str) -> None:
    """Puts code into the editor of the submit page, in the place of what is there."""
    editor = page.get_by_role("textbox", name="Agent code")
    expect(editor).to_have_attribute("contenteditable", "true")  # the editor, and not the field in its place
    editor.click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(code)


def run_test(page: Page, code: str, query: str) -> str:
    """Hands in an agent by the form, from wherever the page is, and comes to the page of its test. Gives its id."""
    go_to(page, "New test")
    write_code(page, code)
    page.get_by_label("Query", exact=True).fill(query)
    page.get_by_role("button", name="Run test").click()
    return id_of_the_test(page)


def id_of_the_test(page: Page, other_than: str = "") -> str:
    """The id in the address, when the page of a test (other than that one) is there."""
    page.wait_for_url(lambda url: "/tests/tst_" in url and (not other_than or other_than not in url))
    return page.url.partition("/tests/")[2].partition("?")[0]


def lines_of_the_log(page: Page) -> Locator:
    """The lines on show."""
    return page.get_by_role("region", name="Lines of the log").locator(".log-text")


def state_of_the_test(page: Page) -> Locator:
    """The word for the state, in the heading of the page of a test."""
    return page.get_by_role("heading", level=1).get_by_role("status")


def open_part(page: Page, name: str) -> None:
    """Opens a part of the page of a test."""
    page.get_by_role("tab", name=name).click()
    expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")


def rows_of(page: Page, table: str) -> Locator:
    """The rows of the table with that name, without its head."""
    return page.get_by_role("table", name=table, exact=True).locator("tbody").get_by_role("row")


def go_to(page: Page, name: str) -> None:
    """Goes to a page by the navigation, and waits for its heading."""
    page.get_by_role("navigation", name="Pages", exact=True).get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
