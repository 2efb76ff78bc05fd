"""Around every call of the API: who calls, one trace, errors into statuses, one log line, the figures.

One interceptor and not five, because each costs a coroutine a call. Knows nothing of what a method does.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, cast

import grpc
import structlog
from google.protobuf.message import DecodeError
from prometheus_client import Counter, Histogram

from services.gateway.audit.trail import OK, Audit, Trail
from services.gateway.authentication import Authentication
from services.gateway.caller import CALL, Call, Caller
from services.gateway.errors import Forbidden, InvalidRequest, Unauthenticated, Unreadable
from services.gateway.metrics import RPC_SECONDS, RPCS, STREAMS
from services.gateway.openstreams import OpenStreams
from services.gateway.statuses import DETAILS, Code, status_of
from shared.errors import AssayError, Unavailable
from shared.store.connect import StoreError
from shared.telemetry.tracing import new_traceparent, trace_id

log = structlog.get_logger()

OURS: Final = "/assay.v1."
FOR_ADMINS: Final = "/assay.v1.AdminService/"
IN_NEED: Final = FOR_ADMINS + "GetSystemHealth"
"""The call that is made when the store is down: whose key was known minutes ago gets an answer."""
IN_NEED_LIMIT_S: Final = 0.7

if TYPE_CHECKING:  # generic in the stubs only
    Context = grpc.aio.ServicerContext[Any, Any]
    Details = grpc.HandlerCallDetails
    Handler = grpc.RpcMethodHandler[Any, Any]
    Interceptor = grpc.aio.ServerInterceptor[Any, Any]
else:
    Interceptor = grpc.aio.ServerInterceptor

_UNREADABLE: Final = object()
_CannotWrite: Final = grpc.aio.InternalError


class _Method:
    """One method of the API, with its figures."""

    def __init__(self, path: str) -> None:
        self.name = path.rsplit("/", 1)[1]
        self.for_admins = path.startswith(FOR_ADMINS)
        self.in_need = path == IN_NEED
        self.seconds: Histogram = RPC_SECONDS.labels(self.name)
        self._ended: dict[str, Counter] = {}

    def ended(self, code: str) -> None:
        counter = self._ended.get(code)
        if counter is None:
            counter = self._ended[code] = RPCS.labels(self.name, code)
        counter.inc()


class Edge(Interceptor):
    """The edge of the API. Health and reflection pass untouched: load balancers and tools have no key."""

    def __init__(self, authentication: Authentication, streams: OpenStreams, audit: Audit) -> None:
        self._authentication = authentication
        self._audit = audit
        self._streams = streams
        self._handlers: dict[str, Handler] = {}

    async def intercept_service(
        self, continuation: Callable[[Details], Awaitable[Handler]], handler_call_details: Details
    ) -> Handler:
        path: str = handler_call_details.method
        known = self._handlers.get(path)
        if known is not None:
            return known
        handler = cast("Handler | None", await continuation(handler_call_details))  # None: there is no such method
        if handler is None or not path.startswith(OURS):
            return cast("Handler", handler)
        guarded = self._guarded(handler, _Method(path))
        self._handlers[path] = guarded
        return guarded

    def _guarded(self, handler: Handler, method: _Method) -> Handler:
        read = _reader(handler.request_deserializer)
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(
                self._upload(cast("Any", handler.stream_unary), method), read, cast("Any", handler.response_serializer)
            )
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                self._stream(cast("Any", handler.unary_stream), method), read, _writer(handler.response_serializer)
            )
        return grpc.unary_unary_rpc_method_handler(
            self._unary(cast("Any", handler.unary_unary), method), read, cast("Any", handler.response_serializer)
        )

    def _unary(
        self, behaviour: Callable[[Any, Context], Awaitable[Any]], method: _Method
    ) -> Callable[[Any, Context], Awaitable[Any]]:
        async def unary(request: Any, context: Context) -> Any:
            visit = _Visit(method, request)
            try:
                shown = await self._enter(visit, context)
                if visit.unconfirmed:
                    answer, refusal = await asyncio.gather(behaviour(request, context), self._refusal(shown))
                    if refusal is not None:
                        raise refusal
                else:
                    answer = await behaviour(request, context)
            except asyncio.CancelledError:
                visit.leave(Code.CANCELLED)
                raise
            except Exception as error:  # noqa: BLE001 - the edge: every error becomes a status here
                return await visit.refuse(context, error)
            if visit.trail is not None:
                await visit.trail.end(OK)
            visit.leave(Code.OK, answer)
            method.seconds.observe(visit.took)
            return answer

        return unary

    def _upload(
        self, behaviour: Callable[[AsyncIterator[Any], Context], Awaitable[Any]], method: _Method
    ) -> Callable[[AsyncIterator[Any], Context], Awaitable[Any]]:
        async def upload(requests: AsyncIterator[Any], context: Context) -> Any:
            visit = _Visit(method, None)
            streams = STREAMS.labels(method.name)
            streams.inc()
            try:
                authorization = await self._enter(visit, context)
                async with self._streams.admitted(authorization, CALL.get().caller.until):
                    answer = await behaviour(_readable(requests), context)
            except asyncio.CancelledError:
                visit.leave(Code.CANCELLED)
                raise
            except Exception as error:  # noqa: BLE001 - the edge: every error becomes a status here
                return await visit.refuse(context, error)
            finally:
                streams.dec()
            visit.leave(Code.OK, answer)
            return answer

        return upload

    def _stream(
        self, behaviour: Callable[[Any, Context], AsyncIterator[Any]], method: _Method
    ) -> Callable[[Any, Context], Any]:
        async def stream(request: Any, context: Context) -> None:
            visit = _Visit(method, request)
            streams = STREAMS.labels(method.name)
            streams.inc()
            try:
                authorization = await self._enter(visit, context)
                # Closed here and not by the garbage collector: what the stream holds is free when the client goes.
                async with (
                    self._streams.admitted(authorization, CALL.get().caller.until),
                    aclosing(cast("Any", behaviour(request, context))) as answers,
                ):
                    async for answer in answers:
                        await context.write(answer)
            except asyncio.CancelledError:
                visit.leave(Code.CANCELLED)
                raise
            except _CannotWrite:  # the client went away while something was on its way to it
                visit.leave(Code.CANCELLED)
            except Exception as error:  # noqa: BLE001 - the edge: every error becomes a status here
                await visit.refuse(context, error)
            else:
                visit.leave(Code.OK)
            finally:
                streams.dec()

        return stream

    async def _enter(self, visit: _Visit, context: Context) -> str:
        """Lets the caller in, for the time of the call; what the caller showed."""
        authorization = traceparent = None
        for name, value in context.invocation_metadata() or ():
            if name == "authorization":
                authorization = value
            elif name == "traceparent":
                traceparent = value
        visit.traceparent = new_traceparent(_text(traceparent))
        if visit.request is _UNREADABLE:
            raise Unreadable
        shown = _text(authorization)
        caller = self._authentication.remembered(shown) if visit.method.in_need else None
        visit.unconfirmed = caller is not None
        if caller is None:
            caller = await self._caller(shown, IN_NEED_LIMIT_S if visit.method.in_need else None)
        visit.user = caller.user_id
        if visit.method.for_admins and not caller.admin:
            await self._audit.denied(visit.method.name, caller, context, visit.traceparent)
            raise Forbidden
        visit.trail = self._audit.of(visit.method.name, caller, context, visit.traceparent)
        CALL.set(Call(caller, visit.traceparent, visit.trail))
        await visit.trail.begin(visit.request)
        return shown or ""

    async def _caller(self, shown: str | None, limit_s: float | None) -> Caller:
        """The caller as the store knows it. Raises Unavailable where it does not answer in time."""
        limit = asyncio.timeout(limit_s)
        try:
            async with limit:
                return await self._authentication.caller(shown)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise Unavailable("The store does not answer, and this gateway does not know your key yet.") from error

    async def _refusal(self, shown: str) -> AssayError | None:
        """Why the caller who was let in by memory may not have the answer; None where nothing is known against it."""
        try:
            caller = await self._caller(shown, IN_NEED_LIMIT_S)
        except Unauthenticated as error:
            return error
        except (Unavailable, StoreError):
            return None
        return None if caller.admin else Forbidden()


class _Visit:
    """One call, from its arrival to its line in the log."""

    def __init__(self, method: _Method, request: Any) -> None:
        self.method = method
        self.request = request
        self.traceparent = ""
        self.user = ""
        self.trail: Trail | None = None
        self.unconfirmed = False
        """Let in by what was known of the key: the store is still asked."""
        self.took = 0.0
        self._arrived = time.perf_counter()

    async def refuse(self, context: Context, error: Exception) -> None:
        """Ends the call with the status that `error` becomes."""
        status = status_of(error, trace_id(self.traceparent))
        if status.ours:
            log.error("rpc_broke", method=self.method.name, trace_id=trace_id(self.traceparent), exc_info=error)
        # Only the names of bad fields: what was written into them may be a password.
        fields = ", ".join(bad.field for bad in error.violations[:10]) if isinstance(error, InvalidRequest) else ""
        if self.trail is not None:
            await self.trail.end(status.code.name, fields or status.message)
        self.leave(status.code, message=fields or status.message)
        with contextlib.suppress(_CannotWrite):  # the client does not wait for it any more
            await context.abort(status.code, status.message, ((DETAILS, status.details),))

    def leave(self, code: Code, answer: Any = None, *, message: str = "") -> None:
        self.took = time.perf_counter() - self._arrived
        self.method.ended(code.name)
        test_id = getattr(self.request, "test_id", "") or getattr(getattr(answer, "test", None), "id", "")
        fields = {"message": message} if message else {}
        if package_id := getattr(self.request, "package_id", ""):
            fields["package_id"] = package_id[:64]
        log.info(
            "rpc",
            method=self.method.name,
            code=code.name,
            ms=round(self.took * 1000, 2),
            user=self.user,
            test_id=test_id[:64],
            trace_id=trace_id(self.traceparent),
            **fields,
        )


async def _readable(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        if request is _UNREADABLE:
            raise Unreadable
        yield request


def _reader(deserialize: Any) -> Callable[[bytes], Any]:
    """What cannot be decoded is refused like any other bad request; gRPC itself would call it INTERNAL."""

    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError:
            return _UNREADABLE

    return read


def _writer(serialize: Any) -> Callable[[Any], bytes]:
    """A message for many clients is serialised once and comes as bytes."""

    def write(message: Any) -> bytes:
        return message if type(message) is bytes else cast("bytes", serialize(message))

    return write


def _text(value: str | bytes | None) -> str | None:
    return value.decode("latin-1") if isinstance(value, bytes) else value
