"""Many tests at once: how long they take beside the floor, and what each costs: CPU time, round trips, messages."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from assay import AsyncAssay, TestState
from tests.bench.callers import Calls, submissions
from tests.bench.figures import Report, percentile
from tests.bench.floor import Floor, measured
from tests.bench.local import CAPACITY, Failed, Local
from tests.bench.processes import Cpu
from tests.bench.servers import Counted
from tests.bench.size import Size
from tests.bench.work import LINES

FIGURES: Final = (
    "floor_bare",
    "floor_sandbox",
    "makespan_short",
    "makespan_long",
    "cpu_control_plane",
    "cpu_services",
    "cpu_mongod",
    "cpu_nats",
    "cpu_sandbox",
    "store_operations",
    "store_bytes",
    "bus_messages",
    "bus_bytes",
)
WARM_UP: Final = 20
SEALED_WITHIN_S: Final = 30.0
_ACTIVE: Final = (TestState.SUBMITTED, TestState.QUEUED, TestState.BUILDING, TestState.RUNNING)


@dataclass(frozen=True, slots=True)
class Burst:
    """What a burst of tests took."""

    tests: int
    calls: Calls
    wall_s: float
    """from the first submission until the client knew that all had ended"""
    cpu: Cpu
    store: Counted
    bus: Counted

    def ms(self, seconds: float) -> float:
        """Per test."""
        return seconds * 1000 / self.tests


async def measure(local: Local, size: Size, report: Report) -> None:
    """The floor before, between and after two bursts."""
    bare, sandboxed = [await _floor("bare", local, size)], [await _floor("sandbox", local, size)]
    await _burst(local, WARM_UP, size, "warm up")
    bursts: dict[str, Burst] = {}
    for figure, tests in (("makespan_short", size.short), ("makespan_long", size.long)):
        if not report.wants(figure) and figure == "makespan_short":
            continue  # the costs come from the long one
        bursts[figure] = burst = await _burst(local, tests, size, figure)
        sandboxed.append(await _floor("sandbox", local, size))
        _tell_makespan(report, figure, burst, sandboxed[-2:])
    bare.append(await _floor("bare", local, size))
    _tell_floor(report, "floor_bare", bare)
    _tell_floor(report, "floor_sandbox", sandboxed)
    _tell_cpu(report, bursts["makespan_long"], bare, sandboxed)
    _tell_counts(report, bursts["makespan_long"])


async def _floor(kind: str, local: Local, size: Size) -> Floor:
    return await measured(kind, size.floor, at_once=CAPACITY, folder=local.folder.parent)


async def _burst(local: Local, tests: int, size: Size, name: str) -> Burst:
    query = f"{name} {time.time()}"
    store, bus = await local.servers.store(), await local.servers.bus()
    await asyncio.sleep(size.settle_s / 2)
    who = local.members()
    before = Cpu.now(who)
    begun = time.perf_counter()
    calls = await submissions(local.client, tests, query=query)
    await _all_ended(local, calls)
    wall_s = time.perf_counter() - begun
    await asyncio.sleep(size.settle_s)  # logs are sealed and outboxes cleared after the end of a test
    after = Cpu.now(who)
    counted_store = (await local.servers.store()).since(store)
    counted_bus = (await local.servers.bus()).since(bus)
    await _check(local.client, calls)
    return Burst(tests, calls, wall_s, after.since(before), counted_store, counted_bus)


async def _all_ended(local: Local, calls: Calls) -> None:
    """Follows the test that was submitted last, and then those that have not ended: a stream per test would be load of
    our own making."""
    await local.ended_well(calls.ids[-1], within_s=600)
    left = [test async for test in local.client.list(states=_ACTIVE, page_size=100)]
    await asyncio.gather(*(local.ended_well(test.id) for test in left))


async def _check(client: AsyncAssay, calls: Calls) -> None:
    """Every test has its answer, once, and all its lines. Raises Failed."""
    deadline = time.monotonic() + SEALED_WITHIN_S
    wanted = set(calls.ids)
    while True:
        seen = [test async for test in client.list(limit=len(wanted) + 100, page_size=100) if test.id in wanted]
        if len(seen) != len(wanted):
            raise Failed(f"{len(wanted)} tests were submitted, {len(seen)} are listed")
        wrong = [
            test
            for test in seen
            if not (test.passed and test.attempt == 1 and test.logs.complete) or not test.logs.ended
        ]
        if not wrong:
            break
        if time.monotonic() > deadline:
            bad = wrong[0]
            raise Failed(f"{len(wrong)} tests did not end right, one is {bad.id}: {bad.state} {bad.failure} {bad.logs}")
        await asyncio.sleep(0.2)
    if any(test.logs.lines != LINES for test in seen):
        raise Failed(f"a test has not {LINES} lines")


def _tell_makespan(report: Report, figure: str, burst: Burst, floors: list[Floor]) -> None:
    floor = sum(floor.wall_ms for floor in floors) / len(floors)
    used = burst.cpu.services + burst.cpu.mongod + burst.cpu.nats_server + burst.cpu.sandboxes + burst.cpu.client
    report.add(
        figure,
        burst.ms(burst.wall_s),
        n=burst.tests,
        floor=floor,
        cpu_ms=burst.ms(used),
        cpu_ratio=used / burst.tests * 1000 / (sum(floor.cpu_ms for floor in floors) / len(floors)),
        submitted_per_s=burst.calls.per_second,
        submit_p50_ms=percentile(burst.calls.took_ms, 50),
        submit_p99_ms=percentile(burst.calls.took_ms, 99),
        others_used_cpus=burst.cpu.others,
    )


def _tell_floor(report: Report, figure: str, floors: list[Floor]) -> None:
    report.add(
        figure,
        percentile((floor.wall_ms for floor in floors), 50),
        n=sum(floor.children for floor in floors),
        cpu_ms=percentile((floor.cpu_ms for floor in floors), 50),
        all=[round(floor.wall_ms, 2) for floor in floors],
    )


def _tell_cpu(report: Report, burst: Burst, bare: list[Floor], sandboxed: list[Floor]) -> None:
    """Beside the CPU time of a child: the same instructions take longer on a busy machine, for both."""
    cpu, n = burst.cpu, burst.tests
    child, in_sandbox = (percentile((one.child_cpu_ms for one in floors), 50) for floors in (bare, sandboxed))
    how = "user + system of /proc/<pid>/stat, settling included"
    report.add("cpu_control_plane", burst.ms(cpu.services + cpu.mongod + cpu.nats_server), n=n, floor=child, how=how)
    report.add("cpu_services", burst.ms(cpu.services), n=n, floor=child, client=burst.ms(cpu.client))
    report.add("cpu_mongod", burst.ms(cpu.mongod), n=n, floor=child)
    report.add("cpu_nats", burst.ms(cpu.nats_server), n=n, floor=child)
    report.add("cpu_sandbox", burst.ms(cpu.sandboxes), n=n, floor=in_sandbox)


def _tell_counts(report: Report, burst: Burst) -> None:
    n = burst.tests

    def per_test(numbers: dict[str, int]) -> dict[str, float]:
        return {name: round(number / n, 3) for name, number in sorted(numbers.items()) if number}

    commands = burst.store.under("command.")
    sizes = burst.store.under("bytes.")
    report.add(
        "store_operations",
        sum(commands.values()) / n,
        n=n,
        by_command=per_test(commands),
        writes=per_test(burst.store.under("write.")),
    )
    per_kib = 1 / 1024 / n
    report.add(
        "store_bytes", (sizes["in"] + sizes["out"]) * per_kib, n=n, **{k: v * per_kib for k, v in sorted(sizes.items())}
    )
    messages = burst.bus.under("message.")
    report.add(
        "bus_messages",
        sum(messages.values()) / n,
        n=n,
        by_event=per_test(messages),
        delivered=per_test(burst.bus.under("delivered.")),
    )
    kept = burst.bus.under("bytes.")
    report.add("bus_bytes", sum(kept.values()) * per_kib, n=n, by_stream={k: v * per_kib for k, v in kept.items() if v})
