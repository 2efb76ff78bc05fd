"""The queue as the SDK gives it: its figures, and what is in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from assay.plain import plain
from assay.tests import TestState


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """How the queue stands. `utilization` is the share of the slots in use; None: nothing to tell it from."""

    pending: int
    running: int
    capacity: int
    utilization: float
    average_wait: timedelta | None
    oldest_pending_age: timedelta | None
    paused: bool
    pause_reason: str
    own_pending: int
    own_running: int
    time: datetime | None

    @property
    def figures(self) -> QueueStatus:
        """All of it but when it was taken: what makes one message of a watch differ from the one before."""
        return replace(self, time=None)

    def to_dict(self) -> dict[str, Any]:
        value: dict[str, Any] = plain(self)
        return value


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A test that waits at `position` (1 is next) or holds a slot (0), `since` then.

    `test_id`, `user_id` and `name` are empty for tests of others, but for admins. `estimated_wait` is None where it
    cannot be told."""

    position: int
    test_id: str
    user_id: str
    name: str
    state: TestState
    priority: int
    since: datetime | None
    estimated_wait: timedelta | None
    own: bool

    def to_dict(self) -> dict[str, Any]:
        """For JSON: times as ISO 8601 in UTC, durations as seconds in fields that end in `_s`."""
        value: dict[str, Any] = plain(self)
        return value


@dataclass(frozen=True, slots=True)
class QueuePage:
    """One page of the queue: what waits, in the order in which slots are granted. The first page has what holds a slot,
    too, longest first, at most 100. `next_page_token` is empty on the last one."""

    running: tuple[QueueEntry, ...]
    waiting: tuple[QueueEntry, ...]
    next_page_token: str
