"""Each shape as the process runtime runs it: in its sandbox, through the context that a test has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.orchestrator.runtimes.host import Unfit
from services.orchestrator.runtimes.process import ProcessRuntime
from tests.agents.conformance import Shape, shapes
from tests.contract.runtime_worlds import ProcessWorld, ended, spec

AT_ONCE = 4


@pytest.fixture
async def sandboxes(tmp_path: Path) -> AsyncIterator[ProcessRuntime]:
    try:
        runtime = await ProcessWorld(tmp_path / "tasks").open()
    except Unfit as unfit:
        pytest.skip(str(unfit))
    yield runtime
    await runtime.aclose()


async def test_every_shape_has_its_right_outcome_in_a_sandbox(sandboxes: ProcessRuntime) -> None:
    room = asyncio.Semaphore(AT_ONCE)
    wrong: dict[str, str] = {}

    async def try_one(shape: Shape) -> None:
        async with room:
            task = spec(
                agent_code=shape.code,
                entrypoint=shape.entrypoint or "",
                query=shape.query or "",
                without_query=shape.query is None,
            )
            launched = await sandboxes.launch(task)
            try:
                await ended(sandboxes, launched.handle, timeout=40)
                shape.check(json.loads(await sandboxes.collect(launched.handle) or b"{}"))
            except AssertionError as error:
                wrong[shape.name] = str(error)
            finally:
                await sandboxes.cleanup(launched.handle)

    async with asyncio.TaskGroup() as group:
        for shape in shapes().values():
            if not shape.needs:
                group.create_task(try_one(shape))
    assert not wrong


async def test_the_limit_of_processes_and_threads_is_named(sandboxes: ProcessRuntime) -> None:
    """Case 47."""
    code = """
        from concurrent.futures import ThreadPoolExecutor
        import time
        def run(query):
            with ThreadPoolExecutor(100) as pool:
                return sum(pool.map(lambda n: time.sleep(0.5) or n, range(100)))
    """
    launched = await sandboxes.launch(spec(agent_code=code))
    try:
        await ended(sandboxes, launched.handle, timeout=40)
        result = json.loads(await sandboxes.collect(launched.handle) or b"{}")
    finally:
        await sandboxes.cleanup(launched.handle)
    assert result["code"] == "AGENT_EXCEPTION"
    assert "limit of 64 processes and threads" in result["error"]["hint"]
