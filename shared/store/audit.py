"""The audit log: what people with power did. Entries are added and never changed; the database removes them when their
time is over.

An entry is written before what it tells of, and what became of it is a document of its own beside it: a crash between
the two leaves an entry without an end, and never a deed without an entry. Only the outbox of a document is ever taken
out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from pydantic import Field
from pymongo import DESCENDING
from pymongo.errors import DuplicateKeyError

from shared.events.base import Event
from shared.events.letter import Letter
from shared.ids import UserId, first_audit_id
from shared.store import outbox
from shared.store.connect import Database
from shared.store.documents import Document, Part
from shared.store.outbox import Outbox

_END: Final = "_end"
_OURS: Final = {"outbox": 0}


class AuditActor(Part):
    """Who did it."""

    user_id: UserId
    key_id: str = ""
    """Public id of the API key; empty for a token of a sign-in service, and for `assay-admin`."""
    peer: str = ""
    user_agent: str = ""


class AuditTarget(Part):
    """What it was done to."""

    kind: str
    id: str = ""
    """`*`: everybody's."""
    owner: UserId = UserId("")


class AuditChange(Part):
    """A value that was changed, as text."""

    field: str
    before: str = ""
    after: str = ""


class AuditEntry(Part):
    """Something that was about to be done, or was refused, or was read."""

    id: str = Field(alias="_id")
    at: datetime
    action: str
    """The name of the method."""
    actor: AuditActor
    target: AuditTarget
    detail: list[AuditChange] = Field(default_factory=list)
    """What was asked for. What was there before is in the outcome."""
    status: str = ""
    """Only of an entry without an outcome of its own: OK for what was read, the status of what was refused."""
    expires_at: datetime | None = None


class AuditOutcome(Part):
    """What became of it."""

    id: str = Field(alias="_id")
    of: str
    """Id of the entry."""
    at: datetime
    status: str
    message: str = ""
    detail: list[AuditChange] = Field(default_factory=list)
    expires_at: datetime | None = None


class Audited(NamedTuple):
    """An entry and what became of it, as far as it is known."""

    entry: AuditEntry
    outcome: AuditOutcome | None


class AuditLog:
    """The collection of the audit log."""

    def __init__(self, database: Database, told: Callable[[Sequence[Letter]], None]) -> None:
        self._collection = database["audit"]
        self._outbox = Outbox(database, "audit")
        self._told = told
        """Called with the events of a write that succeeded, so that they are published at once."""

    async def attempt(self, entry: AuditEntry, telling: Event, traceparent: str = "") -> None:
        """Adds an entry. It is on a majority when this returns."""
        await self._add(entry, entry.id, telling, traceparent)

    async def conclude(self, entry: AuditEntry, outcome: AuditOutcome, telling: Event, traceparent: str = "") -> None:
        """Adds what became of an entry; the first one holds."""
        await self._add(outcome, entry.id + _END, telling, traceparent)

    async def page(
        self,
        *,
        user: UserId | None = None,
        owner: UserId | None = None,
        action: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        before: str | None = None,
        limit: int,
    ) -> list[Audited]:
        """At most `limit` entries, newest first, older than the entry `before`."""
        where: Document = {"action": action or {"$gt": ""}}  # outcomes have none
        if user is not None:
            where["actor.user_id"] = user
        if owner is not None:
            where["target.owner"] = owner
        ids: dict[str, Any] = {}
        if since is not None:
            ids["$gte"] = first_audit_id(since)
        if until is not None or before is not None:
            ids["$lt"] = min(filter(None, (before, first_audit_id(until) if until is not None else None)))
        if ids:
            where["_id"] = ids
        cursor = self._collection.find(where, _OURS).sort("_id", DESCENDING).limit(limit)
        entries = [AuditEntry.model_validate(found) async for found in cursor]
        ends = self._collection.find({"_id": {"$in": [entry.id + _END for entry in entries]}}, _OURS)
        outcomes = {found["of"]: AuditOutcome.model_validate(found) async for found in ends}
        return [Audited(entry, outcomes.get(entry.id)) for entry in entries]

    # -- the outbox (shared.bus.relay.Outboxes)

    async def clear(self, sent: Sequence[tuple[str, str]]) -> None:
        """Removes published events from their documents."""
        await self._outbox.clear(sent)

    async def unsent(self, before: datetime, limit: int) -> list[Letter]:
        """Events that were written before `before` and are still there."""
        return await self._outbox.unsent(before, limit)

    async def _add(self, part: Part, holder: str, telling: Event, traceparent: str) -> None:
        letter = Letter.of(telling, traceparent, holder=holder)
        document = part.model_dump(by_alias=True, exclude_none=True) | {"_id": holder}
        document["outbox"] = [outbox.entry(letter, telling.at)]
        try:
            await self._collection.insert_one(document)
        except DuplicateKeyError:
            return
        self._told([letter])
