# ruff: noqa: N802, ARG002 - names and arguments are the API's
"""assay.v1.AdminService: designed as a whole, answered by a later version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.v1 import admin_service_pb2 as pb
from assay.v1.admin_service_pb2_grpc import AdminServiceServicer
from services.gateway.errors import NotYet

if TYPE_CHECKING:
    from services.gateway.interceptors import Context


class AdminRpc(AdminServiceServicer):
    """For those who run Assay. Only admins get this far: the interceptor sees to it."""

    async def GetSystemHealth(self, request: pb.GetSystemHealthRequest, context: Context) -> pb.GetSystemHealthResponse:
        raise NotYet("This server does not gather health yet. Ask /readyz on the health port of each service.")

    async def GetUsage(self, request: pb.GetUsageRequest, context: Context) -> pb.GetUsageResponse:
        raise NotYet(
            "This server does not gather usage yet. Read the metrics on /metrics of each service's health port."
        )

    async def GetCostReport(self, request: pb.GetCostReportRequest, context: Context) -> pb.GetCostReportResponse:
        raise NotYet("This server does not gather costs yet. GetTest has the metrics of each test.")

    async def CreateApiKey(self, request: pb.CreateApiKeyRequest, context: Context) -> pb.CreateApiKeyResponse:
        raise NotYet("This server does not make API keys yet. Use `assay-admin` on the server instead.")

    async def ListApiKeys(self, request: pb.ListApiKeysRequest, context: Context) -> pb.ListApiKeysResponse:
        raise NotYet("This server does not list API keys yet. Use `assay-admin` on the server instead.")

    async def RevokeApiKey(self, request: pb.RevokeApiKeyRequest, context: Context) -> pb.RevokeApiKeyResponse:
        raise NotYet("This server does not revoke API keys yet. Use `assay-admin` on the server instead.")

    async def GetUserLimits(self, request: pb.GetUserLimitsRequest, context: Context) -> pb.GetUserLimitsResponse:
        raise NotYet("This server has no limits per user yet.")

    async def SetUserLimits(self, request: pb.SetUserLimitsRequest, context: Context) -> pb.SetUserLimitsResponse:
        raise NotYet("This server has no limits per user yet.")

    async def SetCapacity(self, request: pb.SetCapacityRequest, context: Context) -> pb.SetCapacityResponse:
        raise NotYet(
            "This server cannot change its capacity while it runs yet. Set ASSAY_SCHEDULER_CAPACITY before it starts."
        )

    async def PauseQueue(self, request: pb.PauseQueueRequest, context: Context) -> pb.PauseQueueResponse:
        raise NotYet("This server cannot pause its queue yet. Stop the scheduler instead: tests are accepted and wait.")

    async def ResumeQueue(self, request: pb.ResumeQueueRequest, context: Context) -> pb.ResumeQueueResponse:
        raise NotYet("This server cannot pause its queue yet, so it is never paused.")

    async def ListDeadLetters(self, request: pb.ListDeadLettersRequest, context: Context) -> pb.ListDeadLettersResponse:
        raise NotYet("This server does not list dead letters yet. Read the stream DEAD with the nats command.")

    async def ReplayDeadLetter(
        self, request: pb.ReplayDeadLetterRequest, context: Context
    ) -> pb.ReplayDeadLetterResponse:
        raise NotYet("This server does not replay dead letters yet. Publish the message again with the nats command.")
