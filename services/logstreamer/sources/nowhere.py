"""Output that nobody can read any more: there is nothing, and nothing will come."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue

from services.logstreamer.ports import Batch, Cursor


class Nowhere:
    """A source and its feed in one."""

    def reads(self, log_source: Mapping[str, JsonValue]) -> bool:
        """Everything, in a way."""
        return True

    def follow(self, log_source: Mapping[str, JsonValue], cursor: Cursor, *, since: datetime) -> Nowhere:
        """Nothing."""
        return self

    async def read(self, *, wait_s: float) -> Batch:
        """Nothing."""
        return Batch([], {})

    def reread(self, cursor: Cursor) -> None:
        """Would not help."""

    def gives_up(self, stopped_for_s: float) -> bool:
        """At once."""
        return True

    def close(self) -> None:
        """Holds nothing."""
