"""Tests that wait: how fast they are accepted while nothing runs, and the memory that they take.

Measured on a local mode with one slot, which a sleeping agent holds.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import Any, Final

from assay import TestState
from tests.bench import processes
from tests.bench.callers import AT_ONCE, submissions
from tests.bench.figures import Report, percentile
from tests.bench.local import Failed, Local
from tests.bench.processes import Memory
from tests.bench.servers import Servers
from tests.bench.size import Size
from tests.bench.work import HOLDER

FIGURES: Final = (
    "submit_rate",
    "submit_p50",
    "submit_p99",
    "memory_idle",
    "memory_idle_ours",
    "memory_queued",
)
HELD_S: Final = 240
PAUSE_S: Final = 0.02  # long enough for what a submission sets off to be over before the next one
DOCUMENT_BYTES: Final = 2048


async def measure(local: Local, size: Size, report: Report) -> None:
    await asyncio.sleep(size.settle_s)
    idle = _memory(local)
    holder = await local.client.submit(HOLDER, str(HELD_S), timeout=HELD_S + 30)
    async with aclosing(local.client.watch(holder.id)) as updates:
        async for update in updates:
            if update.test.state is TestState.RUNNING:
                break
    alone = await submissions(local.client, size.calls, query="alone", at_once=1, pause_s=PAUSE_S)
    await _queued(local, size.calls)

    who = local.members()
    before = processes.Cpu.now(who)
    crowd = await submissions(local.client, size.queued, query="together")
    await _queued(local, size.calls + size.queued)
    await asyncio.sleep(size.settle_s)
    cpu = processes.Cpu.now(who).since(before)
    full = _memory(local)
    # Not before: what mongod keeps of it would count as memory of the tests.
    written = await _writes(local.servers, size.calls, at_once=1)
    together = await _writes(local.servers, size.queued, at_once=AT_ONCE)
    await local.client.cancel(holder.id, "it has done its work")

    floor_ms = percentile(written, 50)
    report.add("submit_p50", percentile(alone.took_ms, 50), n=size.calls, floor=floor_ms)
    report.add("submit_p99", percentile(alone.took_ms, 99), n=size.calls, floor=percentile(written, 99))
    report.add(
        "submit_rate",
        crowd.per_second,
        n=size.queued,
        floor=AT_ONCE * 1000 / (sum(together) / len(together)),
        p50_ms=percentile(crowd.took_ms, 50),
        p99_ms=percentile(crowd.took_ms, 99),
        cpu_ms_until_queued={
            name: getattr(cpu, name) * 1000 / size.queued for name in ("services", "mongod", "nats_server")
        },
        others_used_cpus=cpu.others,
    )
    _tell_memory(report, idle, full, size)


async def _queued(local: Local, tests: int) -> None:
    """Waits until so many tests wait. Raises Failed."""
    deadline = time.monotonic() + 60
    while (await local.client.queue_status()).pending < tests:
        if time.monotonic() > deadline:
            raise Failed(f"not all of {tests} tests are in the queue")
        await asyncio.sleep(0.05)


async def _writes(servers: Servers, count: int, *, at_once: int) -> list[float]:
    """The floor of a submission: one document of its size, written to the majority of the same server, in ms."""
    collection = servers.mongo["assay_bench"]["floor"]
    await collection.insert_one({"text": ""})
    took: list[float] = []

    async def writer(numbers: Any) -> None:
        for _ in numbers:
            begun = time.perf_counter()
            await collection.insert_one({"text": "x" * DOCUMENT_BYTES})
            took.append((time.perf_counter() - begun) * 1000)

    numbers = iter(range(count))
    await asyncio.gather(*(writer(numbers) for _ in range(at_once)))
    await collection.drop()
    return took


def _memory(local: Local) -> dict[str, Memory]:
    who = local.members()
    return {name: processes.memory(pids) for name, pids in who._asdict().items()}


def _tell_memory(report: Report, idle: dict[str, Memory], full: dict[str, Memory], size: Size) -> None:
    ours = ("services", "fork_server")
    rss, pss = ({name: used[field] for name, used in idle.items()} for field in (0, 1))
    report.add("memory_idle", sum(rss.values()), n=1, pss=sum(pss.values()), rss_by_process=rss, pss_by_process=pss)
    report.add("memory_idle_ours", sum(rss[name] for name in ours), n=1, pss=sum(pss[name] for name in ours))
    added = {name: full[name].rss - idle[name].rss for name in idle}
    report.add(
        "memory_queued",
        sum(added.values()),
        n=size.queued + size.calls,
        by_process=added,
        pss=sum(full[name].pss - idle[name].pss for name in idle),
        rss_after=sum(used.rss for used in full.values()),
    )
