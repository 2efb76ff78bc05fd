"""ListAudit: the audit log, newest first."""

from __future__ import annotations

from typing import Final

from assay.v1 import admin_service_pb2 as pb
from services.gateway.audit.audited import AUDITED, EVERYBODY
from services.gateway.audit.trail import OK
from services.gateway.errors import Violations
from services.gateway.history.scope import check_user_id
from services.gateway.paging import ENTRIES, page_token, place_of
from services.gateway.ports import AuditStore
from services.gateway.times import moment
from services.gateway.translate import timestamp
from shared.ids import UserId
from shared.store.audit import AuditChange, Audited

PREFIX: Final = "aud_"
UNSURE: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL"})
"""What a call ends with that broke: it may have been done before that, in whole or in part."""


class AuditListing:
    """ListAudit."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store

    async def page(self, request: pb.ListAuditRequest) -> pb.ListAuditResponse:
        """Raises InvalidRequest with everything that is wrong."""
        violations = Violations()
        ENTRIES.check(request.page_size, violations)
        check_user_id(request.user_id, "user_id", violations)
        check_user_id(request.owner_id, "owner_id", violations)
        if request.action and request.action not in AUDITED and not request.action.startswith("assay-admin "):
            violations.add("action", "must be the name of a method of the API, such as CreateApiKey or GetTest")
        since = moment(request, "from_time", "from_time", violations)
        until = moment(request, "to_time", "to_time", violations)
        violations.raise_if_any()
        seal = f"audit\0{request.user_id}\0{request.owner_id}\0{request.action}".encode()
        size = ENTRIES.of(request.page_size)
        found = await self._store.page(
            user=UserId(request.user_id) if request.user_id else None,
            owner=UserId(request.owner_id) if request.owner_id else None,
            action=request.action,
            since=since,
            until=until,
            before=place_of(request.page_token, seal, PREFIX),
            limit=size + 1,
        )
        more = len(found) > size
        return pb.ListAuditResponse(
            entries=[_message(one) for one in found[:size]],
            next_page_token=page_token(seal, found[size - 1].entry.id) if more else "",
        )


def _message(found: Audited) -> pb.AuditEntry:
    entry, outcome = found
    status = outcome.status if outcome is not None else entry.status
    before = {change.field: change for change in outcome.detail} if outcome is not None else {}
    detail = {change.field: change for change in entry.detail} | before
    return pb.AuditEntry(
        id=entry.id,
        time=timestamp(entry.at),
        action=entry.action,
        user_id=entry.actor.user_id,
        key_id=entry.actor.key_id,
        peer=entry.actor.peer,
        user_agent=entry.actor.user_agent,
        target_kind=entry.target.kind,
        target_id=entry.target.id or ("" if entry.target.owner else EVERYBODY),
        owner_id=entry.target.owner,
        changes=[_change(change) for change in detail.values()],
        outcome=_outcome(status),
        status=status,
        message=outcome.message if outcome is not None else "",
        end_time=timestamp(outcome.at if outcome is not None else None),
    )


def _outcome(status: str) -> pb.AuditOutcome.ValueType:
    if not status or status in UNSURE:
        return pb.AUDIT_OUTCOME_UNKNOWN
    return pb.AUDIT_OUTCOME_DONE if status == OK else pb.AUDIT_OUTCOME_REFUSED


def _change(change: AuditChange) -> pb.AuditChange:
    return pb.AuditChange(field=change.field, before=change.before, after=change.after)
