"""Process runtimes and gateways as attackers find them. A module whose gateway is set differently has a fixture of the
same name."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.contract.conftest import process_world, sandboxes
from tests.support.gateway import Client, Stage, staged

__all__ = ["alice", "process_world", "root", "sandboxes", "stage"]


@pytest_asyncio.fixture
async def stage(nats_url: str, mongo_url: str, mongo_database: str) -> AsyncIterator[Stage]:
    async with staged(nats_url, mongo_url, mongo_database) as found:
        yield found


@pytest_asyncio.fixture
async def alice(stage: Stage) -> Client:
    return await stage.client("alice")


@pytest_asyncio.fixture
async def root(stage: Stage) -> Client:
    """An admin."""
    return await stage.client("root", role="admin")
