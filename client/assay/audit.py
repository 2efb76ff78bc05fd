"""The audit log, as the SDK gives it: who did what with the power of an admin.

Owns names and meaning of the fields; admin_messages.py makes them from the API's messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from assay.admin import PageOptions
from assay.plain import plain


class AuditOutcome(StrEnum):
    """What became of it. REFUSED: nothing was done. UNKNOWN: it was begun, and may have been done: nothing is known of
    its end, or something broke on the way (then with a status)."""

    UNKNOWN = "UNKNOWN"
    DONE = "DONE"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class AuditChange:
    """A value that was changed, as text."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry: `user_id` did `action` to what `target_kind`, `target_id` and `owner_id` name (`*` is everybody's).

    `ended` is None for what was only read, and where the end is not known."""

    id: str
    time: datetime | None
    action: str
    user_id: str
    key_id: str
    peer: str
    user_agent: str
    target_kind: str
    target_id: str
    owner_id: str
    changes: tuple[AuditChange, ...]
    outcome: AuditOutcome
    status: str
    message: str
    ended: datetime | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON: times as ISO 8601 in UTC."""
        value: dict[str, Any] = plain(self)
        return value


@dataclass(frozen=True, slots=True)
class AuditPage:
    """One page of a list. `next_page_token` is empty on the last one."""

    entries: tuple[AuditEntry, ...]
    next_page_token: str


class AuditOptions(PageOptions, total=False):
    """Which entries. user_id: what this user did. owner_id: what was done to this user's things. action: by this
    method, such as "CreateApiKey". since, until: a time, or how long ago."""

    user_id: str
    owner_id: str
    action: str
    since: datetime | timedelta
    until: datetime | timedelta
