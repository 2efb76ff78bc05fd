"""How long one takes: a test on an idle system, a submission on a busy one."""

from __future__ import annotations

import time
from typing import Final

from tests.bench.callers import submissions
from tests.bench.figures import Report, percentile
from tests.bench.floor import measured
from tests.bench.local import CAPACITY, Local
from tests.bench.size import Size
from tests.bench.work import AGENT

IDLE: Final = ("idle_p50", "idle_p99")
LOADED: Final = ("submit_loaded_p50", "submit_loaded_p99")
ROUNDS: Final = 2
BETWEEN_S: Final = 0.01


async def idle(local: Local, size: Size, report: Report) -> None:
    """Tests one after another, the floor one by one before and after."""
    took: list[float] = []
    floors = [await measured("unlimited", size.idle, at_once=1, folder=local.folder.parent)]
    for _ in range(ROUNDS):
        for number in range(size.idle):
            begun = time.perf_counter()
            test = await local.client.submit(AGENT, f"idle {number}")
            await local.ended_well(test.id)
            took.append((time.perf_counter() - begun) * 1000)
        floors.append(await measured("unlimited", size.idle, at_once=1, folder=local.folder.parent))
    floor = percentile((floor.p50_ms for floor in floors), 50)
    report.add("idle_p50", percentile(took, 50), n=len(took), floor=floor)
    report.add("idle_p99", percentile(took, 99), n=len(took), floor=floor)


async def loaded(local: Local, size: Size, report: Report) -> None:
    """One caller while all slots are taken and more tests wait than will end meanwhile."""
    waiting = size.calls + CAPACITY
    crowd = await submissions(local.client, waiting, query="load")
    one = await submissions(local.client, size.calls // 2, query="one more", at_once=1, pause_s=BETWEEN_S)
    status = await local.client.queue_status()
    report.add("submit_loaded_p50", percentile(one.took_ms, 50), n=len(one.ids), still_waiting=status.pending)
    report.add("submit_loaded_p99", percentile(one.took_ms, 99), n=len(one.ids), still_waiting=status.pending)
    for test in (crowd.ids[-1], one.ids[-1]):
        await local.ended_well(test, within_s=300)
