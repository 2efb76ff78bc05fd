"""Process runtimes for the tests that are about them alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.orchestrator.runtimes.host import Unfit
from services.orchestrator.runtimes.process import ProcessRuntime
from tests.contract.runtime_worlds import ProcessWorld


@pytest.fixture
def process_world(tmp_path: Path) -> ProcessWorld:
    """A folder for tasks; every `open` is a new runtime on it."""
    return ProcessWorld(tmp_path / "tasks")


@pytest.fixture
async def sandboxes(process_world: ProcessWorld) -> AsyncIterator[ProcessRuntime]:
    """A process runtime with sandbox and cgroups; skips where the machine has neither."""
    try:
        runtime = await process_world.open()
    except Unfit as unfit:
        pytest.skip(str(unfit))
    yield runtime
    await runtime.aclose()
