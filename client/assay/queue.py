"""Figures of the queue, as the SDK gives them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from assay.plain import plain


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
