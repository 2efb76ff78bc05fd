"""One local mode for all end-to-end tests that do not stop it: started when the first one asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from assay import AsyncAssay
from shared.clock import SystemClock
from shared.ids import UserId
from shared.store.connect import connected
from shared.store.keys import ApiKeys, new_secret
from tests.support.local_mode import Command, LocalMode, local_mode, skip_without_sandbox
from tests.support.servers import free_port

EXAMPLES = Path(__file__).parents[2] / "examples"
PICKY = """def run(query):
    if "cake" in query:
        raise ValueError("no cake today")
    return {"served": query}
"""


@pytest.fixture(scope="session")
def model_port() -> int:
    """A port of this machine that tests may ask for."""
    return free_port()


@pytest.fixture(scope="session")
def gate_port() -> int:
    """A port of this machine that every test reaches: where agents wait (tests/support/held_agents.py)."""
    return free_port()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, model_port: int, gate_port: int) -> Iterator[LocalMode]:
    """Local mode with real sandboxes; skips where the machine has none."""
    skip_without_sandbox()
    settings = {
        "ASSAY_PROCESS_ISOLATION": "required",
        "ASSAY_PROCESS_ALLOW_HOSTS": f"127.0.0.1:{model_port}",
        "ASSAY_PROCESS_EGRESS_ALLOW": f"127.0.0.1:{gate_port}",
    }
    with local_mode(tmp_path_factory.mktemp("user") / ".assay", **settings) as running:
        yield running


@pytest.fixture(scope="session")
def assay(server: LocalMode) -> Command:
    """The command, in the folder where that server was started."""
    return Command(server.folder.parent)


@pytest.fixture
def picky(assay: Command) -> Path:
    """An agent that fails for some queries."""
    return assay.file("picky.py", PICKY)


@pytest.fixture
async def client(server: LocalMode) -> AsyncIterator[AsyncAssay]:
    """The SDK as the developer, who is an admin."""
    async with AsyncAssay(server.known["address"], server.known["api_key"]) as connected_client:
        yield connected_client


async def key_of(server: LocalMode, user: str) -> str:
    """A new API key of an ordinary user."""
    secret = new_secret()
    async with connected(server.mongo_url, "assay", service="test") as database:
        await ApiKeys(database).add(secret, user=UserId(user), role="user", now=SystemClock().now())
    return secret
