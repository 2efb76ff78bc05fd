"""Calls that need no key: health and reflection. What they may take is apart from what callers with a key have.

Streams have half of the places and end after a time; the other half is for single questions. A question takes its place
when its message has come, and is answered at once; those that still wait for it make room for newer ones. So whoever
opens streams without a key, or asks half a question, keeps neither users nor probes out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, cast

import grpc

from services.gateway.budgets import Budget, Waits
from services.gateway.errors import TimeIsUp, TooManyWithoutKey, Unreadable
from services.gateway.metrics import TURNED_AWAY
from services.gateway.peers import peer_of
from services.gateway.statuses import DETAILS, status_of
from services.gateway.visits import EOF, UNREADABLE, CannotWrite, reader
from shared.telemetry.tracing import new_traceparent, trace_id

if TYPE_CHECKING:
    from services.gateway.visits import Context

    Handler = grpc.RpcMethodHandler[Any, Any]

QUESTION_S: Final = 5.0
"""So long a single question may take, and the message of a stream to arrive: it may have 4 MiB."""


class WithoutKey:
    """Health and reflection: `most` of such calls at once, `most_of_peer` from one address, streams for `limit_s`."""

    def __init__(self, *, most: int, most_of_peer: int, limit_s: float) -> None:
        halves = -(-most // 2), -(-most_of_peer // 2)
        self._questions = Budget(*halves, _too_many)
        self._unheard = Waits(*halves)
        self._streams = Budget(*halves, _too_many)
        self._most_of_peer = halves[1]
        self._limit_s = limit_s

    def guarded(self, handler: Handler) -> Handler:
        """The same method with a place, a deadline, and a message that is read when there is a place."""
        read, write = reader(handler.request_deserializer), cast("Any", handler.response_serializer)
        if not handler.response_streaming:
            return grpc.stream_unary_rpc_method_handler(self._question(cast("Any", handler.unary_unary)), read, write)
        behaviour = handler.stream_stream if handler.request_streaming else handler.unary_stream
        return grpc.stream_stream_rpc_method_handler(
            self._stream(cast("Any", behaviour), one_message=not handler.request_streaming), read, write
        )

    def _question(self, behaviour: Callable[[Any, Context], Any]) -> Callable[[AsyncIterator[Any], Context], Any]:
        async def question(_: AsyncIterator[Any], context: Context) -> Any:
            peer = peer_of(context.peer())
            limit = asyncio.timeout(QUESTION_S)
            wait = self._unheard.place(peer, limit)
            try:
                async with limit:
                    with wait:
                        message = await _message(context)
                    with self._questions.place(peer):
                        return await behaviour(message, context)
            except (TooManyWithoutKey, TimeoutError, Unreadable) as error:
                return await _refuse(context, _too_many(peer, self._most_of_peer) if wait.ended else error)

        return question

    def _stream(
        self, behaviour: Callable[[Any, Context], AsyncIterator[Any]], *, one_message: bool
    ) -> Callable[[AsyncIterator[Any], Context], Any]:
        async def stream(requests: AsyncIterator[Any], context: Context) -> None:
            limit = asyncio.timeout(self._limit_s)
            try:
                with self._streams.place(peer_of(context.peer())):
                    async with limit:
                        request = await _message(context) if one_message else _messages(requests)
                        async with aclosing(cast("Any", behaviour(request, context))) as answers:
                            async for answer in answers:
                                await context.write(answer)
            except CannotWrite:  # the client went away
                return
            except TimeoutError:
                if not limit.expired():
                    raise
                await _refuse(context, TimeIsUp(f"Calls without a key end after {self._limit_s:g} s here; call again."))
            except (TooManyWithoutKey, Unreadable) as error:
                await _refuse(context, error)

        return stream


async def _message(context: Context) -> Any:
    """The one message of a call. Raises Unreadable where there is none or it is none, TimeoutError where it does not
    come."""
    async with asyncio.timeout(QUESTION_S):
        message = await context.read()
    if message is EOF or message is UNREADABLE:
        raise Unreadable
    return message


async def _messages(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for message in requests:
        if message is UNREADABLE:
            raise Unreadable
        yield message


async def _refuse(context: Context, error: Exception) -> None:
    status = status_of(error, trace_id(new_traceparent(None)))
    await context.abort(status.code, status.message, ((DETAILS, status.details),))


def _too_many(peer: str, most: int) -> TooManyWithoutKey:
    TURNED_AWAY.labels(TooManyWithoutKey.limit).inc()
    return TooManyWithoutKey(peer, most)
