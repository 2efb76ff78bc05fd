"""Calls for asyncio: the channel, the retries, and streams that go on after a lost connection.

Knows nothing of what the messages mean. blocking_calls.py is its twin for code without asyncio.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
import grpc.aio

from assay import channel
from assay.connection import Connection
from assay.errors import AssayError, from_rpc, lost_stream, stream_ended_early
from assay.foreign import sound
from assay.retry import MOST_BRIEF, STEADY_S, RetryPolicy
from assay.v1.package_service_pb2_grpc import PackageServiceStub
from assay.v1.queue_service_pb2_grpc import QueueServiceStub
from assay.v1.test_service_pb2_grpc import TestServiceStub

if TYPE_CHECKING:  # these exist for the checker only: one stub serves both interfaces of grpc
    from assay.v1.account_service_pb2_grpc import AccountServiceAsyncStub
    from assay.v1.admin_service_pb2_grpc import AdminServiceAsyncStub
    from assay.v1.package_service_pb2_grpc import PackageServiceAsyncStub
    from assay.v1.queue_service_pb2_grpc import QueueServiceAsyncStub
    from assay.v1.test_service_pb2_grpc import TestServiceAsyncStub

M = TypeVar("M")
UNREACHABLE = grpc.ChannelConnectivity.TRANSIENT_FAILURE


class Calls:
    """Calls to one server. `timeout` in seconds bounds each try of a unary call."""

    def __init__(self, connection: Connection, *, timeout: float, retry: RetryPolicy) -> None:
        self.connection = connection
        self._timeout = timeout
        self._retry = retry
        self._metadata: Any = channel.metadata(connection)
        self._opened: grpc.aio.Channel | None = None
        self._reached = False  # the server was there once: it is worth waiting for it to come back

    @property
    def tests(self) -> TestServiceAsyncStub:
        return TestServiceStub(self._channel())

    @property
    def queue(self) -> QueueServiceAsyncStub:
        return QueueServiceStub(self._channel())

    @property
    def packages(self) -> PackageServiceAsyncStub:
        return PackageServiceStub(self._channel())

    @property
    def account(self) -> AccountServiceAsyncStub:
        from assay.v1.account_service_pb2_grpc import AccountServiceStub

        return AccountServiceStub(self._channel())

    @property
    def admin(self) -> AdminServiceAsyncStub:
        from assay.v1.admin_service_pb2_grpc import AdminServiceStub

        return AdminServiceStub(self._channel())

    def _channel(self) -> grpc.aio.Channel:
        if self._opened is None:  # not in __init__: a channel belongs to the loop that runs when it is made
            self._opened = channel.asyncio_channel(self.connection)
        return self._opened

    async def aclose(self) -> None:
        if self._opened is not None:
            await self._opened.close(None)
            self._opened = None

    async def unary(
        self,
        method: Callable[..., Awaitable[M]],
        request: object,
        *,
        timeout: float | None = None,
        once: bool = False,
    ) -> M:
        """`timeout`: another one than usual, in seconds. `once`: saying it twice would do it twice."""
        failures = 0
        while True:
            try:
                return sound(await method(request, timeout=timeout or self._timeout, metadata=self._metadata))
            except grpc.RpcError as raised:
                error = from_rpc(raised)
                failures += 1
                if once or not error.temporary or failures >= self._retry.attempts:
                    raise error from raised
            await asyncio.sleep(self._retry.pause(failures))

    async def stream(
        self, method: Callable[..., Any], request: Callable[[], object], *, endless: bool
    ) -> AsyncGenerator[Any]:
        """Messages of a stream, begun again with a new request whenever the connection is lost.

        endless: the stream is begun again after a regular end, too; the caller stops when it has its last message.
        """
        failures = brief = 0
        while True:
            call = method(request(), metadata=self._metadata)
            error: AssayError
            begun = time.monotonic()
            try:
                async for message in call:
                    failures = 0
                    yield sound(message)
                if not endless:
                    return
                error = stream_ended_early()
            except grpc.RpcError as raised:
                error = from_rpc(raised)
                if not lost_stream(error):
                    raise error from raised
            finally:
                call.cancel()
            failures += 1
            brief = brief + 1 if time.monotonic() - begun < STEADY_S else 0
            self._reached = self._reached or self._channel().get_state() is not UNREACHABLE
            most = self._retry.stream_attempts if self._reached else self._retry.attempts
            if failures >= most or (brief >= MOST_BRIEF and not endless):
                raise error
            await asyncio.sleep(self._retry.pause(max(failures, brief)))
