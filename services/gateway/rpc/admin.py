# ruff: noqa: N802, ARG002 - names and arguments are the API's
"""assay.v1.AdminService."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.v1 import admin_service_pb2 as pb
from assay.v1.admin_service_pb2_grpc import AdminServiceServicer
from services.gateway.admin.capacity import CapacityControl
from services.gateway.admin.costs import CostReport
from services.gateway.admin.keys import KeyControl
from services.gateway.admin.letters import LetterDesk
from services.gateway.admin.limits import LimitControl
from services.gateway.admin.usage import UsageReport
from services.gateway.audit.listing import AuditListing
from services.gateway.caller import CALL
from services.gateway.health.gathering import SystemHealth

if TYPE_CHECKING:
    from services.gateway.visits import Context


class AdminRpc(AdminServiceServicer):
    """For those who run Assay. Only admins get this far: the interceptor sees to it."""

    def __init__(
        self,
        *,
        usage: UsageReport,
        costs: CostReport,
        limits: LimitControl,
        capacity: CapacityControl,
        letters: LetterDesk,
        keys: KeyControl,
        health: SystemHealth,
        audit: AuditListing,
    ) -> None:
        self._audit = audit
        self._health = health
        self._keys = keys
        self._usage = usage
        self._costs = costs
        self._letters = letters
        self._limits = limits
        self._capacity = capacity

    async def GetSystemHealth(self, request: pb.GetSystemHealthRequest, context: Context) -> pb.GetSystemHealthResponse:
        return await self._health.gather(CALL.get().caller.user_id)

    async def GetUsage(self, request: pb.GetUsageRequest, context: Context) -> pb.GetUsageResponse:
        return await self._usage.report(request)

    async def GetCostReport(self, request: pb.GetCostReportRequest, context: Context) -> pb.GetCostReportResponse:
        return await self._costs.report(request)

    async def CreateApiKey(self, request: pb.CreateApiKeyRequest, context: Context) -> pb.CreateApiKeyResponse:
        return await self._keys.create(request, CALL.get().caller.user_id)

    async def ListApiKeys(self, request: pb.ListApiKeysRequest, context: Context) -> pb.ListApiKeysResponse:
        return await self._keys.page(request)

    async def RevokeApiKey(self, request: pb.RevokeApiKeyRequest, context: Context) -> pb.RevokeApiKeyResponse:
        return await self._keys.revoke(request, CALL.get().caller.user_id)

    async def GetUserLimits(self, request: pb.GetUserLimitsRequest, context: Context) -> pb.GetUserLimitsResponse:
        return await self._limits.get(request)

    async def SetUserLimits(self, request: pb.SetUserLimitsRequest, context: Context) -> pb.SetUserLimitsResponse:
        return await self._limits.set(request, CALL.get().caller.user_id)

    async def SetCapacity(self, request: pb.SetCapacityRequest, context: Context) -> pb.SetCapacityResponse:
        status = await self._capacity.set(request.capacity, CALL.get().caller.user_id)
        return pb.SetCapacityResponse(status=status)

    async def PauseQueue(self, request: pb.PauseQueueRequest, context: Context) -> pb.PauseQueueResponse:
        return pb.PauseQueueResponse(status=await self._capacity.pause(request.reason, CALL.get().caller.user_id))

    async def ResumeQueue(self, request: pb.ResumeQueueRequest, context: Context) -> pb.ResumeQueueResponse:
        return pb.ResumeQueueResponse(status=await self._capacity.resume(CALL.get().caller.user_id))

    async def ListDeadLetters(self, request: pb.ListDeadLettersRequest, context: Context) -> pb.ListDeadLettersResponse:
        return await self._letters.page(request)

    async def ReplayDeadLetter(
        self, request: pb.ReplayDeadLetterRequest, context: Context
    ) -> pb.ReplayDeadLetterResponse:
        return await self._letters.replay(request)

    async def ListAudit(self, request: pb.ListAuditRequest, context: Context) -> pb.ListAuditResponse:
        return await self._audit.page(request)
