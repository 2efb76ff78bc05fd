"""`python -m tests.bench`: starts what is to be measured, measures it, and prints one JSON line per figure.

Nothing is shared with an Assay that runs here already: own data folder, free ports. The machine may be busy with other
things: what depends on its speed is compared with a floor that is measured before, between and after.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from shared.telemetry.logging import configure
from tests.bench import commands, console, history, latency, makespan, output, packages, page, queueing
from tests.bench.figures import KINDS, Report, percentile
from tests.bench.local import Failed, Local, running
from tests.bench.size import FULL, QUICK, Size

START = ("start_cold", "start_warm")
BUSY = (
    *makespan.FIGURES,
    *latency.IDLE,
    *latency.LOADED,
    *output.LATENCY,
    *output.THROUGHPUT,
    *packages.FIGURES,
    *console.FIGURES,
    *page.FIGURES,
)


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measures Assay on this machine. One JSON line per figure; docs/performance.md explains them.",
        epilog="Figures: " + " ".join(KINDS),
    )
    parser.add_argument("--only", action="append", metavar="NAME", help="a figure, or the beginning of some names")
    parser.add_argument("--n", type=int, help=f"tests of the long burst (default: {FULL.long})")
    parser.add_argument("--stored", type=int, help=f"tests that lists are made from (default: {FULL.stored:,})")
    parser.add_argument("--quick", action="store_true", help="little of everything: shows that it works, says little")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the lines to this file, too")
    options = parser.parse_args(words)
    options.wanted = [name for name in KINDS if any(name.startswith(part) for part in options.only or [""])]
    if not options.wanted:
        parser.error(f"no figure begins with {' or '.join(options.only)}")
    return options


async def bench(folder: Path, size: Size, report: Report) -> None:
    """All wanted figures, in an order that starts as little as possible."""
    if report.wants(*commands.HELP):
        commands.measure_help(report)
    if report.wants(*history.FIGURES):
        await history.measure(size, report)
    cold: list[float] = []
    warm: list[float] = []
    if report.wants(*queueing.FIGURES):
        async with running(folder / "held", capacity=1) as local:
            cold.append(local.start_s)
            await queueing.measure(local, size, report)
    if report.wants(*BUSY, *START):
        async with running(folder / "busy") as local:
            cold.append(local.start_s)
            await _busy(local, size, report)
    if report.wants(*START):
        for _ in range(size.warm_starts):
            async with running(folder / "busy") as local:
                warm.append(local.start_s)
        report.add("start_cold", percentile(cold, 50), n=len(cold), all=[round(took, 2) for took in cold])
        report.add("start_warm", percentile(warm, 50), n=len(warm), all=[round(took, 2) for took in warm])


async def _busy(local: Local, size: Size, report: Report) -> None:
    if report.wants(*makespan.FIGURES):
        await makespan.measure(local, size, report)
    if report.wants(*latency.IDLE):
        await latency.idle(local, size, report)
    if report.wants(*output.LATENCY):
        await output.latency(local, size, report)
    if report.wants(*output.THROUGHPUT):
        await output.throughput(local, size, report)
    if report.wants(*latency.LOADED):
        await latency.loaded(local, size, report)
    if report.wants(*packages.FIGURES):
        await packages.measure(local, size, report)
    if report.wants(*console.FIGURES):
        await console.measure(local, size, report)
    if report.wants(*page.FIGURES):
        await page.measure(local, size, report)


def machine(folder: Path) -> dict[str, Any]:
    """Where this was measured, and how busy it was there."""
    device = folder.stat().st_dev
    mounts = (line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines())
    kinds = [mount[mount.index("-") + 1] for mount in mounts if mount[2] == f"{os.major(device)}:{os.minor(device)}"]
    return {
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "files_on": kinds[0] if kinds else "?",
        "load": [round(load, 1) for load in os.getloadavg()],
    }


def main() -> int:
    options = arguments()
    configure(level="warning", output="console", stream=sys.stderr)  # standard output is the figures
    # As Ctrl-C: asyncio cancels what is under way, and that ends the local mode.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    size = QUICK if options.quick else FULL
    if options.n:
        size = replace(size, long=options.n)
    if options.stored:
        size = replace(size, stored=options.stored)
    with ExitStack() as stack:
        outputs: list[TextIO] = [sys.stdout]
        if options.json:
            outputs.append(stack.enter_context(options.json.open("w", encoding="utf-8")))
        report = Report(options.wanted, outputs)
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="assay-bench-", ignore_cleanup_errors=True))
        )
        folder.chmod(0o711)  # sandboxes run as other users, and pass through
        report.write(machine(folder))
        begun = time.monotonic()
        try:
            asyncio.run(bench(folder, size, report))
        except Failed as failure:
            print(f"bench: {failure}", file=sys.stderr)
            return 1
        report.write(machine(folder) | {"seconds": round(time.monotonic() - begun, 1)})
    return 0


if __name__ == "__main__":
    sys.exit(main())
