"""What people come to the console for, from the form to the package."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from assay.verify import verify_package
from tests.e2e.conftest import EXAMPLES
from tests.support.browser import Watched
from tests.support.console_pages import (
    go_to,
    id_of_the_test,
    lines_of_the_log,
    open_part,
    run_test,
    state_of_the_test,
    write_code,
)
from tests.support.held_agents import Gate

pytestmark = pytest.mark.slow


def test_an_agent_is_handed_in_watched_and_leaves_as_a_package(page: Page, gate: Gate, tmp_path: Path) -> None:
    code = gate.agent('print("on it:", query, flush=True)', 'return {"heard": query}')
    test_id = run_test(page, code, "what is new?")

    expect(lines_of_the_log(page)).to_have_text(["on it: what is new?"])
    expect(state_of_the_test(page)).to_have_text("Running")
    gate.open()
    expect(state_of_the_test(page)).to_have_text("Passed")
    page.get_by_role("button", name="Show the answer").click()
    expect(page.get_by_role("region", name="Answer")).to_contain_text("what is new?")

    page.get_by_role("button", name="Package", exact=True).click()
    page.get_by_label("Name of the service").fill("from-the-console")
    page.get_by_role("button", name="Make the package").click()
    with page.expect_download() as downloading:
        page.get_by_role("link", name=re.compile("^Download")).click()
    file = tmp_path / downloading.value.suggested_filename
    downloading.value.save_as(file)
    sha256 = page.get_by_text("SHA-256 ").first.inner_text().removeprefix("SHA-256 ")
    verified = verify_package(file, sha256=sha256)
    assert (verified.problems, verified.manifest["service_name"]) == ([], "from-the-console")
    with zipfile.ZipFile(file) as archive:
        assert archive.read("from-the-console/agent.py").decode() == code
    expect(page.get_by_text("Downloaded 1 time")).to_be_visible()
    assert test_id in page.url

    go_to(page, "Packages")
    row = page.get_by_role("table", name="Packages").get_by_role("row").filter(has_text="from-the-console")
    expect(row).to_contain_text("ready")
    row.get_by_role("link", name="from-the-console", exact=True).click()
    expect(page.get_by_text("Downloaded 1 time")).to_be_visible()
    assert test_id in page.url


def test_a_runaway_is_cancelled_and_the_page_says_what_came_of_it(page: Page, gate: Gate) -> None:
    run_test(page, gate.agent('print("round and round", flush=True)'), "for ever")
    expect(lines_of_the_log(page)).to_have_text(["round and round"])
    page.get_by_role("button", name="Cancel", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("it goes in circles")
    dialog.get_by_role("button", name="Cancel the test").click()
    expect(dialog).to_have_count(0)  # it closes by itself when the test has ended
    expect(state_of_the_test(page)).to_have_text("Cancelled")
    expect(page.get_by_text("Cancelled by you: it goes in circles")).to_be_visible()
    log = page.get_by_role("region", name="Log", exact=True)
    expect(log).to_contain_text("The test was cancelled: stopping the agent.")
    expect(log).to_contain_text("lines, complete.")


def test_a_failure_is_explained_and_another_query_tried(page: Page) -> None:
    code = 'def run(query):\n    if "cake" in query:\n        raise ValueError("no cake today")\n    return query\n'
    first = run_test(page, code, "a cake")
    page.get_by_role("button", name="Show the failure").or_(page.get_by_role("tab", name="Failure")).first.click()
    panel = page.get_by_role("tabpanel")
    expect(panel.get_by_role("alert")).to_contain_text("no cake today")
    expect(panel.get_by_text("AGENT_EXCEPTION")).to_be_visible()
    expect(panel.get_by_text("What to do:")).to_be_visible()
    expect(panel.get_by_label("Traceback")).to_contain_text('File "/work/agent.py", line 3, in run')

    page.get_by_role("button", name="Retry", exact=True).click()
    page.get_by_role("dialog").get_by_label("Query").fill("a soup")
    page.get_by_role("dialog").get_by_role("button", name="Retry with this query").click()
    second = id_of_the_test(page, other_than=first)
    expect(state_of_the_test(page)).to_have_text("Passed")
    open_part(page, "History")
    chain = page.get_by_role("table", name="Retries").get_by_role("row")
    expect(chain).to_have_count(3)
    expect(chain.nth(1)).to_contain_text(re.compile("Original.*Failed.*a cake"))
    expect(chain.nth(2)).to_contain_text(re.compile(r"Retry 1 \(this one\).*Passed.*a soup"))
    chain.nth(1).get_by_role("link", name="Original", exact=True).click()
    assert id_of_the_test(page, other_than=second) == first

    page.get_by_role("link", name="Edit and run again").click()
    expect(page.get_by_label("Query", exact=True)).to_have_value("a cake")
    expect(page.get_by_role("textbox", name="Agent code")).to_contain_text("no cake today")


def test_a_comparison_follows_the_test_that_still_runs(page: Page, gate: Gate) -> None:
    first = run_test(page, "def run(query):\n    print('the same line')\n    return 'a quick answer'\n", "which?")
    expect(state_of_the_test(page)).to_have_text("Passed")
    second = run_test(
        page, gate.agent("print('the same line', flush=True)", "print('at last'); return 'a late answer'"), "which?"
    )
    expect(lines_of_the_log(page)).to_have_text(["the same line"])
    page.goto(f"/compare?a={first}&b={second}")
    card = page.get_by_role("region", name="Second test")
    expect(card).to_contain_text("Running")
    log = page.get_by_role("region", name="Log", exact=True)
    expect(log).to_contain_text("Both are the same.")
    gate.open()
    expect(card).to_contain_text("Passed")
    expect(log).to_contain_text("at last")
    expect(page.get_by_role("region", name="Answer", exact=True)).to_contain_text("a late answer")


def test_several_files_are_dropped_and_run(page: Page, tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text("from tables import PRICES\n\ndef run(query):\n    return PRICES[query]\n")
    (tmp_path / "tables.py").write_text('PRICES = {"tea": 3.2}\n')
    go_to(page, "New test")
    page.get_by_text("Several files").click()
    group = page.get_by_role("group", name="Agent", exact=True)
    group.locator("input[type=file]").first.set_input_files([tmp_path / "agent.py", tmp_path / "tables.py"])
    expect(group.get_by_role("listitem")).to_have_count(2)
    page.get_by_label("Query", exact=True).fill("tea")
    page.get_by_role("button", name="Run test").click()
    id_of_the_test(page)
    expect(state_of_the_test(page)).to_have_text("Passed")
    open_part(page, "Answer")
    expect(page.get_by_role("tabpanel")).to_contain_text("3.2")
    open_part(page, "Files")
    expect(page.get_by_role("table", name="Project").get_by_role("row")).to_have_count(3)
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download tables.py").click()
    assert downloading.value.path().read_bytes() == (tmp_path / "tables.py").read_bytes()


def test_what_is_wrong_is_said_at_its_field_and_nothing_is_lost(page: Page, watched: Watched) -> None:
    watched.expect("status of 400.*SubmitTest")
    go_to(page, "New test")
    page.get_by_label("Query", exact=True).fill("asked first")
    page.get_by_role("button", name="Run test").click()
    editor = page.get_by_role("textbox", name="Agent code")
    expect(editor).to_have_attribute("aria-invalid", "true")
    write_code(page, (EXAMPLES / "plain_function.py").read_text("utf-8"))
    page.get_by_role("button", name="Check only").click()
    expect(page.get_by_text("Nothing was found that speaks against this test.")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Query", exact=True)).to_have_value("asked first")
    expect(page.get_by_role("textbox", name="Agent code")).to_contain_text("def run")


def test_who_writes_before_the_editor_is_loaded_goes_on_in_it(page: Page) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(re.compile("/assets/CodeMirrorEditor-"), hold)
    go_to(page, "New test")
    field = page.get_by_role("textbox", name="Agent code")
    field.click()
    page.keyboard.type("def run(query): ")
    for route in held:
        route.continue_()
    expect(field).to_have_attribute("contenteditable", "true")
    expect(field).to_be_focused()
    page.keyboard.type("return 1")
    expect(field).to_have_text("def run(query): return 1")
