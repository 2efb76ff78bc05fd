"""`POST /uploads`: files from the browser, as one ZIP archive to the gateway, which judges them.

One ZIP alone is such an archive itself; with `?unpack=false` it is a file like any other.

Memory is bounded: parts lie in temporary files when they are large, and so does the archive.
"""

from __future__ import annotations

import asyncio
import tempfile
import zipfile
from collections.abc import AsyncIterator, Sequence
from typing import IO, Any, Final

import grpc
from fastapi import APIRouter
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from assay.v1 import test_service_pb2, test_service_pb2_grpc
from services.console.bodies import limited
from services.console.errors import Problem, Violation, problem_of
from services.console.gateway import Gateway
from services.console.metrics import BYTES
from services.console.places import Full, Places
from services.console.protojson import aside, protojson
from services.console.signin.session import Sessions

MOST_FILES: Final = 1000
"""Twice what a gateway can be set to take: that says how many too many there are."""
MOST_AT_ONCE: Final = 8
"""Uploads under way in this process: each may hold all its files in memory, where they are many and small."""
MOST_OF_USER: Final = 4
"""Of these, one user's."""
COMES_S: Final = 300.0
"""In which all of an upload must have come: 32 MiB over a line of 1 Mbit/s."""
PIECE: Final = 1 << 19
SPOOLED: Final = 1 << 20
UPLOAD_S: Final = 120.0
TRIES: Final = 3
_LOST: Final = "Internal error from Core"
"""grpc.aio's words for a write to a call that the server has ended. Its reason is lost then; asked again, it comes."""


def routes(gateway: Gateway, sessions: Sessions, *, most_bytes: int) -> APIRouter:
    """Uploads."""
    router = APIRouter()
    places = Places(MOST_AT_ONCE, MOST_OF_USER)
    upload: Any = test_service_pb2_grpc.TestServiceStub(gateway.files).UploadArchive

    @router.post("/uploads")
    async def take(request: Request, unpack: bool = True) -> Response:  # noqa: FBT001, FBT002 - a query
        session = await sessions.of(request)
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise Problem("INVALID_ARGUMENT", "Send files as multipart/form-data.")
        try:
            with places.held(session.user):
                metadata = gateway.metadata(session.bearer)
                return await _taken(upload, limited(request, most_bytes), metadata, unpack=unpack)
        except Full as full:
            whose = "uploads of yours" if full.of_user else "uploads"
            message = f"Too many {whose} are under way; try again in a moment."
            raise Problem("RESOURCE_EXHAUSTED", message, reason="TOO_MANY_UPLOADS", retry_after_ms=1000) from None

    return router


async def _taken(upload: Any, request: Request, metadata: Any, *, unpack: bool) -> Response:
    try:
        async with asyncio.timeout(COMES_S):
            form = await request.form(max_files=MOST_FILES, max_fields=0)
    except TimeoutError:
        raise Problem(
            "DEADLINE_EXCEEDED", f"The files did not come within {COMES_S:.0f} s. Send fewer at a time.", status=408
        ) from None
    try:
        files = [part for part in form.getlist("file") if isinstance(part, UploadFile)]
        if not files:
            raise Problem("INVALID_ARGUMENT", "No files were sent; each is a part with the name `file`.")
        if unpack and len(files) == 1 and (files[0].filename or "").lower().endswith(".zip"):
            answer = await _sent(upload, files[0].file, metadata)
        else:
            with tempfile.SpooledTemporaryFile(max_size=SPOOLED) as archive:
                await asyncio.to_thread(pack, files, archive)
                answer = await _sent(upload, archive, metadata)
    finally:
        await form.close()
    return Response(await aside(answer.ByteSize(), protojson, answer), media_type="application/json")


def pack(files: Sequence[UploadFile], archive: IO[bytes]) -> None:
    """The files under their names, as they are: which names may be the gateway says. Raises Problem.

    The same files make the same bytes."""
    seen = set[str]()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as out:
        for place, file in enumerate(files):
            name = file.filename or ""
            if not name or "\0" in name or name in seen:  # what a ZIP cannot say
                bad = Violation(f"file[{place}]", "has no name that can be used, or one that another file has")
                raise Problem("INVALID_ARGUMENT", bad.description, reason="INVALID_REQUEST", violations=[bad])
            seen.add(name)
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100644 << 16
            with out.open(entry, "w") as into:
                while piece := file.file.read(PIECE):
                    into.write(piece)


async def _sent(upload: Any, archive: Any, metadata: Any) -> Any:
    """Raises Problem."""
    for left in reversed(range(TRIES)):
        try:
            return await upload(_pieces(archive), metadata=metadata, timeout=UPLOAD_S)
        except grpc.aio.AioRpcError as error:
            if not left or error.code() is not grpc.StatusCode.INTERNAL or error.details() != _LOST:
                raise problem_of(error) from error
    raise AssertionError("unreachable")


async def _pieces(archive: IO[bytes]) -> AsyncIterator[test_service_pb2.UploadArchiveRequest]:
    await asyncio.to_thread(archive.seek, 0)
    while piece := await asyncio.to_thread(archive.read, PIECE):
        yield test_service_pb2.UploadArchiveRequest(data=piece)
        BYTES.labels("up").inc(len(piece))
