"""One fleet for all tests that kill a part of it, and start that part again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.fleet import Fleet, running_fleet
from tests.support.local_mode import skip_without_sandbox


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Five services, a nats-server and a mongod; skips where the machine cannot run sandboxes."""
    skip_without_sandbox()
    with running_fleet(tmp_path_factory.mktemp("fleet")) as running:
        yield running
