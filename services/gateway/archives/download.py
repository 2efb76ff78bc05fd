"""Hands out the content of a test's files: of its project, its inputs, and what the agent left."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from assay.v1 import test_service_pb2 as pb
from services.gateway.archives.at_once import AtOnce
from services.gateway.archives.remembered import Remembered
from services.gateway.caller import Caller
from services.gateway.errors import FilesGone, InvalidRequest, NoSuchFile, TooManyDownloads, Violation
from services.gateway.fetch import fetch
from services.gateway.ports import LeftFiles, StoredFiles, Tests
from services.gateway.translate import api_file
from shared.domain.files import span
from shared.store.documents import ArchiveRef, Execution, StoredFile

MOST_AT_ONCE: Final = 16
"""Downloads of a user under way at the same time: each holds a file of some MiB for as long as its client takes."""
PIECE: Final = 1 << 20
"""Bytes of a file in one message."""
_WORDS: Final = {
    pb.FILE_KIND_PROJECT: "project",
    pb.FILE_KIND_INPUT: "input files",
    pb.FILE_KIND_OUTPUT: "output files",
}


class Downloads:
    """DownloadFile."""

    def __init__(self, tests: Tests, store: StoredFiles, left: LeftFiles) -> None:
        self._tests = tests
        self._store = Remembered(store)
        self._left = left
        self._open = AtOnce(MOST_AT_ONCE, TooManyDownloads)

    async def download(self, request: pb.DownloadFileRequest, caller: Caller) -> AsyncIterator[pb.DownloadFileResponse]:
        """The file and then its bytes. Raises InvalidRequest, NoSuchTest, NoSuchFile, FilesGone, TooManyDownloads."""
        with self._open.one_more(caller.user_id):
            async for message in self._messages(request, caller):
                yield message

    async def _messages(
        self, request: pb.DownloadFileRequest, caller: Caller
    ) -> AsyncIterator[pb.DownloadFileResponse]:
        test = await fetch(self._tests, caller, request.test_id)
        files = _files(test, request.kind)
        where = span(files, request.path)
        if where is None:
            raise NoSuchFile(request.path)
        file = next(file for file in files if file.path == request.path)
        pieces = self._pieces(test, request.kind, where)
        # The first bytes are looked up before anything is said: what is gone is an error and no empty file.
        first = await anext(pieces, b"")
        if where and not first:
            raise FilesGone(_WORDS[request.kind])
        yield pb.DownloadFileResponse(file=api_file(file))
        sent = 0
        while first:
            for start in range(0, len(first), PIECE):
                yield pb.DownloadFileResponse(data=first[start : start + PIECE])
            sent += len(first)
            first = await anext(pieces, b"")
        if sent < len(where):
            raise FilesGone(_WORDS[request.kind])

    async def _pieces(self, test: Execution, kind: int, where: range) -> AsyncIterator[bytes]:
        if kind == pb.FILE_KIND_OUTPUT:
            async for piece in self._left.read(test.id, test.attempt, where):
                yield piece
            return
        ref = test.input.project if kind == pb.FILE_KIND_PROJECT else test.input.inputs
        data = await self._store.read(test.user_id, ref.digest) if ref else None
        if data is not None and where:
            data = data[where.start : where.stop]  # while a slow client reads, only its file is held
            yield data


def _files(test: Execution, kind: int) -> Sequence[StoredFile]:
    def of(ref: ArchiveRef | None) -> Sequence[StoredFile]:
        return ref.files if ref else ()

    match kind:
        case pb.FILE_KIND_PROJECT:
            return of(test.input.project)
        case pb.FILE_KIND_INPUT:
            return of(test.input.inputs)
        case pb.FILE_KIND_OUTPUT:
            return test.output_files
        case _:
            raise InvalidRequest([Violation("kind", "must be one of PROJECT, INPUT, OUTPUT")])
