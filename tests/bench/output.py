"""Output on its way to a subscriber: how late a line is, and how many there can be."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from tests.bench.figures import Report, percentile
from tests.bench.local import Failed, Local
from tests.bench.size import Size
from tests.bench.work import FLOOD, TICKER

LATENCY: Final = ("log_latency_p50", "log_latency_p99")
THROUGHPUT: Final = ("log_throughput",)
PAUSE_S: Final = 0.01


async def latency(local: Local, size: Size, report: Report) -> None:
    """An agent that prints the time; the clock is the same on both sides."""
    test = await local.client.submit(TICKER, f"{size.stamps} {PAUSE_S}")
    late_ms: list[float] = []
    logs = local.client.logs(test.id, follow=True)
    async for batch in logs.batches():
        now = time.time()
        late_ms += [(now - float(line.text)) * 1000 for line in batch]
    if len(late_ms) != size.stamps or not (logs.complete and logs.complete.complete):
        raise Failed(f"{len(late_ms)} of {size.stamps} lines came, {logs.complete}")
    report.add("log_latency_p50", percentile(late_ms, 50), n=len(late_ms))
    report.add("log_latency_p99", percentile(late_ms, 99), n=len(late_ms))


async def throughput(local: Local, size: Size, report: Report) -> None:
    """An agent that prints as fast as it can, one subscriber."""
    test = await local.client.submit(FLOOD, str(size.flood))
    logs = local.client.logs(test.id, follow=True)
    printed = last = 0.0
    lines = batches = 0
    async for batch in logs.batches():
        printed = printed or float(batch[0].text)
        last = time.time()
        lines += len(batch)
        batches += 1
    if lines != size.flood or not (logs.complete and logs.complete.complete):
        raise Failed(f"{lines} of {size.flood} lines came, {logs.complete}")
    report.add("log_throughput", lines / (last - printed), n=lines, batches=batches, seconds=last - printed)
    await asyncio.wait_for(local.ended_well(test.id), 60)
