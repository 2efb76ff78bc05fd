"""Bodies of requests, read with a limit: what is larger is refused while it comes, and never held."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.types import Message

from services.console.errors import Problem, TooLarge


async def read(request: Request, most: int) -> bytes:
    """The whole body, of at most `most` bytes. Raises TooLarge."""
    return await limited(request, most).body()


async def read_object(request: Request, most: int) -> dict[str, Any]:
    """The JSON object of a body. Raises TooLarge, Problem where it is none."""
    try:
        value = json.loads(await read(request, most))
    except (ValueError, RecursionError) as error:
        raise Problem("INVALID_ARGUMENT", "The body is no JSON.") from error
    if not isinstance(value, dict):
        raise Problem("INVALID_ARGUMENT", "The body is no JSON object.")
    return value


def limited(request: Request, most: int) -> Request:
    """The same request, whose body raises TooLarge when it grows beyond `most` bytes."""
    said = request.headers.get("content-length", "0")
    if not said.isascii() or not said.isdecimal() or int(said[:18]) > most:
        raise TooLarge(most)
    came = 0

    async def receive() -> Message:
        nonlocal came
        message = await request.receive()
        came += len(message.get("body", b""))
        if came > most:
            raise TooLarge(most)
        return message

    return Request(request.scope, receive)
