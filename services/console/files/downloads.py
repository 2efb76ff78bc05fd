"""`GET /files/<test>/<kind>/<path>`: one file of a test, streamed. Which paths there are the gateway knows."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assay.v1 import test_service_pb2, test_service_pb2_grpc
from services.console.errors import Problem
from services.console.files.attachment import DEADLINE_S, attachment, started
from services.console.gateway import Gateway
from services.console.metrics import BYTES
from services.console.signin.session import Sessions

KINDS: Final = {
    "project": test_service_pb2.FILE_KIND_PROJECT,
    "input": test_service_pb2.FILE_KIND_INPUT,
    "output": test_service_pb2.FILE_KIND_OUTPUT,
}


def routes(gateway: Gateway, sessions: Sessions) -> APIRouter:
    """Files of tests."""
    router = APIRouter()
    download: Any = test_service_pb2_grpc.TestServiceStub(gateway.files).DownloadFile

    @router.get("/files/{test_id}/{kind}/{path:path}")
    async def file(test_id: str, kind: str, path: str, request: Request) -> Response:
        session = await sessions.of(request)
        if kind not in KINDS:
            raise Problem("NOT_FOUND", f"Files of a test are {', '.join(KINDS)}.")
        wanted = test_service_pb2.DownloadFileRequest(test_id=test_id, kind=KINDS[kind], path=path)
        call = download(wanted, metadata=gateway.metadata(session.bearer), timeout=DEADLINE_S)
        head, messages = await started(call)
        if head is None:
            raise Problem("INTERNAL", "The gateway sent nothing.")
        return attachment(_content(messages), path, size=head.file.size)

    return router


async def _content(found: AsyncGenerator[Any, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(found) as messages:
        async for message in messages:
            if message.data:
                yield message.data
                BYTES.labels("down").inc(len(message.data))
