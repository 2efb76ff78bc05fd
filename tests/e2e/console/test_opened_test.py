from playwright.sync_api import Browser, expect

from tests.support.browser import visitor
from tests.support.local_mode import Command, LocalMode

AGENT = """
def run(query):
    print("thinking about <b>it</b>")
    return {"echo": query}
"""


def test_assay_open_last_shows_the_newest_test_with_its_answer_and_its_log(
    browser: Browser, server: LocalMode, assay: Command
) -> None:
    assay.file("opened.py", AGENT)
    submitted = assay("submit", "opened.py", "-q", "what a query", "--follow", "--json")
    assert submitted.code == 0, submitted.err
    opened = assay("open", "last", "--print")
    assert (opened.code, opened.err) == (0, "")
    with visitor(browser, server.known["console"]) as (page, _):
        page.goto(opened.out.strip())
        test_id = assay("get", "last", "--json").json["id"]
        expect(page).to_have_url(f"{server.known['console']}/tests/{test_id}")
        expect(page.get_by_role("region", name="Answer")).to_contain_text("what a query")
        page.get_by_role("tab", name="Log").click()
        expect(page.get_by_text("thinking about <b>it</b>").first).to_be_visible()
