"""SIGKILL for `assay dev` itself, and its next start on the same data: as if nothing had been."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay import AsyncAssay
from deploy.local import lifeline
from shared.store.connect import connected
from tests.support.fleet import PATIENT
from tests.support.flow import CAPACITY, Flow, everything_is_at_rest, nothing_is_lost_or_doubled
from tests.support.local_mode import LocalMode, skip_without_sandbox
from tests.support.sandboxes import Sandboxes
from tests.support.until import until

pytestmark = pytest.mark.slow


SLEEPER = """
import time

def run(query):
    print("begun", flush=True)
    time.sleep(10)
    print("done")
    return 1
"""


class Restarted:
    """Local mode that is killed and started again on one data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sandboxes = Sandboxes(folder / "tasks")
        self.running = self._start()

    def _start(self) -> LocalMode:
        running = LocalMode(self.folder, ASSAY_PROCESS_ISOLATION="required", ASSAY_SWEEP_INTERVAL_S="2")
        running.until_ready()
        self.sandboxes.look()
        return running

    def kill(self) -> list[int]:
        """SIGKILL; the servers that it had started."""
        children = self.running.children()
        self.running.end(signal.SIGKILL)
        return children

    def start(self) -> None:
        self.running = self._start()

    def uncleaned(self) -> set[str]:
        """Names of the tasks' folders with more in them than the output."""
        tasks = self.folder / "tasks" / "tasks"
        return {path.parent.name for path in tasks.glob("*/*") if path.name not in {"output.jsonl", "output"}}


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Restarted]:
    skip_without_sandbox()
    restarted = Restarted(tmp_path / ".assay")
    try:
        yield restarted
    finally:
        if restarted.running.process.poll() is None:
            restarted.running.end(signal.SIGTERM)


async def test_it_is_killed_and_started_again(local: Restarted) -> None:
    before = local.running.known
    gone: list[int] = []

    async def disturb() -> None:
        gone.extend(local.kill())
        await asyncio.to_thread(local.start)

    async with AsyncAssay(before["address"], before["api_key"], retry=PATIENT) as client:
        flow = Flow(client, "local")
        tests = await flow.run(disturb)
        assert local.running.known == before
        await nothing_is_lost_or_doubled(client, flow, tests)
        async with connected(local.running.mongo_url, "assay", service="test") as database:
            await everything_is_at_rest(database, local.sandboxes)
    assert not [pid for pid in gone if lifeline.started_at(pid)]

    assert local.running.end(signal.SIGTERM) == 0
    await until(lambda: not local.sandboxes.processes(), timeout=20)
    await until(lambda: not local.sandboxes.groups(), timeout=20)
    # Who is killed between the end of a test and the cleaning of its task leaves the folder, and no more than these.
    assert len(local.uncleaned()) <= CAPACITY


async def test_an_agent_at_work_outlives_it_and_its_answer_counts(local: Restarted) -> None:
    known = local.running.known
    async with AsyncAssay(known["address"], known["api_key"], retry=PATIENT) as client:
        test = await client.submit(SLEEPER, "x")
        await until(lambda: _has_lines(client, test.id), timeout=30)
        local.kill()
        await asyncio.to_thread(local.start)
        ended = await client.wait(test.id, timeout=60)
        assert (ended.passed, ended.response, ended.attempt) == (True, 1, 1), ended.failure
        lines = [line.text async for line in client.logs(test.id, follow=True)]
        assert lines == ["begun", "done"]


async def test_ctrl_c_leaves_an_agent_at_work_to_the_next_start(local: Restarted) -> None:
    known = local.running.known
    async with AsyncAssay(known["address"], known["api_key"], retry=PATIENT) as client:
        test = await client.submit(SLEEPER, "x")
        await until(lambda: _has_lines(client, test.id), timeout=30)
        assert local.running.end(signal.SIGINT) == 0
        assert not (local.folder / "client.json").exists()
        await asyncio.to_thread(local.start)
        assert json.loads((local.folder / "client.json").read_text()) == known
        ended = await client.wait(test.id, timeout=60)
        assert (ended.passed, ended.attempt) == (True, 1), ended.failure


async def _has_lines(client: AsyncAssay, test_id: str) -> bool:
    return bool([line async for line in client.logs(test_id)])
