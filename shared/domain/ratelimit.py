"""The rate of submissions: so many in any 60 minutes, as a sliding log of their times.

The store applies the rule in one conditional update (`shared.store.admissions`): an entry is added where the log is not
full, and what has left the window is removed when it is. So the log may hold entries that do not count any more, never
fewer than those that do.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

WINDOW: Final = timedelta(minutes=60)


def left_by(now: datetime) -> datetime:
    """What was submitted at this time or before has left the window."""
    return now - WINDOW


def counted(times: Iterable[datetime], now: datetime) -> list[datetime]:
    """Those of the submissions that still count, oldest first."""
    return sorted(at for at in times if at > left_by(now))


def room_at(times: Iterable[datetime], limit: int, now: datetime) -> datetime:
    """When the next submission is let in: `now` where there is room, else when enough have left the window.

    More than `limit` may be in it where the limit was lowered."""
    inside = counted(times, now)
    return now if len(inside) < limit else inside[len(inside) - limit] + WINDOW
