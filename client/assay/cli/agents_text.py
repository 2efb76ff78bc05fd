"""How agents read on a terminal: pure functions like those of text.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from assay.agents import Agent, AgentRun
from assay.cli.table_text import columns
from assay.cli.text import Line, age, cut, percent, safe, size, span
from assay.tests import TestState


def agents(found: Sequence[Agent], now: datetime, width: int | None) -> Iterator[Line]:
    """Agents as rows, with their users where there are several."""
    several = len({agent.user_id for agent in found}) > 1
    rows = [
        (
            cut(safe(agent.stats.agent_id), 32),
            *([safe(agent.user_id)] if several else []),
            f"{agent.stats.ended:,}",
            "-" if agent.stats.success_rate is None else percent(agent.stats.success_rate),
            span(agent.stats.run.p50) if agent.stats.run else "-",
            size(round(agent.stats.peak_memory_bytes.p50)) if agent.stats.peak_memory_bytes else "-",
            age(agent.stats.last_submitted, now),
            "".join(_mark(run) for run in reversed(agent.runs)) or "-",
            agent.last_failure.failure_code if agent.last_failure else "-",
        )
        for agent in found
    ]
    titles = (
        *("AGENT", *(["USER"] if several else []), "ENDED", "PASSED"),
        *("RUN P50", "MEMORY P50", "NEWEST", "RECENT", "LAST FAILURE"),
    )
    styles = [
        (
            *("id", *(["dim"] if several else []), "", "strong", "dim", "dim", "dim", ""),
            "bad" if agent.last_failure else "dim",
        )
        for agent in found
    ]
    yield from columns(titles, rows, styles, width)


def _mark(run: AgentRun) -> str:
    """One run in a letter."""
    if run.failure_code == "CANCELLED":
        return "-"
    return {TestState.COMPLETED: "+", TestState.FAILED: "F", TestState.TIMED_OUT: "T"}.get(run.state, "?")
