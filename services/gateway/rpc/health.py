# ruff: noqa: N802, ARG002 - names and arguments are gRPC's
"""grpc.health.v1: what the health port tells, told to load balancers that speak gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from typing import TYPE_CHECKING, Final

from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1.health_pb2_grpc import HealthServicer

from services.gateway.statuses import Code
from shared.telemetry.health import Health

if TYPE_CHECKING:
    from services.gateway.visits import Context

LOOK_S: Final = 2.0
"""How often the checks are made; answers come from the last look, so that a probe costs nothing."""

_SERVING: Final = pb.HealthCheckResponse.SERVING
_NOT_SERVING: Final = pb.HealthCheckResponse.NOT_SERVING
_UNKNOWN: Final = pb.HealthCheckResponse.SERVICE_UNKNOWN


class HealthRpc(HealthServicer):  # type: ignore[misc]  # ships no types
    """All services of the API are ready together, or none is."""

    def __init__(self, health: Health, services: Collection[str]) -> None:
        self._health = health
        self._services = frozenset(services) | {""}
        self._ready = False
        self._changed = asyncio.Condition()
        self._closing = False

    async def look(self) -> None:
        """Makes the checks, and tells who watches where the answer is another one now."""
        ready = not await self._health.problems()
        async with self._changed:
            if ready != self._ready:
                self._ready = ready
                self._changed.notify_all()

    async def close(self) -> None:
        """Tells who watches that this is the end."""
        async with self._changed:
            self._ready, self._closing = False, True
            self._changed.notify_all()

    async def Check(self, request: pb.HealthCheckRequest, context: Context) -> pb.HealthCheckResponse:
        if request.service not in self._services:
            await context.abort(Code.NOT_FOUND, f"There is no service {request.service[:100]!r} here.")
        return pb.HealthCheckResponse(status=self._status(request.service))

    async def Watch(self, request: pb.HealthCheckRequest, context: Context) -> AsyncIterator[pb.HealthCheckResponse]:
        told = None
        while not self._closing or told != self._status(request.service):
            if told != (status := self._status(request.service)):
                told = status
                yield pb.HealthCheckResponse(status=status)
                continue
            async with self._changed:
                if told == self._status(request.service) and not self._closing:
                    await self._changed.wait()

    def _status(self, service: str) -> pb.HealthCheckResponse.ServingStatus.ValueType:
        if service not in self._services:
            return _UNKNOWN
        return _SERVING if self._ready else _NOT_SERVING
