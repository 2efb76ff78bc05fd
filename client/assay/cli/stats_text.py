"""How an agent's statistics read on a terminal: pure functions like those of text.py."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from assay.cli.table_text import figures
from assay.cli.text import Line, age, percent, plural, safe, size, span
from assay.reports import AgentStats


class Measure(NamedTuple):
    """What tests took of one thing, and what the test that is compared took: by the mean, and as text."""

    name: str
    mean: str
    p50: str
    p95: str
    tests: int
    ratio: float | None
    own: str


def stats(found: AgentStats, now: datetime) -> Iterator[Line]:
    """How the tests went and what they took, and one of them against the others."""
    name = safe(found.agent_name)
    yield [(safe(found.agent_id), "id"), (f"  {name}" if name != found.agent_id else "", "strong")]
    kind = "other test" if found.comparison else "test"
    if found.success_rate is None:
        yield [(f"  no {kind} of this agent has ended yet", "dim")]
    else:
        newest = f", the newest submitted {age(found.last_submitted, now)}" if found.last_submitted else ""
        share = f"{percent(found.success_rate)} passed"
        yield [(f"  {plural(found.ended, kind)} ended, ", ""), (share, "strong"), (newest, "dim")]
    measures = list(_measures(found))
    if measures:
        rows = [(one.name, one.mean, one.p50, one.p95, f"{one.tests:,}") for one in measures]
        yield []
        yield from ([("  ", ""), *line] for line in figures(("", "MEAN", "P50", "P95", "TESTS"), rows))
    if found.comparison is not None:
        yield []
        yield [(safe(found.comparison.test_id), "id")]
        compared = [one for one in measures if one.ratio is not None]
        yield from (_compared(one) for one in compared)
        if not compared:
            yield [("  nothing to compare: it has not run, or no other test of the agent has", "dim")]


def _measures(found: AgentStats) -> Iterator[Measure]:
    against = found.comparison
    timed = (
        ("run", found.run, against.run_ratio if against else None),
        ("build", found.build, against.build_ratio if against else None),
    )
    for name, took, ratio in timed:
        if took is not None:
            own = span(took.mean * ratio) if ratio is not None else ""
            yield Measure(name, span(took.mean), span(took.p50), span(took.p95), took.count, ratio, own)
    if (memory := found.peak_memory_bytes) is not None:
        ratio = against.peak_memory_ratio if against else None
        mean, p50, p95 = (size(round(figure)) for figure in (memory.mean, memory.p50, memory.p95))
        own = size(round(memory.mean * ratio)) if ratio is not None else ""
        yield Measure("memory", mean, p50, p95, memory.count, ratio, own)


def _compared(one: Measure) -> Line:
    assert one.ratio is not None
    others = plural(one.tests, "other")
    return [(f"  {one.name} ", "dim"), (one.own, "strong"), (f", {_times(one.ratio)} the mean of {others}", "")]


def _times(ratio: float) -> str:
    """With two digits, such as "1.2 ×"; "the same as" where there is no difference to speak of."""
    if 0.995 <= ratio < 1.005:
        return "the same as"
    if ratio >= 9.95:
        return f"{ratio:,.0f} ×"
    return f"{ratio:.1f} ×" if ratio >= 1.05 else f"{ratio:.2f} ×"
