"""Facts about what people with power did: for whoever keeps them where those people cannot reach.

`user_id` is who did it. The subject ends in the id of the entry: `audit.<fact>.<user>.<entry>`.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from shared.events.base import Event
from shared.ids import TestId, UserId


class AuditEvent(Event):
    """A fact about one entry of the audit log."""

    test_id: TestId = Field(default=TestId(""), description="the test, where it was done to one")
    audit_id: str = Field(description="id of the entry, aud_...")
    action: str = Field(description="what was done, by the name of the method: PauseQueue, GetTest")
    target_kind: str = Field(default="", description="what it was done to: test, package, user, api_key, queue ...")
    target_id: str = Field(default="", description="its id; `*` for everybody's")
    owner: UserId = Field(default=UserId(""), description="whose it is")

    @property
    def about(self) -> str:
        return self.audit_id


class AuditAttempted(AuditEvent):
    """Somebody is about to change something that only an admin may change, or something of another user's; or reads
    what is another user's. Written before it is done."""

    type: ClassVar[str] = "audit.attempted"
    told_by: ClassVar[str] = "gateway"
    key_id: str = Field(default="", description="public id of the API key; empty for a token of a sign-in service")
    peer: str = Field(default="", description="the address that it came from")
    changes: bool = Field(description="whether it changes something; else it only reads, and no end of it is told")
    status: str = Field(
        default="",
        description="of what has no end of its own: OK, or PERMISSION_DENIED where only an admin may do it",
    )


class AuditConcluded(AuditEvent):
    """What became of the change that was attempted."""

    type: ClassVar[str] = "audit.concluded"
    told_by: ClassVar[str] = "gateway"
    status: str = Field(description="OK, or the status of the error that it ended with")
