"""A part of Assay that stands still, as an admin sees it. On a local mode of its own, since others need theirs."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import PATIENCE_MS
from tests.support.console_visitors import signed_in
from tests.support.local_mode import LocalMode, local_mode, skip_without_sandbox

pytestmark = pytest.mark.slow


@pytest.fixture
def own() -> Iterator[LocalMode]:
    """A local mode whose parts may be stopped."""
    skip_without_sandbox()
    with (
        tempfile.TemporaryDirectory(prefix="assay-") as folder,  # a short path, as its sockets need it
        local_mode(Path(folder) / ".assay") as running,
    ):
        yield running


def test_health_says_which_part_stands_still_and_when_it_is_back(browser: Browser, own: LocalMode) -> None:
    nats = int(json.loads((own.folder / "run" / "nats-server.pid").read_text())["pid"])
    with signed_in(browser, own, "/admin/health") as (page, watched):
        watched.expect(r"status of 50\d")
        expect(page.get_by_text("All is well")).to_be_visible()
        os.kill(nats, signal.SIGSTOP)
        try:
            wrong = page.get_by_role("alert").filter(has_text="A part of Assay is down")
            expect(wrong).to_contain_text("nats", ignore_case=True)
            page.goto("/tests")
            expect(page.get_by_role("link", name="A part is down")).to_be_visible()
        finally:
            os.kill(nats, signal.SIGCONT)
        page.get_by_role("link", name="A part is down").click()
        expect(page.get_by_text("All is well")).to_be_visible(timeout=3 * PATIENCE_MS)
