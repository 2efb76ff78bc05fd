"""Commands as their user waits for them."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Final

from tests.bench.figures import Report, percentile
from tests.bench.local import PROJECT, environment

HELP: Final = ("help",)
TIMES: Final = 7


def measure_help(report: Report) -> None:
    """`assay --help` beside an interpreter that does nothing."""
    took: list[float] = []
    floor: list[float] = []
    for _ in range(TIMES):
        floor.append(_seconds("-c", "pass"))
        took.append(_seconds("-m", "assay", "--help"))
    report.add("help", percentile(took, 50), n=TIMES, floor=percentile(floor, 50))


def _seconds(*arguments: str) -> float:
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], cwd=PROJECT, env=environment(), stdout=subprocess.DEVNULL, check=True, timeout=60
    )
    return time.perf_counter() - begun
