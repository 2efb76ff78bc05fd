"""What one call leaves in the audit log. An entry is stored before what it tells of is done: where it cannot be stored,
the call fails and nothing is done.

What is only read is noted once a minute for each caller, method and thing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from services.gateway.audit.audited import AUDITED, EVERYBODY, Row
from services.gateway.caller import Caller
from services.gateway.ports import AuditStore
from shared.clock import Clock
from shared.events.audit import AuditAttempted, AuditConcluded
from shared.ids import TEST_ID, TestId, UserId, new_audit_id
from shared.store.audit import AuditActor, AuditChange, AuditEntry, AuditOutcome, AuditTarget
from shared.store.connect import StoreError

log = structlog.get_logger()

OK: Final = "OK"
DENIED: Final = "PERMISSION_DENIED"
READS_EVERY: Final = timedelta(minutes=1)
MOST_REMEMBERED: Final = 10_000
LONGEST_AGENT: Final = 200


class Audit:
    """The audit log, as calls write to it."""

    def __init__(self, store: AuditStore, clock: Clock, *, keep: timedelta | None) -> None:
        self._store = store
        self._clock = clock
        self._keep = keep
        self._noted: dict[tuple[str, ...], datetime] = {}

    def of(self, method: str, caller: Caller, context: Any, traceparent: str) -> Trail:
        """The trail of a call that was let in."""
        return Trail(self, AUDITED.get(method), method, caller, context, traceparent)

    async def denied(self, method: str, caller: Caller, context: Any, traceparent: str) -> None:
        """Somebody without the role asked for what only admins may."""
        trail = Trail(self, Row(), method, caller, context, traceparent)
        await self._once_a_minute(trail, AuditTarget(kind="method", id=method), DENIED)

    async def read(self, trail: Trail, target: AuditTarget) -> None:
        """Something of another user is about to be read."""
        await self._once_a_minute(trail, target, OK)

    async def add(self, entry: AuditEntry, *, changes: bool, traceparent: str) -> None:
        """Stores an entry. Raises StoreError where that cannot be done."""
        told = AuditAttempted(
            **_named(entry, entry.at),
            key_id=entry.actor.key_id,
            peer=entry.actor.peer,
            changes=changes,
            status=entry.status,
        )
        await self._store.attempt(entry, told, traceparent)

    async def end(
        self, entry: AuditEntry, status: str, message: str, detail: list[AuditChange], traceparent: str
    ) -> None:
        """Stores what became of an entry. What was done is done: where this cannot be stored, the entry tells of it
        without its end."""
        at = self._clock.now()
        outcome = AuditOutcome(
            id="", of=entry.id, at=at, status=status, message=message, detail=detail, expires_at=self.expiry(at)
        )
        told = AuditConcluded(**_named(entry, at), status=status)
        try:
            await self._store.conclude(entry, outcome, told, traceparent)
        except StoreError as error:
            log.warning("audit_outcome_not_stored", audit_id=entry.id, status=status, error=repr(error))

    def now(self) -> datetime:
        return self._clock.now()

    def expiry(self, at: datetime) -> datetime | None:
        return None if self._keep is None else at + self._keep

    async def _once_a_minute(self, trail: Trail, target: AuditTarget, status: str) -> None:
        """Adds an entry unless the same was stored a moment ago. One that could not be stored is not remembered, and
        none while it is on its way: two calls at the same moment may leave two."""
        caller, now = trail.caller, self._clock.now()
        name = (caller.user_id, caller.key_id, trail.method, target.kind, target.id, target.owner, status)
        before = self._noted.get(name)
        if before is not None and now - before < READS_EVERY:
            return
        await self.add(trail.entry(target, status=status), changes=False, traceparent=trail.traceparent)
        self._noted.pop(name, None)
        while len(self._noted) >= MOST_REMEMBERED:
            del self._noted[next(iter(self._noted))]  # the oldest: a dictionary keeps its order
        self._noted[name] = now


class Trail:
    """What one call has to leave behind."""

    __slots__ = ("_audit", "_changes", "_context", "_entries", "_row", "caller", "method", "traceparent")

    def __init__(
        self, audit: Audit, row: Row | None, method: str, caller: Caller, context: Any, traceparent: str
    ) -> None:
        self._audit = audit
        self._row = row
        self.method = method
        self.caller = caller
        self.traceparent = traceparent
        self._context = context
        self._entries: list[AuditEntry] = []
        self._changes: list[AuditChange] = []

    async def begin(self, request: Any) -> None:
        """The call is about to begin. Raises StoreError where it leaves a trace that cannot be stored."""
        target = self._row.target(request, self.caller) if self._row is not None else None
        if self._row is not None and target is not None:
            await self._touch(target, self._row.asks(request) if self._row.asks else [])

    async def touch(self, kind: str, name: str, owner: UserId) -> None:
        """Something of a user's is about to be used by this call. Raises StoreError as `begin` does."""
        if owner != self.caller.user_id and self._row is not None:
            await self._touch(AuditTarget(kind=kind, id=name, owner=owner), [])

    def changed(self, field: str, before: object, after: object) -> None:
        """What a value was, and what it is now."""
        self._changes.append(AuditChange(field=field, before=str(before), after=str(after)))

    async def end(self, status: str, message: str = "") -> None:
        """The call has ended with this status."""
        for entry in self._entries:
            await self._audit.end(entry, status, message[:500], self._changes, self.traceparent)

    async def _touch(self, target: AuditTarget, asked: list[AuditChange]) -> None:
        if self._row is None or not self._row.changes:
            await self._audit.read(self, target)
        elif all(entry.target != target for entry in self._entries):
            entry = self.entry(target, detail=asked)
            await self._audit.add(entry, changes=True, traceparent=self.traceparent)
            self._entries.append(entry)

    def entry(self, target: AuditTarget, *, detail: list[AuditChange] | None = None, status: str = "") -> AuditEntry:
        at = self._audit.now()
        actor = AuditActor(
            user_id=self.caller.user_id,
            key_id=self.caller.key_id,
            peer=_host(self._context.peer()),
            user_agent=_agent(self._context),
        )
        return AuditEntry(
            id=new_audit_id(),
            at=at,
            action=self.method,
            actor=actor,
            target=target,
            detail=detail or [],
            status=status,
            expires_at=self._audit.expiry(at),
        )


def _named(entry: AuditEntry, at: datetime) -> dict[str, Any]:
    target = entry.target
    return {
        "audit_id": entry.id,
        "user_id": entry.actor.user_id,
        "at": at,
        "action": entry.action,
        "target_kind": target.kind,
        "target_id": target.id or (EVERYBODY if not target.owner else ""),
        "owner": target.owner,
        "test_id": TestId(target.id if TEST_ID.fullmatch(target.id) else ""),
    }


def _host(peer: str) -> str:
    """The address without the port, which says nothing later: `ipv4:10.0.0.1:51234`, `ipv6:%5B::1%5D:51234`."""
    return peer.rpartition(":")[0] if peer.startswith(("ipv4:", "ipv6:")) else peer


def _agent(context: Any) -> str:
    for name, value in context.invocation_metadata() or ():
        if name == "user-agent":
            return str(value)[:LONGEST_AGENT]
    return ""
