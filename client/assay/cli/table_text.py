"""Tables on a terminal: rows below titles, of tests and of figures. Pure functions like those of text.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from assay.cli.text import STATE_STYLES, Line, age, asked, clock, cut, plural, safe, span
from assay.tests import Test, TestState


def table(tests: Sequence[Test], now: datetime, width: int | None) -> Iterator[Line]:
    """Tests as rows, with their users where there are several. `width`: columns of the terminal, None where lines may
    be of any length."""
    several = len({test.user_id for test in tests}) > 1
    rows = [
        (
            test.id,
            *([safe(test.user_id)] if several else []),
            test.state.value,
            cut(safe(test.spec.name or test.spec.agent_name), 24),
            age(test.times.submitted, now),
            span(test.result.metrics.run) if test.result else "-",
            test.failure.code if test.failure else asked(test),
        )
        for test in tests
    ]
    titles = ("TEST", *(["USER"] if several else []), "STATE", "NAME", "SUBMITTED", "RUN", "QUERY OR FAILURE")
    styles = [
        (
            "id",
            *(["dim"] if several else []),
            STATE_STYLES.get(test.state, ""),
            *("", "dim", "dim", "bad" if test.failure else "dim"),
        )
        for test in tests
    ]
    yield from columns(titles, rows, styles, width)


WATCH_TITLES: Line = [(f"{'TIME':<8}  {'TEST':<36}  {'STATE':<9}  {'NAME':<24}  QUERY OR FAILURE", "dim")]


def watched(test: Test, now: datetime) -> Line:
    """One line of a watched list, below WATCH_TITLES: when the test came to where it stands, as far as is known."""
    times = test.times
    since = times.archived or times.ended or times.run_started or times.scheduled or times.queued or times.submitted
    return [
        (clock(since or now)[:8], "dim"),
        (f"  {test.id:<36}", "id"),
        (f"  {test.state.value:<9}", STATE_STYLES.get(test.state, "")),
        (f"  {cut(safe(test.spec.name or test.spec.agent_name), 24):<24}", ""),
        (f"  {cut(test.failure.code if test.failure else asked(test), 60)}", "bad" if test.failure else "dim"),
    ]


def totals(counts: Mapping[TestState, int]) -> Line:
    """How many tests are in which state, in the order of life."""
    total = sum(counts.values())
    line: Line = [(f"{plural(total, 'test')} in all", "strong")]
    for state in TestState:
        if count := counts.get(state, 0):
            line += [("  ", ""), (state.value, STATE_STYLES.get(state, "")), (f" {count:,}", "")]
    return line


def chain(tests: Sequence[Test], now: datetime, width: int | None) -> Iterator[Line]:
    """A test and its retries as rows, with what each was asked."""
    rows = [
        (
            str(test.retry.retry_number) if test.retry else "original",
            test.id,
            test.state.value,
            age(test.times.submitted, now),
            span(test.result.metrics.run) if test.result else "-",
            test.failure.code if test.failure else "-",
            asked(test),
        )
        for test in tests
    ]
    titles = ("RETRY", "TEST", "STATE", "SUBMITTED", "RUN", "FAILURE", "QUERY")
    styles = [
        ("dim", "id", STATE_STYLES.get(test.state, ""), "dim", "dim", "bad" if test.failure else "dim", "")
        for test in tests
    ]
    yield from columns(titles, rows, styles, width)


def columns(
    titles: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[Sequence[str]], width: int | None
) -> Iterator[Line]:
    """Rows below titles; the last column takes what room is left and is cut there."""
    last = len(titles) - 1
    widths = [max(len(row[column]) for row in [titles, *rows]) for column in range(last)]
    rest = 60 if width is None else max(width - sum(widths) - 2 * last, 12)
    yield [("  ".join([*(f"{title:<{w}}" for title, w in zip(titles, widths, strict=False)), titles[last]]), "dim")]
    for row, row_styles in zip(rows, styles, strict=True):
        cells = [f"{cell:<{w}}  " for cell, w in zip(row, widths, strict=False)] + [cut(row[last], rest)]
        yield list(zip(cells, row_styles, strict=True))


def figures(titles: Sequence[str], rows: Sequence[Sequence[str] | str]) -> Iterator[Line]:
    """Figures below titles, right under right; the first column names the row. A row that is text is a remark."""
    widths = [max(map(len, column)) for column in zip(titles, *_cells(rows), strict=True)]
    for number, row in enumerate([titles, *rows]):
        if isinstance(row, str):
            yield [(row, "dim")]
            continue
        name, *texts = row
        right = "".join(f"  {text:>{width}}" for text, width in zip(texts, widths[1:], strict=True))
        yield [(f"{name:<{widths[0]}}", "dim" if number == 0 else "strong"), (right, "dim" if number == 0 else "")]


def _cells(rows: Sequence[Sequence[str] | str]) -> Iterator[Sequence[str]]:
    return (row for row in rows if not isinstance(row, str))
