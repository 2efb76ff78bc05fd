from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from assay.client import AsyncAssay
from assay.retry import RetryPolicy
from tests.unit.client.command import Cli
from tests.unit.client.fake_server import KEY, FakeServer, serving

QUICK = RetryPolicy(attempts=4, first_pause=0.01, longest_pause=0.1, stream_attempts=8)


@pytest.fixture
def fake() -> FakeServer:
    return FakeServer()


@pytest.fixture
async def address(fake: FakeServer) -> AsyncIterator[str]:
    async with serving(fake) as where:
        yield where


@pytest.fixture
async def client(address: str) -> AsyncIterator[AsyncAssay]:
    async with AsyncAssay(address, KEY, retry=QUICK) as made:
        yield made


@pytest.fixture
def cli(address: str, tmp_path: Path) -> Cli:
    return Cli(address, tmp_path)
