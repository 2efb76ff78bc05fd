# ruff: noqa: N802, ARG002 - names and arguments are the API's
"""assay.v1.QueueService."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from assay.v1 import queue_service_pb2 as pb
from assay.v1.queue_service_pb2_grpc import QueueServiceServicer
from services.gateway.caller import CALL
from services.gateway.errors import NotYet
from services.gateway.queuestatus import QueueStatus

if TYPE_CHECKING:
    from services.gateway.interceptors import Context


class QueueRpc(QueueServiceServicer):
    """Figures of the queue."""

    def __init__(self, status: QueueStatus) -> None:
        self._status = status

    async def GetQueueStatus(self, request: pb.GetQueueStatusRequest, context: Context) -> pb.GetQueueStatusResponse:
        return pb.GetQueueStatusResponse(status=await self._status.status(CALL.get().caller))

    async def WatchQueue(self, request: pb.WatchQueueRequest, context: Context) -> AsyncIterator[pb.WatchQueueResponse]:
        for _ in ():
            yield pb.WatchQueueResponse()  # makes this a stream
        raise NotYet("This server does not stream the queue's figures yet. Call GetQueueStatus once a second instead.")
