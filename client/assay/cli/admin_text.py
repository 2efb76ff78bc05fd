"""How API keys, limits and archived tests read on a terminal: pure functions like those of text.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from assay.admin import ApiKey, CreatedKey, Revoked, Role, UserLimitsReport
from assay.cli.table_text import columns
from assay.cli.text import Line, age, cut, plural, roughly, safe
from assay.tests import Archived

MOST_NAMED = 20  # tests that were skipped, one by one


def keys(found: Sequence[ApiKey], now: datetime, width: int | None) -> Iterator[Line]:
    """API keys as rows."""
    rows = [
        (
            key.id,
            safe(key.user_id),
            key.role.value,
            f"{safe(key.prefix)}…",
            age(key.created, now),
            age(key.last_used, now) if key.last_used else "never",
            _end(key, now),
            cut(safe(key.name), 40) or "-",
        )
        for key in found
    ]
    titles = ("KEY", "USER", "ROLE", "BEGINS", "CREATED", "LAST USED", "ENDS", "NAME")
    styles = [
        (
            *("id", "", "strong" if key.role is Role.ADMIN else ""),
            *("dim", "dim", "dim", "dim" if _works(key, now) else "bad", ""),
        )
        for key in found
    ]
    yield from columns(titles, rows, styles, width)


def _works(key: ApiKey, now: datetime) -> bool:
    return key.revoked is None and (key.expires is None or key.expires > now)


def _end(key: ApiKey, now: datetime) -> str:
    if key.revoked is not None:
        return f"revoked {age(key.revoked, now)}"
    if key.expires is None:
        return "never"
    return f"in {roughly(key.expires - now)}" if key.expires > now else f"expired {age(key.expires, now)}"


def created_key(made: CreatedKey) -> str:
    """What to know about a new key, beside its secret."""
    key = made.key
    until = f"until {key.expires.astimezone():%Y-%m-%d %H:%M}" if key.expires else "until it is revoked"
    return (
        f"This is the API key of {safe(key.user_id)} ({key.role.lower()}), {key.id}; it works {until}.\n"
        f"It is shown this once; keep it in a safe place. End it with: assay keys revoke {key.id}"
    )


def revoked(ended: Revoked, user_id: str) -> Line:
    """`user_id`: where all keys of a user were meant."""
    if user_id:
        some = f"{plural(ended.count, 'key')} of {safe(user_id)} revoked"
        return [(some if ended.count else f"{safe(user_id)} had no key left to revoke", "")]
    key = ended.key
    whose = f" of {safe(key.user_id)}" + (f" ({safe(key.name)})" if key.name else "") if key else ""
    line: Line = [(key.id if key else "", "id"), (f"  the key{whose} ", "")]
    return [*line, ("is revoked" if ended.count else "was revoked before", "")]


def limits(user_id: str, found: UserLimitsReport) -> Iterator[Line]:
    """What holds for a user, and what of it was set."""
    held, given = found.effective, found.overrides
    rows = (
        ("submissions", _count(held.submissions_per_hour, "in any 60 minutes"), given.submissions_per_hour),
        ("waiting", _count(held.max_pending, "at the same time"), given.max_pending),
        ("running", _count(held.max_running, "at the same time"), given.max_running),
        ("weight", "-" if held.weight is None else f"{held.weight:g}", given.weight),
    )
    width = max(len(shown) for _, shown, _ in rows)
    yield [(safe(user_id), "id")]
    for name, shown, override in rows:
        source = "default" if override is None else "set"
        yield [(f"  {name:<12} ", "dim"), (f"{shown:<{width}}", "strong"), (f"  {source}", "dim")]


def _count(limit: int | None, unit: str) -> str:
    if limit is None:
        return "-"
    return f"{limit:,} {unit}" if limit else "no limit"


def archived(done: Archived, reasons: Mapping[str, str], *, dry_run: bool) -> Iterator[Line]:
    """How many, and those that were named in vain. `reasons`: why some of them were skipped."""
    verb = "would be archived" if dry_run else "archived"
    yield [(f"{plural(done.count, 'test')} {verb}", "strong")]
    if not done.skipped:
        return
    yield [(f"{plural(len(done.skipped), 'test')} skipped:", "warn")]
    for test_id in done.skipped[:MOST_NAMED]:
        yield [(f"  {safe(test_id)}", "id"), (f"  {reasons.get(test_id, '')}", "")]
    if (more := len(done.skipped) - MOST_NAMED) > 0:
        yield [(f"  and {more:,} more; --json names them all", "dim")]
