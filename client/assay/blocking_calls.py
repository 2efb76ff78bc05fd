"""Calls without asyncio: the channel, the retries, and streams that go on after a lost connection.

The twin of calls.py, on grpc's blocking interface: no event loop, no thread of ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from assay import channel
from assay.connection import Connection
from assay.errors import AssayError, from_rpc, lost_stream, stream_ended_early
from assay.foreign import sound
from assay.retry import MOST_BRIEF, STEADY_S, RetryPolicy
from assay.v1.package_service_pb2_grpc import PackageServiceStub
from assay.v1.queue_service_pb2_grpc import QueueServiceStub
from assay.v1.test_service_pb2_grpc import TestServiceStub

if TYPE_CHECKING:
    from assay.v1.account_service_pb2_grpc import AccountServiceStub
    from assay.v1.admin_service_pb2_grpc import AdminServiceStub

M = TypeVar("M")


class BlockingCalls:
    """Calls to one server. `timeout` in seconds bounds each try of a unary call."""

    def __init__(self, connection: Connection, *, timeout: float, retry: RetryPolicy) -> None:
        self.connection = connection
        self._timeout = timeout
        self._retry = retry
        self._metadata: Any = channel.metadata(connection)
        self._channel = channel.blocking_channel(connection)
        self.tests = TestServiceStub(self._channel)
        self.queue = QueueServiceStub(self._channel)
        self.packages = PackageServiceStub(self._channel)

    @cached_property
    def account(self) -> AccountServiceStub:
        from assay.v1.account_service_pb2_grpc import AccountServiceStub

        return AccountServiceStub(self._channel)

    @cached_property
    def admin(self) -> AdminServiceStub:
        from assay.v1.admin_service_pb2_grpc import AdminServiceStub

        return AdminServiceStub(self._channel)

    def close(self) -> None:
        self._channel.close()

    def unary(
        self, method: Callable[..., M], request: object, *, timeout: float | None = None, once: bool = False
    ) -> M:
        """As Calls.unary."""
        failures = 0
        while True:
            try:
                return sound(method(request, timeout=timeout or self._timeout, metadata=self._metadata))
            except grpc.RpcError as raised:
                error = from_rpc(raised)
                failures += 1
                if once or not error.temporary or failures >= self._retry.attempts:
                    raise error from raised
            time.sleep(self._retry.pause(failures))

    def stream(
        self,
        method: Callable[..., Any],
        request: Callable[[], object],
        *,
        endless: bool,
        until: float | None = None,
    ) -> Generator[Any]:
        """As Calls.stream. `until`: a time of time.monotonic() after which TimeoutError is raised."""
        failures = brief = 0
        while True:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError
            call = method(request(), metadata=self._metadata, timeout=left)
            error: AssayError
            begun = time.monotonic()
            try:
                for message in call:
                    failures = 0
                    yield sound(message)
                if not endless:
                    return
                error = stream_ended_early()
            except grpc.RpcError as raised:
                error = from_rpc(raised)
                if left is not None and error.code == "DEADLINE_EXCEEDED":
                    raise TimeoutError from raised
                if not lost_stream(error):
                    raise error from raised
            finally:
                call.cancel()
            failures += 1
            brief = brief + 1 if time.monotonic() - begun < STEADY_S else 0
            if failures >= self._retry.stream_attempts or (brief >= MOST_BRIEF and not endless):
                raise error
            time.sleep(self._retry.pause(max(failures, brief)))
