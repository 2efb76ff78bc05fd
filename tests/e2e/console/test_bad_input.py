"""What agents and people write is shown as what it is: text. And whose address it is not is told nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from assay import Assay, Test
from tests.support.browser import Watched
from tests.support.console_pages import go_to, lines_of_the_log, open_part, rows_of, state_of_the_test
from tests.support.console_visitors import new_key, signed_in
from tests.support.held_agents import Gate
from tests.support.local_mode import LocalMode

pytestmark = pytest.mark.slow

HTML = """<img src=x onerror="window.done='html'"><script>window.done='script'</script>"""
BACKWARDS = "invoice\u202etxt.exe"
SHOWN_BACKWARDS = "invoice⟨U+202E⟩txt.exe"
MARKDOWN = f"# Title\n\n[link](javascript:window.done='link') ![](https://elsewhere.example/x.png) {HTML}"
DEEP = f"\n\n{'> ' * 90}deep\n\n{'- ' * 90}deep"
COLOURS = (
    "\x1b[31mred\x1b[0m \x1b]0;another title\x07\x1b]8;;https://elsewhere.example/\x07here\x1b]8;;\x07\x1b[2J plain"
)
HUGE = 100_000
SAYS = f"""
def run(query):
    print({HTML!r})
    print({BACKWARDS!r})
    print({COLOURS!r})
    print("x" * {HUGE})
    for name in ("<b>bold<b>.txt", {BACKWARDS!r}):
        with open("/work/out/" + name, "w") as file:
            file.write("content of " + name)
    if query == "fail":
        raise ValueError({HTML!r} + {BACKWARDS!r})
    return {MARKDOWN + DEEP!r} if query == "markdown" else {{{HTML!r}: [{BACKWARDS!r}, {COLOURS!r}]}}
"""
NOBODYS = "tst_" + "0" * 32


@pytest.fixture(scope="module")
def author(server: LocalMode) -> str:
    """The key of who has such agents."""
    return new_key(server, "author")


@pytest.fixture(scope="module")
def written(server: LocalMode, author: str) -> dict[str, Test]:
    """Tests by their query."""
    with Assay(server.known["address"], author) as client:
        ids = {
            query: client.submit(SAYS, query, name=HTML[:60], labels={"note": BACKWARDS}).id
            for query in ("tree", "markdown", "fail")
        }
        return {query: client.wait(test_id) for query, test_id in ids.items()}


@pytest.fixture
def reader(browser: Browser, server: LocalMode, author: str) -> Iterator[Page]:
    """The author's page. Nothing of what it shows may have run."""
    with signed_in(browser, server, key=author) as (page, _):
        page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
        yield page
        assert page.evaluate("window.done") is None
        assert page.title().startswith("Assay")


def test_an_answer_and_a_name_are_text(reader: Page, written: dict[str, Test]) -> None:
    reader.goto(f"/tests/{written['tree'].id}")
    expect(reader.get_by_role("heading", level=1)).to_contain_text(HTML[:60])
    expect(reader.get_by_role("main")).to_contain_text(SHOWN_BACKWARDS)
    expect(reader.get_by_role("main")).not_to_contain_text("\u202e")
    expect(reader.get_by_role("region", name="Files that were not kept")).to_contain_text("txt.exe")
    answer = reader.get_by_role("region", name="Answer")
    expect(answer).to_contain_text("<script>window.done='script'</script>")
    expect(answer.locator("img, script")).to_have_count(0)
    answer.get_by_text("JSON", exact=True).click()
    expect(answer).to_contain_text("another title")


def test_markdown_of_an_agent_has_neither_scripts_nor_images_from_elsewhere(
    reader: Page, written: dict[str, Test]
) -> None:
    reader.goto(f"/tests/{written['markdown'].id}")
    answer = reader.get_by_role("region", name="Answer")
    expect(answer.get_by_text("Title", exact=True)).to_be_visible()
    expect(answer.locator("img[src^=http], script, a[href^=javascript], [onerror]")).to_have_count(0)
    expect(answer).to_contain_text("link")
    expect(answer.get_by_text("deep").last).to_be_visible()
    assert reader.evaluate("document.documentElement.scrollWidth <= innerWidth")  # nor does it leave the page


def test_the_log_shows_colours_and_nothing_else_of_the_escapes(reader: Page, written: dict[str, Test]) -> None:
    reader.goto(f"/tests/{written['tree'].id}?tab=log")
    lines = lines_of_the_log(reader)
    expect(lines.nth(0)).to_have_text(HTML)
    expect(lines.nth(1)).to_have_text(SHOWN_BACKWARDS)
    expect(lines.nth(2)).to_contain_text(re.compile("red .*here.* plain"))
    expect(lines.nth(2)).not_to_contain_text("another title")
    expect(lines.nth(2).locator("span", has_text="red")).to_have_attribute("style", re.compile("color"))
    expect(lines.nth(2).get_by_role("link")).to_have_count(0)


def test_a_huge_line_is_folded_and_unfolds(reader: Page, written: dict[str, Test]) -> None:
    reader.goto(f"/tests/{written['tree'].id}?tab=log")
    huge = lines_of_the_log(reader).nth(3)
    fold = huge.get_by_role("button", name=re.compile("^show .* more"))
    expect(fold).to_be_visible()
    assert len(huge.inner_text()) < 3_000
    fold.click()
    expect(fold).to_have_count(0)
    assert len(huge.inner_text()) > 10_000


def test_an_error_and_the_names_of_files_are_text(reader: Page, written: dict[str, Test]) -> None:
    reader.goto(f"/tests/{written['fail'].id}")
    expect(reader.get_by_role("alert")).to_contain_text("<script>window.done='script'</script>")
    open_part(reader, "Files")
    files = rows_of(reader, "Left by the agent")
    expect(files).to_have_count(1)
    expect(files).to_contain_text("<b>bold<b>.txt")
    with reader.expect_download() as downloading:
        files.get_by_role("link").click()
    assert downloading.value.path().read_text() == "content of <b>bold<b>.txt"


def test_addresses_that_lead_nowhere_say_so(page: Page, watched: Watched) -> None:
    watched.expect("status of 404")
    for address, says in (
        ("/tests/tst_nonsense", "This is no id of a test"),
        ("/tests/%3Cscript%3Ealert(1)%3C%2Fscript%3E", "This is no id of a test"),
        (f"/tests/{NOBODYS}", "There is no such test among yours"),
        (f"/tests/{NOBODYS}/log", "There is no such test among yours"),
        (f"/compare?a={NOBODYS}&b=tst_{'1' * 32}", f"There is no test {NOBODYS} among yours"),
        ("/no/such/page", "There is no such page"),
    ):
        page.goto(address)
        expect(page.get_by_text(says)).to_be_visible()
        expect(page.get_by_role("navigation", name="Pages", exact=True)).to_be_visible()


def test_another_users_test_is_not_there(browser: Browser, server: LocalMode, written: dict[str, Test]) -> None:
    test_id = written["tree"].id
    with signed_in(browser, server, "/tests", key=new_key(server, "neighbour")) as (page, watched):
        watched.expect("status of 404")
        expect(page.get_by_text("No tests yet")).to_be_visible()
        for address in (f"/tests/{test_id}", f"/tests/{test_id}/log"):
            page.goto(address)
            expect(page.get_by_text("There is no such test among yours")).to_be_visible()
            expect(page.get_by_text("window.done")).to_have_count(0)
        for address in (f"/logs/{test_id}.txt", f"/files/{test_id}/output/x"):
            assert page.evaluate("async (address) => (await fetch(address)).status", address) == 404
        page.goto(f"/submit?again={test_id}")
        expect(page.get_by_text("The older test could not be read")).to_be_visible()


def test_a_file_that_is_no_text_is_refused_by_name(page: Page, tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_bytes(b"\xff\xfe\x00binary")
    go_to(page, "New test")
    # Where a single file can be dropped there is no field for files: the form for several takes one, too.
    page.get_by_text("Several files").click()
    group = page.get_by_role("group", name="Agent", exact=True)
    group.locator("input[type=file]").first.set_input_files(tmp_path / "agent.py")
    expect(group.get_by_role("alert")).to_have_text("agent.py is no text in UTF-8. Hand in Python source.")


@pytest.mark.parametrize("wrong_by", [timedelta(hours=7), timedelta(hours=-7)], ids=["ahead", "behind"])
def test_a_wrong_clock_of_the_browser_makes_no_wrong_times(
    browser: Browser, server: LocalMode, author: str, gate: Gate, wrong_by: timedelta
) -> None:
    with Assay(server.known["address"], author) as client:
        test = client.submit(gate.agent('print("here")'), "clock")
    with signed_in(browser, server, key=author) as (page, _):
        page.clock.install(time=datetime.now(UTC) + wrong_by)
        page.goto(f"/tests/{test.id}")
        expect(state_of_the_test(page)).to_have_text("Running")
        main = page.get_by_role("main")
        expect(main).to_contain_text(re.compile(r"Submitted by you (just now|\d+ s ago)"))
        expect(main).to_contain_text(re.compile(r"Running for \d+ s, \d+ s in all"))
