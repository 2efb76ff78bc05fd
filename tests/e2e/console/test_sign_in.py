import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from playwright.sync_api import Browser, Page, expect

from tests.support.browser import Watched
from tests.support.console_visitors import link, new_key
from tests.support.local_mode import LocalMode


def test_a_link_of_assay_open_signs_in_and_its_code_is_gone_from_the_address(page: Page, server: LocalMode) -> None:
    expect(page).to_have_url(f"{server.known['console']}/tests")
    expect(page.get_by_role("navigation", name="Pages", exact=True)).to_be_visible()
    assert page.evaluate("document.cookie") == "", "no script can read the session"


def test_a_key_signs_in_where_nobody_is(stranger: tuple[Page, Watched], server: LocalMode) -> None:
    page, watched = stranger
    watched.expect("status of 401")
    page.goto("/queue")
    page.get_by_label("API key").fill("assay_wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("API key").fill(server.known["api_key"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("navigation", name="Pages", exact=True)).to_be_visible()
    expect(page).to_have_url(f"{server.known['console']}/queue")


def test_no_other_port_of_this_machine_is_sent_the_session(page: Page, watched: Watched, server: LocalMode) -> None:
    cookies: list[str] = []

    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            cookies.append(self.headers.get("cookie", ""))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    expect(page.get_by_role("navigation", name="Pages", exact=True)).to_be_visible()
    with HTTPServer(("127.0.0.1", 0), Stranger) as stranger:
        thread = threading.Thread(target=stranger.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            for name in ("127.0.0.1", "localhost"):
                watched.expect(f"http://{name}:{stranger.server_port}/")
                page.goto(f"http://{name}:{stranger.server_port}/")
        finally:
            stranger.shutdown()
            thread.join()
    assert set(cookies) == {""}


def test_an_ordinary_user_is_shown_no_administration(user_page: Page, page: Page) -> None:
    expect(page.get_by_role("navigation", name="Pages", exact=True).get_by_text("Health")).to_be_visible()
    expect(user_page.get_by_role("navigation", name="Pages", exact=True).get_by_text("Queue")).to_be_visible()
    expect(user_page.get_by_role("navigation", name="Pages", exact=True).get_by_text("Health")).to_have_count(0)


def test_a_link_that_was_used_says_so(browser: Browser, stranger: tuple[Page, Watched], server: LocalMode) -> None:
    page, watched = stranger
    watched.expect("status of 401")
    used = link(server, key=new_key(server, "somebody"))
    with browser.new_context() as other:
        other.new_page().goto(used)
    page.goto(used)
    expect(page.get_by_role("alert")).to_contain_text("This link was used before")
    expect(page.get_by_label("API key")).to_be_visible()
