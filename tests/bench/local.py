"""A local mode of the benchmark's own: `assay dev` as a subprocess, with its data where nobody else's is."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from assay import AsyncAssay, Test, TestState
from deploy.local.credentials import USER, load_or_create
from deploy.local.mongo import MongoServer
from deploy.local.nats import NatsServer
from deploy.nats_accounts import Login
from tests.bench import processes
from tests.bench.servers import Servers
from tests.bench.work import AGENT

PROJECT: Final = Path(__file__).resolve().parents[2]
CAPACITY: Final = 10
FORK_SERVER_LOG: Final = "tasks/forkserver.log"
READY_S: Final = 120.0
STOP_S: Final = 60.0


class Failed(Exception):
    """What was to be measured did not work."""


def environment() -> dict[str, str]:
    """Ours, without what would lead to somebody else's Assay."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}


@dataclass(frozen=True, slots=True)
class Local:
    """A running local mode, and a client that is connected to it."""

    folder: Path
    pid: int
    client: AsyncAssay
    servers: Servers
    start_s: float
    """from the command to the first accepted test"""

    def members(self) -> processes.Members:
        pids = {file.stem: int(json.loads(file.read_text())["pid"]) for file in (self.folder / "run").glob("*.pid")}
        return processes.members(self.pid, pids, self.folder / FORK_SERVER_LOG)

    async def ended_well(self, test_id: str, *, within_s: float = 60.0) -> Test:
        """The test when it has ended. Raises Failed where it has no answer."""
        test = await self.client.wait(test_id, timeout=within_s)
        if test.state is not TestState.COMPLETED:
            raise Failed(f"{test_id} ended as {test.state}: {test.failure}")
        return test

    async def late(self, test_id: str) -> list[float]:
        """For each line of a test that prints the time: the milliseconds until it came to a gRPC subscriber."""
        late: list[float] = []
        async for batch in self.client.logs(test_id, follow=True).batches():
            now = time.time()
            late += [(now - float(line.text)) * 1000 for line in batch]
        return late


@asynccontextmanager
async def running(folder: Path, *, capacity: int = CAPACITY) -> AsyncIterator[Local]:
    """`assay dev` from its start to its end; one test has been run. Raises Failed."""
    output = folder.with_suffix(".output")
    begun = time.perf_counter()
    with output.open("ab") as sink:
        process = subprocess.Popen(  # noqa: ASYNC220 - it does not wait
            [sys.executable, "-m", "assay", "dev", "--data", str(folder)],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env=environment() | {"ASSAY_SCHEDULER_CAPACITY": str(capacity)},
            start_new_session=True,
        )
    try:
        known = await _known(folder / "client.json", process, output)
        async with AsyncAssay(known["address"], known["api_key"]) as client, contextlib.AsyncExitStack() as stack:
            first = await client.submit(AGENT, "the first")
            start_s = time.perf_counter() - begun
            local = Local(folder, process.pid, client, _servers(folder), start_s)
            stack.push_async_callback(local.servers.aclose)
            await local.ended_well(first.id)
            yield local
    finally:
        await _end(process, folder)


async def _known(file: Path, process: subprocess.Popen[bytes], output: Path) -> dict[str, str]:
    """What clients need to know, as soon as local mode writes it."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if written := _read(file):
            known: dict[str, str] = json.loads(written)
            return known
        if process.poll() is not None:
            break
        await asyncio.sleep(0.005)
    raise Failed(f"local mode did not start: {_read(output) or ''}"[-2000:])


def _read(file: Path) -> str:
    """What is in the file; nothing when it is not there."""
    try:
        return file.read_text("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _servers(folder: Path) -> Servers:
    credentials = load_or_create(folder)
    ports = json.loads((folder / "ports.json").read_text())
    mongo = MongoServer(folder / "mongo", ports["mongo"], USER, credentials.mongo_password)
    nats = NatsServer(folder / "nats", ports["nats"], (Login(USER, credentials.nats_password),))
    return Servers(mongo.url, nats.url)


async def _end(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Ends it as Ctrl-C would, and what it may have left behind by force."""
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.to_thread(process.wait, STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    forked = processes.complaining_into(folder / FORK_SERVER_LOG)
    if not await asyncio.to_thread(processes.wait_for_end, forked, 5.0):
        for pid in forked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
