"""`GET /packages/<id>.zip`: a deployment package, from its signed link through the console to the browser.

So that the page needs no foreign host, and a download counts when all of it has gone out.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assay.v1 import package_service_pb2, package_service_pb2_grpc
from services.console.errors import Problem
from services.console.files.attachment import attachment
from services.console.gateway import Gateway
from services.console.metrics import BYTES
from services.console.settings import is_loopback
from services.console.signin.session import Sessions

log = structlog.get_logger()

PIECE: Final = 1 << 18
TIMEOUT_S: Final = 30.0
"""Without a byte."""


class BrokenOff(Exception):
    """What came from the object store is not the package. The browser's connection breaks, and saves nothing."""


def routes(gateway: Gateway, sessions: Sessions) -> APIRouter:
    """Packages as files."""
    router = APIRouter()
    packages: Any = package_service_pb2_grpc.PackageServiceStub(gateway.channel)

    @router.get("/packages/{package_id}.zip")
    async def download(package_id: str, request: Request) -> Response:
        bearer = (await sessions.of(request)).bearer
        found = await gateway.ask(
            packages.GetPackage, package_service_pb2.GetPackageRequest(package_id=package_id), bearer
        )
        # Signed now, as is the one of GetPackage; asked for where that has none, it says why.
        url = (
            found.link.url
            or (
                await gateway.ask(
                    packages.RefreshDownloadUrl,
                    package_service_pb2.RefreshDownloadUrlRequest(package_id=package_id),
                    bearer,
                )
            ).link.url
        )

        async def count() -> None:
            counted = package_service_pb2.TrackDownloadRequest(package_id=package_id)
            await gateway.ask(packages.TrackDownload, counted, bearer)

        stack, answer = await _opened(url)
        content = _content(stack, answer, found.package, count)
        return attachment(content, f"{package_id}.zip", media_type="application/zip", size=found.package.size_bytes)

    return router


async def _opened(url: str) -> tuple[AsyncExitStack, httpx2.Response]:
    """The answer of the object store, and what closes it. Raises Problem."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"}:
        raise Problem("INTERNAL", "The link to the package is no address of the web.")
    async with AsyncExitStack() as stack:
        # No proxy leads to an object store on this machine.
        client = httpx2.AsyncClient(timeout=TIMEOUT_S, trust_env=not is_loopback(parts.hostname or ""))
        await stack.enter_async_context(client)
        try:
            answer = await stack.enter_async_context(client.stream("GET", url, headers={"accept-encoding": "identity"}))
        except httpx2.HTTPError as error:
            log.warning("object_store_away", error=repr(error))
            raise Problem("UNAVAILABLE", "The object store with the packages does not answer.") from error
        if answer.status_code != httpx2.codes.OK:
            log.warning("object_store_refused", status=answer.status_code)
            raise Problem("UNAVAILABLE", f"The object store refuses the package ({answer.status_code}).")
        return stack.pop_all(), answer
    raise AssertionError("unreachable")


async def _content(
    stack: AsyncExitStack, answer: httpx2.Response, package: Any, count: Callable[[], Awaitable[None]]
) -> AsyncGenerator[bytes, None]:
    """One piece behind, so that the last one goes out only when all of them are the package."""
    digest, came, held = hashlib.sha256(), 0, b""
    async with stack:
        async for piece in answer.aiter_bytes(PIECE):
            if held:
                yield held
            digest.update(piece)
            came, held = came + len(piece), piece
        if (came, digest.hexdigest()) != (package.size_bytes, package.sha256):
            raise BrokenOff(f"{came} bytes came that are not the package {package.id}")
        yield held
    BYTES.labels("down").inc(came)
    try:
        await count()
    except Problem as problem:
        log.warning("download_not_counted", package_id=package.id, error=problem.message)
