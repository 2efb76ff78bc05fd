"""How usage and cost read on a terminal: pure functions like those of text.py. Times are UTC, as the steps are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from assay.cli.table_text import figures
from assay.cli.text import Line, cut, percent, plural, safe, span
from assay.outcome import Cost
from assay.reports import CostReport, CostRow, ReportInterval, Usage, UsageFigures

FEW = 2  # empty steps in a row that are shown as they are
SMALLEST = 1e-6  # dollars that are still shown as a figure


class Part(NamedTuple):
    """Columns of a table that belong together."""

    titles: Sequence[str]
    cells: Callable[[UsageFigures], Sequence[str]]


def usage(found: Usage, interval: ReportInterval, width: int | None) -> Iterator[Line]:
    """A row for each step in which something happened, and one for all of it. Where `width` (columns of the terminal)
    is too small, two tables: what happened, and how long it took."""
    steps = _without_ends(found.steps)
    if not steps:
        yield [("no tests were submitted in this time, and none ended", "dim")]
        return
    rows: list[tuple[str, UsageFigures] | str] = []
    for run in _runs(steps):
        if len(run) > FEW and run[0].empty:
            rows.append(f"… nothing for {plural(len(run), interval.lower())}")
        else:
            rows += [(_start(step.start, interval), step) for step in run]
    rows.append(("total", found.total))
    first, amounts = f"{interval} (UTC)", [_TIMES, *([_TOKENS] if found.total.tokens else [])]
    whole = _table(first, rows, [_COUNTS, *amounts])
    if width is None or sum(len(piece) for piece, _ in whole[0]) <= width:
        yield from whole
    else:
        yield from _table(first, rows, [_COUNTS])
        yield []
        yield from _table(first, rows, amounts)


def _table(first: str, rows: Sequence[tuple[str, UsageFigures] | str], parts: Sequence[Part]) -> list[Line]:
    titles = [first, *(title for part in parts for title in part.titles)]
    written = [
        row if isinstance(row, str) else [row[0], *(cell for part in parts for cell in part.cells(row[1]))]
        for row in rows
    ]
    return list(figures(titles, written))


def _without_ends(steps: Sequence[UsageFigures]) -> Sequence[UsageFigures]:
    busy = [place for place, step in enumerate(steps) if not step.empty]
    return steps[busy[0] : busy[-1] + 1] if busy else ()


def _runs(steps: Sequence[UsageFigures]) -> Iterator[list[UsageFigures]]:
    """Empty steps that follow one another belong together; every other step is alone."""
    empty: list[UsageFigures] = []
    for step in steps:
        if step.empty:
            empty.append(step)
            continue
        if empty:
            yield empty
            empty = []
        yield [step]


def _counts(step: UsageFigures) -> Sequence[str]:
    counts = (step.submitted, step.completed, step.failed, step.timed_out, step.cancelled)
    return [*(f"{count:,}" for count in counts), "-" if step.success_rate is None else percent(step.success_rate)]


def _times(step: UsageFigures) -> Sequence[str]:
    return [
        span(figure) for took in (step.run, step.wait) for figure in ((took.p50, took.p95) if took else (None, None))
    ]


def _tokens(step: UsageFigures) -> Sequence[str]:
    return [f"{step.tokens.input_tokens:,}", f"{step.tokens.output_tokens:,}"] if step.tokens else ["-", "-"]


_COUNTS = Part(("SUBMITTED", "COMPLETED", "FAILED", "TIMED OUT", "CANCELLED", "SUCCESS"), _counts)
_TIMES = Part(("RUN P50", "RUN P95", "WAIT P50", "WAIT P95"), _times)
_TOKENS = Part(("TOKENS IN", "TOKENS OUT"), _tokens)


def _start(moment: datetime | None, interval: ReportInterval) -> str:
    if moment is None:
        return "-"
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M" if interval is ReportInterval.HOUR else "%Y-%m-%d")


def cost(found: CostReport, title: str) -> Iterator[Line]:
    """A row for each day, user, agent or value, and one for all of it; a sentence where nothing is charged."""
    if not found.charged:
        if not found.total.tests:
            yield [("no tests ended in this time", "dim")]
        else:
            ended = plural(found.total.tests, "test")
            yield [(f"{ended} ended, and nothing was charged: where this server runs tests, they cost nothing", "")]
        return
    titles = (title, "TESTS", "TOTAL", "CPU", "MEMORY", "STORAGE", "LOGS")
    digits = _digits([*found.rows, found.total])
    named = [(_key(row), row) for row in found.rows if row.tests or row.cost] + [("total", found.total)]
    yield from figures(titles, [_cost_row(name, row, digits) for name, row in named])


def cost_title(by: str, label_key: str) -> str:
    """What the first column is called."""
    if by == "LABEL":
        return cut(safe(label_key), 40)
    return f"{by} (UTC)" if by == "DAY" else by


def _key(row: CostRow) -> str:
    return cut(safe(row.key), 40) or "(none)"


def _cost_row(name: str, row: CostRow, digits: int) -> Sequence[str]:
    return [name, f"{row.tests:,}", *(_dollars(part, digits) for part in _parts(row.cost))]


def _parts(cost: Cost | None) -> Sequence[float]:
    return (cost.total_usd, cost.cpu_usd, cost.memory_usd, cost.storage_usd, cost.logs_usd) if cost else (0.0,) * 5


def _digits(rows: Sequence[CostRow]) -> int:
    """So many that the smallest sum still has two of its own: all sums of a table stand in line."""
    sums = [part for row in rows for part in _parts(row.cost) if part >= SMALLEST]
    return min(max(1 - math.floor(math.log10(min(sums))), 2), 6) if sums else 2


def _dollars(value: float, digits: int) -> str:
    if value == 0:
        return "-"
    return f"${value:,.{digits}f}" if value >= SMALLEST / 2 else f"< ${SMALLEST:.6f}"
