"""The built page: its index with a nonce of each answer's own, and its files. Knows nothing of what is on it."""

from __future__ import annotations

import asyncio
import gzip
import mimetypes
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from services.console.errors import Problem
from services.console.guard import DATA

NONCE: Final = "__CSP_NONCE__"
ASSETS: Final = "assets/"
FOR_EVER: Final = "public, max-age=31536000, immutable"
WHILE: Final = "public, max-age=3600"
POLICY: Final = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; "
    "img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
NOT_BUILT: Final = "The page of the console is not built. `make setup` builds it; the services work without it."
_TEXT: Final = ("text/", "application/javascript", "application/json", "image/svg+xml")


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    packed: bytes
    """By gzip; empty where that makes nothing smaller."""
    media_type: str
    cache: str


@dataclass(frozen=True, slots=True)
class _Build:
    """What one build of the page left."""

    at: int
    """When its index was written."""
    index: str
    files: dict[str, _File]


class Page:
    """The files of the page, read once, and again when it was built anew. A few megabytes in all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._build = _Build(-1, "", {})

    async def answer(self, path: str, *, gzipped: bool) -> Response:
        """What is at this path: a file, or else the index, whose router knows the rest. Raises Problem."""
        if self._built_at() != self._build.at:
            self._build = await asyncio.to_thread(self._read)  # packing takes a moment
        build = self._build
        file = build.files.get(path)
        if file is not None:
            return _answer(file, gzipped=gzipped)
        if path.startswith(ASSETS):
            raise Problem("NOT_FOUND", "There is no such file; the page was built anew. Load it again.")
        if not build.index:
            return Response(NOT_BUILT, status_code=503, media_type="text/plain")
        nonce = secrets.token_urlsafe(18)
        headers = {"content-security-policy": POLICY.format(nonce=nonce)}
        return HTMLResponse(build.index.replace(NONCE, nonce), headers=headers)

    def _built_at(self) -> int:
        try:
            return (self._folder / "index.html").stat().st_mtime_ns
        except OSError:
            return -1

    def _read(self) -> _Build:
        at = self._built_at()
        try:
            index = (self._folder / "index.html").read_text("utf-8")
            return _Build(at, index, {name: _read(self._folder / name, name) for name in self._names()})
        except OSError:  # it is being built
            return _Build(-1, "", {})

    def _names(self) -> list[str]:
        files = [file.relative_to(self._folder).as_posix() for file in self._folder.rglob("*") if file.is_file()]
        return [name for name in files if not name.startswith(".") and name != "index.html"]


def routes(folder: Path) -> APIRouter:
    """The page, at every path that is nothing else's: to be added last."""
    router = APIRouter()
    page = Page(folder)

    @router.api_route("/{path:path}", methods=["GET", "HEAD"])
    async def show(path: str, request: Request) -> Response:
        if request.url.path.startswith(DATA):
            raise Problem("NOT_FOUND", "There is nothing here.")
        return await page.answer(path, gzipped="gzip" in request.headers.get("accept-encoding", ""))

    return router


def _read(file: Path, name: str) -> _File:
    content = file.read_bytes()
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    packed = gzip.compress(content, 6, mtime=0) if media_type.startswith(_TEXT) else b""
    cache = FOR_EVER if name.startswith(ASSETS) else WHILE
    return _File(content, packed if len(packed) < len(content) else b"", media_type, cache)


def _answer(file: _File, *, gzipped: bool) -> Response:
    headers = {"cache-control": file.cache, "vary": "accept-encoding"}
    if gzipped and file.packed:
        return Response(file.packed, media_type=file.media_type, headers=headers | {"content-encoding": "gzip"})
    return Response(file.content, media_type=file.media_type, headers=headers)
