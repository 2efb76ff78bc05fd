"""Which methods of the API leave an entry in the audit log, and what it names. A method without a row is refused by a
test, so that a new one is thought about.

Pure: from a request and a caller to what it is about. Things of other users that a method looks up by their id are
noted where they are looked up (`fetch.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from assay.v1.admin_service_pb2 import ROLE_ADMIN
from services.gateway.caller import Caller
from shared.ids import UserId
from shared.store.audit import AuditChange, AuditTarget

EVERYBODY: Final = "*"
LONGEST: Final = 200
"""Characters of what a request names that is kept: it may be anything before it is checked."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a method is to the audit log."""

    changes: bool = False
    """Else it only reads."""
    about: Callable[[Any], AuditTarget] | None = None
    """What every call of it is about; None where only things of others count."""
    listed: Callable[[Any, Caller], AuditTarget | None] | None = None
    """Whose things a call that names none by its id is about; None where they are the caller's own."""
    asks: Callable[[Any], list[AuditChange]] | None = None
    """What a change asks for."""

    def target(self, request: Any, caller: Caller) -> AuditTarget | None:
        """What this call is about, as far as its request says it."""
        if self.about is not None:
            return self.about(request)
        return self.listed(request, caller) if self.listed is not None else None


def _whole(kind: str) -> Callable[[Any], AuditTarget]:
    def about(_request: Any) -> AuditTarget:
        return AuditTarget(kind=kind)

    return about


def _user(kind: str) -> Callable[[Any], AuditTarget]:
    def about(request: Any) -> AuditTarget:
        return AuditTarget(kind=kind, owner=UserId(_cut(request.user_id)))

    return about


def _revoked(request: Any) -> AuditTarget:
    return AuditTarget(kind="api_key", id=_cut(request.key_id) or EVERYBODY, owner=UserId(_cut(request.user_id)))


def _listed(
    kind: str, *, filtered: bool = False, everybody: bool = True
) -> Callable[[Any, Caller], AuditTarget | None]:
    """A list: of somebody else or of everybody, where an admin asks for it."""

    def listed(request: Any, caller: Caller) -> AuditTarget | None:
        given = request.filter if filtered else request
        named = getattr(given, "user_id", "")
        if not caller.admin or named == caller.user_id or getattr(given, "own", False):
            return None
        if not named and not everybody and not getattr(request, "everybody", False):
            return None
        return AuditTarget(kind=kind, id=EVERYBODY, owner=UserId(_cut(named)))

    return listed


def _key_asked(request: Any) -> list[AuditChange]:
    given = {field.name: value for field, value in request.ListFields()}
    ttl = given.get("ttl")
    return [
        AuditChange(field="name", after=_cut(request.name)),
        AuditChange(field="role", after="admin" if request.role == ROLE_ADMIN else "user"),
        AuditChange(field="ttl_s", after=str(ttl.seconds) if ttl is not None else "for ever"),
    ]


def _limits_asked(request: Any) -> list[AuditChange]:
    named = list(request.update_mask.paths)[:8]
    given = {field.name: str(value) for field, value in request.overrides.ListFields()}
    return [AuditChange(field=_cut(name), after=given.get(name, "default")) for name in named or given]


_READS: Final = Row()
AUDITED: Final[Mapping[str, Row | None]] = {
    # -- TestService
    "SubmitTest": None,
    "UploadArchive": None,
    "DownloadFile": _READS,
    "GetTest": _READS,
    "ListTests": Row(listed=_listed("test", filtered=True)),
    "WatchTest": _READS,
    "WatchTests": Row(listed=_listed("test", filtered=True)),
    "StreamLogs": _READS,
    "GetLogs": _READS,
    "SearchLogs": _READS,
    "CancelTest": Row(changes=True),
    "RetryTest": Row(changes=True),
    "ArchiveTests": Row(
        changes=True,
        listed=_listed("test", filtered=True, everybody=False),
        asks=lambda request: [AuditChange(field="validate_only", after="true")] if request.validate_only else [],
    ),
    "GetRetryChain": _READS,
    "GetAgentStats": Row(listed=lambda request, caller: None if request.test_id else _listed("agent")(request, caller)),
    "ListAgents": Row(listed=_listed("agent")),
    # -- PackageService
    "GeneratePackage": Row(changes=True),
    "GetPackage": _READS,
    "ListPackages": Row(listed=_listed("package", filtered=True)),
    "RefreshDownloadUrl": _READS,
    "TrackDownload": _READS,
    # -- QueueService, AccountService: nothing of others but what everybody sees
    "GetQueueStatus": None,
    "WatchQueue": None,
    "ListQueue": None,
    "GetAccount": None,
    # -- AdminService
    "GetSystemHealth": None,  # has to answer while the store is down, and shows nothing of a user
    "GetUsage": None,  # figures
    "GetCostReport": None,
    "GetUserLimits": None,
    "CreateApiKey": Row(changes=True, about=_user("api_key"), asks=_key_asked),
    "ListApiKeys": Row(listed=_listed("api_key")),
    "RevokeApiKey": Row(changes=True, about=_revoked),
    "SetUserLimits": Row(changes=True, about=_user("limits"), asks=_limits_asked),
    "SetCapacity": Row(
        changes=True,
        about=_whole("queue"),
        asks=lambda request: [AuditChange(field="capacity", after=str(request.capacity))],
    ),
    "PauseQueue": Row(
        changes=True,
        about=_whole("queue"),
        asks=lambda request: [AuditChange(field="reason", after=_cut(request.reason))],
    ),
    "ResumeQueue": Row(changes=True, about=_whole("queue")),
    "ListDeadLetters": Row(about=_whole("dead_letter")),
    "ReplayDeadLetter": Row(
        changes=True,
        about=lambda request: AuditTarget(kind="dead_letter", id=EVERYBODY if request.all else _cut(request.letter_id)),
    ),
    "ListAudit": Row(about=_whole("audit")),
}


def _cut(text: str) -> str:
    return text[:LONGEST]
