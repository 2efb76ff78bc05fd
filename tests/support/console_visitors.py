"""The console of a local mode, and people who are signed in to it, for tests with a browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from assay.console_link import Console, sign_in_link
from deploy.local.console import PAGE
from shared.clock import SystemClock
from shared.ids import UserId
from shared.store.connect import connected
from shared.store.keys import ApiKeys, new_secret
from tests.support.browser import PATIENCE_MS, Watched, visitor
from tests.support.local_mode import LocalMode
from tests.support.servers import in_own_loop

expect.set_options(timeout=PATIENCE_MS)


def skip_without_page() -> None:
    """Skips the test where the page could not be built."""
    if not PAGE.exists():
        pytest.skip("the page of the console is not built (make page says why)")


def new_key(server: LocalMode, user: str, *, role: str = "user") -> str:
    """A new API key of this user, from plain code."""
    return in_own_loop(_new_key(server.mongo_url, user, role))


async def _new_key(mongo_url: str, user: str, role: str) -> str:
    secret = new_secret()
    async with connected(mongo_url, "assay", service="test") as database:
        await ApiKeys(database).add(secret, user=UserId(user), role=role, now=SystemClock().now())
    return secret


def link(server: LocalMode, to: str = "/", *, key: str = "") -> str:
    """An address that signs in whoever has the key (default: the developer, who is an admin), and leads there."""
    known = server.known
    return sign_in_link(Console(known["console"], key or known["api_key"], known["console_socket"]), to)


@contextmanager
def signed_in(
    browser: Browser, server: LocalMode, to: str = "/", *, key: str = "", **options: Any
) -> Iterator[tuple[Page, Watched]]:
    """A page of somebody who is signed in, at the path `to`. Fails at the end where the browser complained."""
    with visitor(browser, server.known["console"], **options) as (page, watched):
        page.goto(link(server, to, key=key))
        yield page, watched
