"""How the audit log reads on a terminal: pure functions like those of text.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from assay.audit import AuditEntry, AuditOutcome
from assay.cli.table_text import columns
from assay.cli.text import Line, age, cut, safe

_STYLES = {AuditOutcome.DONE: "", AuditOutcome.REFUSED: "bad", AuditOutcome.UNKNOWN: "warn"}


def entries(found: Sequence[AuditEntry], now: datetime, width: int | None) -> Iterator[Line]:
    """Entries as rows."""
    rows = [
        (
            age(entry.time, now),
            safe(entry.user_id),
            safe(entry.action),
            _target(entry),
            entry.outcome.lower() if entry.outcome is not AuditOutcome.REFUSED else safe(entry.status),
            safe(entry.peer) or "-",
            cut(safe(_changes(entry)), 80) or "-",
        )
        for entry in found
    ]
    titles = ("WHEN", "WHO", "DID", "TO", "OUTCOME", "FROM", "CHANGES")
    styles = [("dim", "id", "strong", "", _STYLES[entry.outcome], "dim", "") for entry in found]
    yield from columns(titles, rows, styles, width)


def told(entry: AuditEntry) -> Line:
    """One entry as it comes."""
    refused = entry.outcome is AuditOutcome.REFUSED
    return [
        (f"{entry.time:%Y-%m-%d %H:%M:%S}Z" if entry.time else "-", "dim"),
        (f"  {safe(entry.user_id)}", "id"),
        (f"  {safe(entry.action)}", "strong"),
        (f"  {_target(entry)}", ""),
        (f"  {safe(entry.status) if refused else entry.outcome.lower()}", _STYLES[entry.outcome]),
        (f"  {safe(_changes(entry))}" if entry.changes else "", ""),
        (f"  from {safe(entry.peer)}" if entry.peer else "", "dim"),
    ]


def _target(entry: AuditEntry) -> str:
    whose = f" of {entry.owner_id}" if entry.owner_id else ""
    return safe(" ".join(part for part in (entry.target_kind, entry.target_id) if part) + whose)


def _changes(entry: AuditEntry) -> str:
    return ", ".join(
        f"{one.field} {one.before} -> {one.after}" if one.before else f"{one.field} {one.after}"
        for one in entry.changes
    )
