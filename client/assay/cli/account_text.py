"""How one's own account reads on a terminal: pure functions like those of text.py."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from assay.account import Account
from assay.admin import ApiKey
from assay.cli.text import Line, age, plural, roughly, safe

SKEW = timedelta(seconds=30)
"""A clock that is further off than that makes times hard to read."""


def account(found: Account, address: str, now: datetime) -> Iterator[Line]:
    """`now`: by the clock here."""
    yield [(safe(found.user_id), "id"), (f"  {found.role.value.lower()}", "strong")]
    limits = found.limits
    rows = (
        ("key", _key(found.key, found.server_time or now) if found.key else "a token of a sign-in service"),
        ("submissions", _submissions(found)),
        ("waiting", _of(found.pending, limits.max_pending)),
        ("running", _of(found.running, limits.max_running)),
        ("weight", f"{limits.weight:g}" if limits.weight not in {None, 1.0} else ""),
        ("server", f"{safe(address)}, version {safe(found.server_version)}"),
    )
    for name, shown in rows:
        if shown:
            yield [(f"  {name:<12} ", "dim"), (shown, "")]
    if found.server_time is not None and abs(now - found.server_time) > SKEW:
        off = roughly(abs(now - found.server_time))
        way = "ahead of" if now > found.server_time else "behind"
        yield [(f"  the clock here is {off} {way} the server's", "warn")]


def _key(key: ApiKey, now: datetime) -> str:
    name = f" ({safe(key.name)})" if key.name else ""
    ends = f", ends in {roughly(key.expires - now)}" if key.expires else ""
    return f"{key.id}{name}, made {age(key.created, now)}{ends}"


def _submissions(found: Account) -> str:
    if found.submissions_left is None:
        return "no limit"
    most = f"of {plural(found.limits.submissions_per_hour or 0, 'test')} in any 60 minutes"
    if found.submissions_left:
        return f"{found.submissions_left:,} left {most}"
    wait = f"; the next one in {roughly(found.next_submission_in)}" if found.next_submission_in is not None else ""
    return f"none left {most}{wait}"


def _of(count: int, most: int | None) -> str:
    return f"{count:,} of at most {most:,}" if most else f"{count:,}"
