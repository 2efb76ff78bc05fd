"""`POST /api/<Service>/<Method>`: one call of the gateway, ProtoJSON in and out. Knows no method by name."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from fastapi import APIRouter
from google.protobuf import json_format
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response

from services.console.bodies import read
from services.console.errors import Problem
from services.console.gateway import Gateway
from services.console.methods import Method, methods
from services.console.signin.session import Sessions

MANY_BYTES: Final = 32 * 1024
"""From here on a message is turned in a thread: it takes milliseconds, in which all others would wait."""
DEEPEST: Final = 64
"""No message of the API is nested deeper than ten."""


def protojson(message: Message) -> str:
    """A message as ProtoJSON: camelCase, names of enums, int64 as strings, what is not set left out."""
    return json_format.MessageToJson(message, indent=None, ensure_ascii=False)


def from_protojson(kind: type[Message], body: str | bytes) -> Message:
    """Raises Problem, which says where the text is wrong."""
    try:
        return json_format.Parse(body or b"{}", kind(), max_recursion_depth=DEEPEST)
    except json_format.ParseError as error:
        raise Problem(
            "INVALID_ARGUMENT", f"The request cannot be read: {error}", reason="UNREADABLE_REQUEST"
        ) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise Problem("INVALID_ARGUMENT", "The request is no JSON.", reason="UNREADABLE_REQUEST") from error


async def aside(size: int, work: Any, *arguments: Any) -> Any:
    """`work` here where it is little, and in a thread where it is much."""
    return await asyncio.to_thread(work, *arguments) if size > MANY_BYTES else work(*arguments)


def routes(gateway: Gateway, sessions: Sessions, *, most_bytes: int) -> APIRouter:
    """The calls of the API."""
    router = APIRouter()
    table: dict[tuple[str, str], tuple[Method, Any]] = {
        name: (method, method.on(gateway.channel)) for name, method in methods().items()
    }

    @router.post("/api/{service}/{name}")
    async def call(service: str, name: str, request: Request) -> Response:
        session = await sessions.of(request)
        if (service, name) not in table:
            raise Problem("UNIMPLEMENTED", "There is no such method for browsers.", reason="NO_SUCH_METHOD", status=404)
        method, stub = table[service, name]
        body = await read(request, most_bytes)
        message = await aside(len(body), from_protojson, method.request, body)
        answer = await gateway.ask(stub, message, session.bearer, timeout_s=method.timeout_s)
        return Response(await aside(answer.ByteSize(), protojson, answer), media_type="application/json")

    return router
