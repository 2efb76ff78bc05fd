"""Around every call of the API: who calls, one trace, errors into statuses, one log line, the figures.

One interceptor and not five, because each costs a coroutine a call. Knows nothing of what a method does.

gRPC hands a message over before a unary handler runs, up to gateway_max_message_bytes of it, and whoever calls could
make it read those. So every method is a handler of a stream of requests here, and reads its one message itself, when
the caller has come in by the headers: what is refused is neither received nor decoded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, cast

import grpc

from services.gateway.budgets import Lanes
from services.gateway.caller import CALL
from services.gateway.entrance import Entrance
from services.gateway.errors import Unreadable
from services.gateway.metrics import STREAMS
from services.gateway.openstreams import OpenStreams
from services.gateway.statuses import Code
from services.gateway.visits import EOF, UNREADABLE, CannotWrite, Method, Visit, reader
from services.gateway.withoutkey import WithoutKey

OURS: Final = "/assay.v1."
READ_AT_ONCE: Final = 64
"""Messages of one user that are received at once, 4 MiB each by default. Of a call that waits 64 KiB are read ahead."""

if TYPE_CHECKING:  # generic in the stubs only
    from services.gateway.visits import Context

    Details = grpc.HandlerCallDetails
    Handler = grpc.RpcMethodHandler[Any, Any]
    Interceptor = grpc.aio.ServerInterceptor[Any, Any]
else:
    Interceptor = grpc.aio.ServerInterceptor


class Edge(Interceptor):
    """The edge of the API. Health and reflection need no key, and have a budget of their own (withoutkey.py)."""

    def __init__(
        self, entrance: Entrance, streams: OpenStreams, without_key: WithoutKey, *, message_limit_s: float
    ) -> None:
        self._entrance = entrance
        self._streams = streams
        self._without_key = without_key
        self._message_limit_s = message_limit_s
        self._reading = Lanes(READ_AT_ONCE)
        self._handlers: dict[str, Handler] = {}

    async def intercept_service(
        self, continuation: Callable[[Details], Awaitable[Handler]], handler_call_details: Details
    ) -> Handler:
        path: str = handler_call_details.method
        known = self._handlers.get(path)
        if known is not None:
            return known
        handler = cast("Handler | None", await continuation(handler_call_details))  # None: there is no such method
        if handler is None:
            return cast("Handler", handler)
        guarded = self._guarded(handler, Method(path)) if path.startswith(OURS) else self._without_key.guarded(handler)
        self._handlers[path] = guarded
        return guarded

    def _guarded(self, handler: Handler, method: Method) -> Handler:
        read = reader(handler.request_deserializer)
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(
                self._upload(cast("Any", handler.stream_unary), method), read, cast("Any", handler.response_serializer)
            )
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(
                self._stream(cast("Any", handler.unary_stream), method), read, _writer(handler.response_serializer)
            )
        return grpc.stream_unary_rpc_method_handler(
            self._unary(cast("Any", handler.unary_unary), method), read, cast("Any", handler.response_serializer)
        )

    def _unary(
        self, behaviour: Callable[[Any, Context], Awaitable[Any]], method: Method
    ) -> Callable[[AsyncIterator[Any], Context], Awaitable[Any]]:
        async def unary(_: AsyncIterator[Any], context: Context) -> Any:
            visit = Visit(method)
            try:
                shown = await self._entrance.enter(visit, context)
                with self._entrance.place(visit):
                    request = await self._message(visit, context)
                    await visit.begin(request)
                    if visit.unconfirmed:
                        answer, refusal = await asyncio.gather(
                            behaviour(request, context), self._entrance.refusal(shown)
                        )
                        if refusal is not None:
                            raise refusal
                    else:
                        answer = await behaviour(request, context)
            except asyncio.CancelledError:
                visit.leave(Code.CANCELLED)
                raise
            except Exception as error:  # noqa: BLE001 - the edge: every error becomes a status here
                return await visit.refuse(context, error)
            await visit.end(answer)
            method.seconds.observe(visit.took)
            return answer

        return unary

    def _upload(
        self, behaviour: Callable[[AsyncIterator[Any], Context], Awaitable[Any]], method: Method
    ) -> Callable[[AsyncIterator[Any], Context], Awaitable[Any]]:
        async def upload(_: AsyncIterator[Any], context: Context) -> Any:
            visit = Visit(method)
            streams = STREAMS.labels(method.name)
            streams.inc()
            try:
                authorization = await self._entrance.enter(visit, context)
                with self._entrance.place(visit):
                    await visit.begin(None)
                    async with self._streams.admitted(authorization, CALL.get().caller.until):
                        answer = await behaviour(self._messages(visit, context), context)
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
        self, behaviour: Callable[[Any, Context], AsyncIterator[Any]], method: Method
    ) -> Callable[[AsyncIterator[Any], Context], Any]:
        async def stream(_: AsyncIterator[Any], context: Context) -> None:
            visit = Visit(method)
            streams = STREAMS.labels(method.name)
            streams.inc()
            try:
                authorization = await self._entrance.enter(visit, context)
                with self._entrance.place(visit):
                    request = await self._message(visit, context)
                    await visit.begin(request)
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
            except CannotWrite:  # the client went away while something was on its way to it
                visit.leave(Code.CANCELLED)
            except Exception as error:  # noqa: BLE001 - the edge: every error becomes a status here
                await visit.refuse(context, error)
            else:
                visit.leave(Code.OK)
            finally:
                streams.dec()

        return stream

    async def _message(self, visit: Visit, context: Context) -> Any:
        """The one message of a call. Raises Unreadable where the client ends without one."""
        message = await self._next(visit, context)
        if message is EOF:
            raise Unreadable
        return message

    async def _messages(self, visit: Visit, context: Context) -> AsyncIterator[Any]:
        while (message := await self._next(visit, context)) is not EOF:
            yield message

    async def _next(self, visit: Visit, context: Context) -> Any:
        """What the client sends next, EOF after its last message. Raises TimeoutError where it takes too long."""
        limit = asyncio.timeout(self._message_limit_s)
        try:
            async with limit, self._reading.of(visit.user):
                message = await context.read()
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise TimeoutError(
                f"The message of this call did not arrive within {self._message_limit_s:g} s; send it again."
            ) from error
        if message is UNREADABLE:
            raise Unreadable
        return message


def _writer(serialize: Any) -> Callable[[Any], bytes]:
    """A message for many clients is serialised once and comes as bytes."""

    def write(message: Any) -> bytes:
        return message if type(message) is bytes else cast("bytes", serialize(message))

    return write
