"""Fixtures of tests with a gateway: it runs in the test's process on the shared servers, with a database of its own.

A module whose gateway or console is set differently has a fixture of the same name.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.support.console import Console, built_page, console
from tests.support.gateway import Client, Stage, staged


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


@pytest_asyncio.fixture
async def front(stage: Stage, tmp_path: Path) -> AsyncIterator[Console]:
    """A console before the gateway."""
    async with console(stage.address, console_page=built_page(tmp_path / "dist")) as found:
        yield found
