"""Who calls: set by the interceptor for the time of a call, read by the rpc modules and handed on as an argument."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.ids import UserId


@dataclass(frozen=True, slots=True)
class Caller:
    """The user behind an API key or a token."""

    user_id: UserId
    admin: bool = False
    until: datetime | None = None
    """When the key or the token ends by itself; None: never."""
    key_id: str = ""
    """Public id of the API key; empty for a token."""

    @property
    def scope(self) -> UserId | None:
        """Whose tests this caller may see; None for everybody's."""
        return None if self.admin else self.user_id


@dataclass(frozen=True, slots=True)
class Call:
    """One call under way."""

    caller: Caller
    traceparent: str


CALL: Final[ContextVar[Call]] = ContextVar("assay_gateway_call")
