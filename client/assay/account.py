"""Who is calling, and what is left to them, as the SDK gives it. Made from the API's message here, too."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from assay.admin import ApiKey, Role, UserLimits
from assay.admin_messages import api_key, limits, role
from assay.plain import plain
from assay.translate import moment, span
from assay.v1 import account_service_pb2 as pb


@dataclass(frozen=True, slots=True)
class Account:
    """The caller's own account. `key` is None for a token of a sign-in service.

    limits: what holds, defaults filled in. submissions_left: in this hour, None where there is no limit.
    next_submission_in: until one more is left, None while some are. pending, running: own tests that wait, that hold a
    slot. server_time: a clock elsewhere may be wrong."""

    user_id: str
    role: Role
    key: ApiKey | None
    limits: UserLimits
    submissions_left: int | None
    next_submission_in: timedelta | None
    pending: int
    running: int
    server_version: str
    server_time: datetime | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON: times as ISO 8601 in UTC, durations as seconds in fields that end in `_s`."""
        value: dict[str, Any] = plain(self)
        return value


def account(message: pb.GetAccountResponse) -> Account:
    return Account(
        user_id=message.user_id,
        role=role(message.role),
        key=api_key(message.key) if message.HasField("key") else None,
        limits=limits(message.limits),
        submissions_left=message.submissions_left if message.HasField("submissions_left") else None,
        next_submission_in=span(message, "next_submission_in"),
        pending=message.pending,
        running=message.running,
        server_version=message.server_version,
        server_time=moment(message, "server_time"),
    )
