# ruff: noqa: N802, ARG002 - names and arguments are the API's
"""assay.v1.QueueService."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING

from assay.v1 import queue_service_pb2 as pb
from assay.v1.queue_service_pb2_grpc import QueueServiceServicer
from services.gateway.caller import CALL
from services.gateway.queue.listing import QueueListing
from services.gateway.queue.status import QueueStatus
from services.gateway.queue.watch import QueueWatch

if TYPE_CHECKING:
    from services.gateway.visits import Context


class QueueRpc(QueueServiceServicer):
    """The queue: its figures, and what is in it."""

    def __init__(self, status: QueueStatus, watch: QueueWatch, listing: QueueListing) -> None:
        self._status = status
        self._watch = watch
        self._listing = listing

    async def GetQueueStatus(self, request: pb.GetQueueStatusRequest, context: Context) -> pb.GetQueueStatusResponse:
        return pb.GetQueueStatusResponse(status=await self._status.status(CALL.get().caller.user_id))

    async def WatchQueue(self, request: pb.WatchQueueRequest, context: Context) -> AsyncIterator[pb.WatchQueueResponse]:
        # Closed here, so that nobody is left watching when the client goes.
        async with aclosing(self._watch.watch(CALL.get().caller.user_id)) as changes:
            async for status in changes:
                yield pb.WatchQueueResponse(status=status)

    async def ListQueue(self, request: pb.ListQueueRequest, context: Context) -> pb.ListQueueResponse:
        return await self._listing.page(request, CALL.get().caller)
