"""How the notes on a result read on a terminal: what was called, and what of the answer was converted. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from assay.cli.text import Line, cut, safe
from assay.outcome import EntryPoint
from assay.tests import Test

SHOWN_CONVERSIONS = 5
_SHOWN_CANDIDATES = 5
_WIDTH = 160  # of what an agent's code names


def notes(test: Test, *, every: bool = False) -> Iterator[Line]:
    """What is worth knowing beside a verdict: without `every` no word of an entry point that was called as everybody
    expects."""
    entry = test.result.entry if test.result else None
    if entry is not None and entry.call and (every or not _as_expected(entry)):  # no call: it was refused
        yield [("  called ", "dim"), *called(entry)]
    yield from conversions(test)


def called(entry: EntryPoint) -> Line:
    """How it was called, and what else there was to call."""
    line: Line = [(cut(safe(entry.call or entry.name), _WIDTH), "")]
    if not entry.query_passed:
        line.append((" without the query", "warn"))
    if entry.candidates and not entry.named:
        names = [cut(safe(name), 60) for name in entry.candidates[:_SHOWN_CANDIDATES]]
        more = len(entry.candidates) - len(names)
        line.append((f"   also there: {', '.join(names)}{f' and {more} more' if more else ''}", "dim"))
    return line


def conversions(test: Test) -> Iterator[Line]:
    """Values of the answer that were not plain JSON."""
    found = test.result.conversions if test.result else ()
    for one in found[:SHOWN_CONVERSIONS]:
        yield [
            ("  converted ", "dim"),
            (cut(safe(one.path), 80), ""),
            (f"  {cut(safe(one.type), 80)} by {cut(safe(one.how), 80)}", "dim"),
        ]
    if len(found) > SHOWN_CONVERSIONS:
        yield [(f"  and {len(found) - SHOWN_CONVERSIONS} more (--json has all)", "dim")]


def _as_expected(entry: EntryPoint) -> bool:
    plain = entry.call == f"{entry.name.rpartition(':')[2]}(query)"
    return plain and entry.query_passed and (entry.named or not entry.candidates)
