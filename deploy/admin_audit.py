"""What `assay-admin` writes into the audit log before it makes a key without the API."""

from __future__ import annotations

import getpass
import socket
from datetime import datetime
from typing import Final

from shared.events.audit import AuditAttempted
from shared.ids import UserId, new_audit_id
from shared.store.audit import AuditActor, AuditChange, AuditEntry, AuditLog, AuditTarget
from shared.store.connect import Database

WHO: Final = UserId("assay-admin")


async def record_bootstrap(database: Database, user: UserId, role: str, now: datetime) -> None:
    """Adds the entry; a gateway publishes its event from the outbox."""
    action = "assay-admin bootstrap"
    entry = AuditEntry(
        id=new_audit_id(),
        at=now,
        action=action,
        actor=AuditActor(user_id=WHO, peer=socket.gethostname(), user_agent=f"assay-admin, by {_operator()}"),
        target=AuditTarget(kind="api_key", owner=user),
        detail=[AuditChange(field="role", after=role)],
        status="OK",
    )
    told = AuditAttempted(
        audit_id=entry.id,
        user_id=WHO,
        at=now,
        action=action,
        target_kind="api_key",
        owner=user,
        peer=entry.actor.peer,
        changes=True,
        status=entry.status,
    )
    await AuditLog(database, lambda _letters: None).attempt(entry, told)


def _operator() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        return "somebody"
