"""What administrators look after, between the SDK's values and the API's messages. Owns how the messages look."""

from __future__ import annotations

from datetime import timedelta

from google.protobuf.field_mask_pb2 import FieldMask

from assay.admin import (
    ApiKey,
    CreatedKey,
    DeadLetter,
    KeyPage,
    LetterPage,
    LimitChanges,
    RemainingLetter,
    Replayed,
    Revoked,
    Role,
    UserLimits,
    UserLimitsReport,
)
from assay.audit import AuditChange, AuditEntry, AuditOptions, AuditOutcome, AuditPage
from assay.requests import duration, number, timestamp
from assay.translate import moment
from assay.v1 import admin_service_pb2 as pb

_ROLES: dict[int, Role] = {pb.ROLE_USER: Role.USER, pb.ROLE_ADMIN: Role.ADMIN}
_OUTCOMES: dict[int, AuditOutcome] = {
    pb.AUDIT_OUTCOME_DONE: AuditOutcome.DONE,
    pb.AUDIT_OUTCOME_REFUSED: AuditOutcome.REFUSED,
}
LONG_S = 300.0
"""How long sending all dead letters again may take."""


def create_key(user_id: str, name: str, role: Role | str, ttl: timedelta | None) -> pb.CreateApiKeyRequest:
    """Raises ValueError for a role that there is not."""
    return pb.CreateApiKeyRequest(
        user_id=user_id,
        name=name,
        role=number(pb.Role, "ROLE_", role),
        ttl=None if ttl is None else duration(ttl),
    )


def change_limits(user_id: str, changes: LimitChanges) -> pb.SetUserLimitsRequest:
    return pb.SetUserLimitsRequest(
        user_id=user_id, overrides=pb.UserLimits(**changes), update_mask=FieldMask(paths=sorted(changes))
    )


def set_limits(user_id: str, limits: UserLimits) -> pb.SetUserLimitsRequest:
    return pb.SetUserLimitsRequest(
        user_id=user_id,
        overrides=pb.UserLimits(
            submissions_per_hour=limits.submissions_per_hour,
            max_pending=limits.max_pending,
            max_running=limits.max_running,
            weight=limits.weight,
        ),
    )


def created_key(message: pb.CreateApiKeyResponse) -> CreatedKey:
    return CreatedKey(api_key(message.key), message.secret)


def revoked(message: pb.RevokeApiKeyResponse) -> Revoked:
    return Revoked(message.revoked_count, api_key(message.key) if message.HasField("key") else None)


def key_page(message: pb.ListApiKeysResponse) -> KeyPage:
    return KeyPage(tuple(api_key(key) for key in message.keys), message.next_page_token)


def limits_report(message: pb.GetUserLimitsResponse | pb.SetUserLimitsResponse) -> UserLimitsReport:
    return UserLimitsReport(limits(message.overrides), limits(message.effective))


def limits(message: pb.UserLimits) -> UserLimits:
    return UserLimits(
        submissions_per_hour=message.submissions_per_hour if message.HasField("submissions_per_hour") else None,
        max_pending=message.max_pending if message.HasField("max_pending") else None,
        max_running=message.max_running if message.HasField("max_running") else None,
        weight=message.weight if message.HasField("weight") else None,
    )


def letter_page(message: pb.ListDeadLettersResponse) -> LetterPage:
    return LetterPage(
        tuple(_letter(letter) for letter in message.letters), message.next_page_token, message.total_count
    )


def replayed(message: pb.ReplayDeadLetterResponse) -> Replayed:
    remaining = tuple(RemainingLetter(letter.id, letter.reason) for letter in message.remaining)
    return Replayed(message.replayed_count, message.remaining_count, remaining)


def audit_request(options: AuditOptions) -> pb.ListAuditRequest:
    return pb.ListAuditRequest(
        page_size=options.get("page_size", 0),
        page_token=options.get("page_token", ""),
        user_id=options.get("user_id", ""),
        owner_id=options.get("owner_id", ""),
        action=options.get("action", ""),
        from_time=timestamp(options["since"]) if "since" in options else None,
        to_time=timestamp(options["until"]) if "until" in options else None,
    )


def audit_page(message: pb.ListAuditResponse) -> AuditPage:
    return AuditPage(tuple(_audit_entry(entry) for entry in message.entries), message.next_page_token)


def role(number: int) -> Role:
    return _ROLES.get(number, Role.UNKNOWN)


def api_key(message: pb.ApiKey) -> ApiKey:
    return ApiKey(
        id=message.id,
        user_id=message.user_id,
        name=message.name,
        role=role(message.role),
        prefix=message.prefix,
        created=moment(message, "create_time"),
        expires=moment(message, "expire_time"),
        revoked=moment(message, "revoke_time"),
        last_used=moment(message, "last_use_time"),
    )


def _letter(message: pb.DeadLetter) -> DeadLetter:
    return DeadLetter(
        id=message.id,
        subject=message.subject,
        service=message.service,
        reason=message.reason,
        deliveries=message.delivery_count,
        time=moment(message, "time"),
        payload_json=message.payload_json,
    )


def _audit_entry(message: pb.AuditEntry) -> AuditEntry:
    return AuditEntry(
        id=message.id,
        time=moment(message, "time"),
        action=message.action,
        user_id=message.user_id,
        key_id=message.key_id,
        peer=message.peer,
        user_agent=message.user_agent,
        target_kind=message.target_kind,
        target_id=message.target_id,
        owner_id=message.owner_id,
        changes=tuple(AuditChange(one.field, one.before, one.after) for one in message.changes),
        outcome=_OUTCOMES.get(message.outcome, AuditOutcome.UNKNOWN),
        status=message.status,
        message=message.message,
        ended=moment(message, "end_time"),
    )
