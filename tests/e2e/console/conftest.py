"""A browser for each module, and pages of people at the console of the local mode that all end-to-end tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from assay import Assay
from tests.support.browser import NoBrowser, Watched, visitor
from tests.support.browser import browser as a_browser
from tests.support.console_visitors import new_key, signed_in, skip_without_page
from tests.support.held_agents import Gate
from tests.support.held_agents import gate as a_gate
from tests.support.local_mode import LocalMode


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; skips where there is none."""
    skip_without_page()
    try:
        with a_browser() as started:
            yield started
    except NoBrowser as reason:
        pytest.skip(str(reason))


@pytest.fixture
def developer(browser: Browser, server: LocalMode) -> Iterator[tuple[Page, Watched]]:
    """A page of the developer, who is an admin."""
    with signed_in(browser, server) as there:
        yield there


@pytest.fixture
def page(developer: tuple[Page, Watched]) -> Page:
    """The page of the developer. The test fails when the browser complains about anything."""
    return developer[0]


@pytest.fixture
def watched(developer: tuple[Page, Watched]) -> Watched:
    """What the browser of `page` complains about; a test that provokes a complaint expects it here."""
    return developer[1]


@pytest.fixture
def user_page(browser: Browser, server: LocalMode) -> Iterator[Page]:
    """A page of an ordinary user."""
    with signed_in(browser, server, key=new_key(server, "ordinary")) as (page, _):
        yield page


@pytest.fixture
def stranger(browser: Browser, server: LocalMode) -> Iterator[tuple[Page, Watched]]:
    """A page of somebody who is not signed in."""
    with visitor(browser, server.known["console"]) as there:
        yield there


@pytest.fixture
def gate(gate_port: int) -> Iterator[Gate]:
    """Where agents of this test wait until it lets them go on."""
    with a_gate(gate_port) as made:
        yield made


@pytest.fixture(scope="module")
def sdk(server: LocalMode) -> Iterator[Assay]:
    """The SDK as the developer, for what has to be there before somebody looks."""
    with Assay(server.known["address"], server.known["api_key"]) as client:
        yield client
