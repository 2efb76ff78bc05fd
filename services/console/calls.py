"""`POST /api/<Service>/<Method>`: one call of the gateway, ProtoJSON in and out. Knows no method by name."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.console.bodies import read
from services.console.errors import Problem
from services.console.gateway import Gateway
from services.console.methods import Method, methods
from services.console.protojson import aside, from_protojson, protojson
from services.console.signin.session import Sessions


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
