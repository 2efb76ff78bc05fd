"""What the readers need of CloudWatch Logs, and the three ways in which it says no."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Protocol

from shared.aws.logs import LogEvent


class StreamMissing(Exception):
    """One of these streams does not exist, or cannot be read; which one is not said."""


class GroupMissing(Exception):
    """The log group does not exist."""


class NotNow(Exception):
    """Throttled, no answer, no permission: nothing is known, ask again later."""


class Reach(Protocol):
    """One region's CloudWatch Logs."""

    def pages(self, group: str, streams: Sequence[str], *, start_ms: int) -> AsyncGenerator[list[LogEvent]]:
        """All events of these streams from `start_ms` (since 1970) on, page after page, by time stamp.

        Raises StreamMissing, GroupMissing, NotNow."""
        ...

    def close(self) -> None:
        """Lets go of the connections."""
        ...


OpenReach = Callable[[str], Awaitable[Reach]]
"""Opens the way to a region. Raises NotNow."""
