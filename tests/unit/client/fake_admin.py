# ruff: noqa: N802 - methods are called as in the .proto
"""AdminService of the small server of fake_server.py: keeps keys, limits and letters in lists, reports are put in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import Message

from assay.v1 import admin_service_pb2 as pb
from assay.v1 import queue_service_pb2
from assay.v1.admin_service_pb2_grpc import AdminServiceServicer

SECOND = 1_700_000_000
DEFAULTS = pb.UserLimits(submissions_per_hour=10, max_pending=100, max_running=0, weight=1.0)
Enter = Callable[[str, Message, Any], Awaitable[None]]


def a_key(key_id: str, user_id: str = "alice", **more: Any) -> pb.ApiKey:
    key = pb.ApiKey(id=key_id, user_id=user_id, role=pb.ROLE_USER, prefix="ask_1a2b", **more)
    key.create_time.FromSeconds(SECOND)
    return key


def an_audit_entry(audit_id: str, action: str, **more: Any) -> pb.AuditEntry:
    entry = pb.AuditEntry(id=audit_id, action=action, user_id="root", peer="ipv4:10.0.0.1", **more)
    entry.time.FromSeconds(SECOND)
    return entry


def a_health() -> pb.GetSystemHealthResponse:
    """A server of which the only scheduler is silent, and that could not read everything."""
    check, healthy, unhealthy = pb.HealthCheck, pb.HEALTH_STATE_HEALTHY, pb.HEALTH_STATE_UNHEALTHY
    found = pb.GetSystemHealthResponse(
        state=unhealthy,
        services=[
            pb.ServiceHealth(service="gateway", instance="gw-1", version="1.0", state=healthy),
            pb.ServiceHealth(
                service="scheduler",
                instance="s-1",
                version="1.0",
                state=unhealthy,
                checks=[
                    check(name="mongodb", state=healthy),
                    check(name="report", state=unhealthy, detail="not heard from for 12 s"),
                ],
                last_error=pb.ServiceError(message="event_is_dead: \x1b[2Jno"),
            ),
            pb.ServiceHealth(service="packager", state=unhealthy),
        ],
        dependencies=[
            check(name="mongodb", state=healthy),
            check(name="nats", state=unhealthy, detail="no answer within 0.7 s"),
        ],
        queue=queue_service_pb2.QueueStatus(pending=3, running=10, capacity=10, utilization=1.0),
        storage=pb.StorageUse(bucket="b", package_count=2, package_bytes=2048, log_group="/assay/tests"),
        last_hour=pb.UsageFigures(submitted_count=4, completed_count=3, failed_count=1, success_rate=0.75),
    )
    found.time.FromSeconds(SECOND)
    found.last_hour.start_time.FromSeconds(SECOND - 3600)
    for one in found.services[:2]:
        one.start_time.FromSeconds(SECOND - 7200)
        one.last_seen_time.FromSeconds(SECOND - 12)
        one.lag.FromMilliseconds(250)
    found.services[1].last_error.time.FromSeconds(SECOND - 60)
    found.dependencies[0].latency.FromMilliseconds(2)
    return found


class FakeAdmin(AdminServiceServicer):
    """Tests look at `limits` and `keys`, and put `usage`, `costs` and `health` in."""

    def __init__(self, enter: Enter, status: queue_service_pb2.QueueStatus) -> None:
        self._enter = enter
        self.status = status
        self.keys: list[pb.ApiKey] = []
        self.limits: dict[str, pb.UserLimits] = {}
        self.letters: list[pb.DeadLetter] = []
        self.audit: list[pb.AuditEntry] = []
        self.stuck: dict[str, str] = {}
        """Letters that cannot be sent again, by id, with the reason."""
        self.usage = pb.GetUsageResponse()
        self.costs = pb.GetCostReportResponse()
        self.health = a_health()

    async def GetSystemHealth(self, request: Any, context: Any) -> pb.GetSystemHealthResponse:
        await self._enter("GetSystemHealth", request, context)
        return self.health

    async def SetCapacity(self, request: Any, context: Any) -> pb.SetCapacityResponse:
        await self._enter("SetCapacity", request, context)
        self.status.capacity = request.capacity
        self.status.utilization = self.status.running / request.capacity if request.capacity else 0.0
        return pb.SetCapacityResponse(status=self.status)

    async def PauseQueue(self, request: Any, context: Any) -> pb.PauseQueueResponse:
        await self._enter("PauseQueue", request, context)
        self.status.paused, self.status.pause_reason = True, request.reason
        return pb.PauseQueueResponse(status=self.status)

    async def ResumeQueue(self, request: Any, context: Any) -> pb.ResumeQueueResponse:
        await self._enter("ResumeQueue", request, context)
        self.status.paused, self.status.pause_reason = False, ""
        return pb.ResumeQueueResponse(status=self.status)

    async def CreateApiKey(self, request: Any, context: Any) -> pb.CreateApiKeyResponse:
        await self._enter("CreateApiKey", request, context)
        key = a_key(f"key_{len(self.keys) + 1}", request.user_id, name=request.name)
        key.role = request.role or pb.ROLE_USER
        if request.HasField("ttl"):
            key.expire_time.FromSeconds(SECOND + request.ttl.seconds)
        self.keys.insert(0, key)
        return pb.CreateApiKeyResponse(key=key, secret=f"ask_secret_of_{key.id}")

    async def ListApiKeys(self, request: Any, context: Any) -> pb.ListApiKeysResponse:
        await self._enter("ListApiKeys", request, context)
        found = [
            key
            for key in self.keys
            if request.user_id in {"", key.user_id} and (request.include_ended or not key.HasField("revoke_time"))
        ]
        first = int(request.page_token or 0)
        last = first + (request.page_size or 20)
        return pb.ListApiKeysResponse(keys=found[first:last], next_page_token=str(last) if last < len(found) else "")

    async def RevokeApiKey(self, request: Any, context: Any) -> pb.RevokeApiKeyResponse:
        await self._enter("RevokeApiKey", request, context)
        meant = [key for key in self.keys if key.id == request.key_id or key.user_id == request.user_id]
        if not meant:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such key")
        fresh = [key for key in meant if not key.HasField("revoke_time")]
        for key in fresh:
            key.revoke_time.FromSeconds(SECOND + 60)
        return pb.RevokeApiKeyResponse(key=meant[0], revoked_count=len(fresh))

    async def GetUserLimits(self, request: Any, context: Any) -> pb.GetUserLimitsResponse:
        await self._enter("GetUserLimits", request, context)
        return pb.GetUserLimitsResponse(
            overrides=self.limits.get(request.user_id), effective=self._effective(request.user_id)
        )

    async def SetUserLimits(self, request: Any, context: Any) -> pb.SetUserLimitsResponse:
        await self._enter("SetUserLimits", request, context)
        held = self.limits.setdefault(request.user_id, pb.UserLimits())
        for name in request.update_mask.paths or held.DESCRIPTOR.fields_by_name:
            held.ClearField(name)  # type: ignore[arg-type]
            if request.overrides.HasField(name):
                setattr(held, name, getattr(request.overrides, name))
        return pb.SetUserLimitsResponse(effective=self._effective(request.user_id), overrides=held)

    def _effective(self, user_id: str) -> pb.UserLimits:
        held = pb.UserLimits()
        held.CopyFrom(DEFAULTS)
        held.MergeFrom(self.limits.get(user_id, pb.UserLimits()))
        return held

    async def GetUsage(self, request: Any, context: Any) -> pb.GetUsageResponse:
        await self._enter("GetUsage", request, context)
        return self.usage

    async def GetCostReport(self, request: Any, context: Any) -> pb.GetCostReportResponse:
        await self._enter("GetCostReport", request, context)
        return self.costs

    async def ListDeadLetters(self, request: Any, context: Any) -> pb.ListDeadLettersResponse:
        await self._enter("ListDeadLetters", request, context)
        first = int(request.page_token or 0)
        last = first + min(request.page_size or 2, 2)
        found = [letter for letter in self.letters if request.service in {"", letter.service}]
        token = str(last) if last < len(found) else ""
        return pb.ListDeadLettersResponse(letters=found[first:last], next_page_token=token, total_count=len(found))

    async def ReplayDeadLetter(self, request: Any, context: Any) -> pb.ReplayDeadLetterResponse:
        await self._enter("ReplayDeadLetter", request, context)
        meant = [letter for letter in self.letters if request.all or letter.id == request.letter_id]
        sent = [letter for letter in meant if letter.id not in self.stuck]
        self.letters = [letter for letter in self.letters if letter not in sent]
        remaining = [pb.RemainingDeadLetter(id=one.id, reason=self.stuck[one.id]) for one in meant if one not in sent]
        return pb.ReplayDeadLetterResponse(
            replayed_count=len(sent), remaining_count=len(remaining), remaining=remaining
        )

    async def ListAudit(self, request: Any, context: Any) -> pb.ListAuditResponse:
        await self._enter("ListAudit", request, context)
        found = [
            one
            for one in self.audit
            if request.user_id in {"", one.user_id}
            and request.owner_id in {"", one.owner_id}
            and request.action in {"", one.action}
        ]
        first = int(request.page_token or 0)
        last = first + (request.page_size or 20)
        token = str(last) if last < len(found) else ""
        return pb.ListAuditResponse(entries=found[first:last], next_page_token=token)
