"""Who calls: set by the interceptor for the time of a call, read by the rpc modules and handed on as an argument."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

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


class Trail(Protocol):
    """What the call leaves in the audit log (audit.trail.Trail)."""

    async def touch(self, kind: str, name: str, owner: UserId) -> None:
        """Something of a user's is about to be used; another user's is noted before."""
        ...

    def changed(self, field: str, before: object, after: object) -> None:
        """What a value was, and what it is now."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One call under way."""

    caller: Caller
    traceparent: str
    trail: Trail | None = None


CALL: Final[ContextVar[Call]] = ContextVar("assay_gateway_call")


async def touch(kind: str, name: str, owner: UserId) -> None:
    """Notes in the audit log, before it is done, that the call under way uses something of another user."""
    call = CALL.get(None)
    if call is not None and call.trail is not None:
        await call.trail.touch(kind, name, owner)


def changed(field: str, before: object, after: object) -> None:
    """Notes what the call under way has changed. Neither value may be a secret."""
    call = CALL.get(None)
    if call is not None and call.trail is not None:
        call.trail.changed(field, before, after)
