"""Callers of SubmitTest: one, or several at once, with the time that each call took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from assay import AsyncAssay
from tests.bench.work import AGENT

AT_ONCE: Final = 32


@dataclass(frozen=True, slots=True)
class Calls:
    ids: list[str]
    """in the order of their answers"""
    took_ms: list[float]
    wall_s: float

    @property
    def per_second(self) -> float:
        return len(self.ids) / self.wall_s


async def submissions(
    client: AsyncAssay, count: int, *, query: str, at_once: int = AT_ONCE, pause_s: float = 0.0
) -> Calls:
    """Submits the same small agent `count` times."""
    ids: list[str] = []
    took_ms: list[float] = []

    async def caller(left: Iterator[int]) -> None:
        for _ in left:
            begun = time.perf_counter()
            test = await client.submit(AGENT, query)
            took_ms.append((time.perf_counter() - begun) * 1000)
            ids.append(test.id)
            if pause_s:
                await asyncio.sleep(pause_s)

    left = iter(range(count))
    begun = time.perf_counter()
    await asyncio.gather(*(caller(left) for _ in range(at_once)))
    return Calls(ids, took_ms, time.perf_counter() - begun)
