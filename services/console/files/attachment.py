"""Answers that a browser saves instead of showing: headers, and calls of the gateway that stream into them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import quote

import grpc
from starlette.responses import StreamingResponse
from starlette.types import Send

from services.console.errors import problem_of

DEADLINE_S: Final = 3600.0
"""Whoever reads no further is let go after this time."""


class Attachment(StreamingResponse):
    """Closes its content where it was read, also when the browser goes in the middle: what it holds open, a call
    or a connection, is let go at once and in the task that opened it."""

    def __init__(self, content: AsyncGenerator[bytes, None], **more: Any) -> None:
        super().__init__(content, **more)
        self._content = content

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self._content):
            await super().stream_response(send)


def attachment(
    content: AsyncGenerator[bytes, None],
    name: str,
    *,
    media_type: str = "application/octet-stream",
    size: int | None = None,
) -> StreamingResponse:
    """`content` to be saved under the last part of `name`. `size` in bytes, where it is known before."""
    headers = {"content-disposition": disposition(name)}
    if size is not None:
        headers["content-length"] = str(size)
    return Attachment(content, media_type=media_type, headers=headers)


def disposition(name: str) -> str:
    """RFC 6266, with a plain name for what cannot read the other. Nothing in it ends the header or leads elsewhere."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    shown = "".join(sign for sign in last if sign.isprintable()).strip(" .") or "file"
    plain = "".join(sign if sign.isascii() and (sign.isalnum() or sign in " -_.()+,=@") else "_" for sign in shown)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(shown, safe='')}"


async def started(call: Any) -> tuple[Any, AsyncGenerator[Any, None]]:
    """The first message of a stream (None: it has none), and all of them, that one included.

    The first is waited for so that an error becomes an answer and no broken file: raises Problem. What breaks off
    later raises in the midst of the messages, and so does not look like a whole file."""
    messages = aiter(call)
    try:
        head = await anext(messages, None)
    except grpc.aio.AioRpcError as error:
        raise problem_of(error) from error
    return head, _all(call, head, messages)


async def _all(call: Any, head: Any, after: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    try:
        if head is not None:
            yield head
            async for message in after:
                yield message
    finally:
        call.cancel()
