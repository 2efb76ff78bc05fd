"""One file of a test, from the server to a file here or into memory. For both clients, as sending.py."""

from __future__ import annotations

import hashlib
import os
from contextlib import aclosing, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from assay.errors import DownloadFailed
from assay.file_download import Arriving, checked_size
from assay.files import FileKind
from assay.local_names import local_path
from assay.v1 import test_service_pb2

if TYPE_CHECKING:
    from assay.blocking_calls import BlockingCalls
    from assay.calls import Calls


class Taker(Protocol):
    """Where the messages of a download go. `begin` comes again when the connection was lost."""

    def begin(self, size: int, sha256: str, *, executable: bool = False) -> None: ...
    def piece(self, data: bytes) -> None: ...


class InMemory:
    """Takes a file into memory."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._sha256, self._left = "", 0

    def begin(self, size: int, sha256: str, *, executable: bool = False) -> None:
        del executable  # memory has no modes
        self._pieces, self._sha256, self._left = [], sha256, checked_size(size)

    def piece(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise DownloadFailed("There came more than the server said.")
        self._pieces.append(data)

    def content(self) -> bytes:
        """Raises DownloadFailed when it is not what the server said."""
        content = b"".join(self._pieces)
        if hashlib.sha256(content).hexdigest() != self._sha256:
            raise DownloadFailed("What came is not the file: its SHA-256 differs.")
        return content


def request(test_id: str, name: str, kind: FileKind | str) -> test_service_pb2.DownloadFileRequest:
    """Raises ValueError for a kind that there is not."""
    number = test_service_pb2.FileKind.Value(f"FILE_KIND_{FileKind(kind.upper()).value}")
    return test_service_pb2.DownloadFileRequest(test_id=test_id, kind=number, path=name)


def arriving(to: str | os.PathLike[str] | None, name: str, save_as: str, *, overwrite: bool) -> Arriving:
    """`to`: a folder, under which the file keeps its path or has that of `save_as`; or what the file is to be. Else
    the current folder."""
    target = Path(os.fspath(to)) if to is not None else Path()
    is_folder = save_as or target.is_dir() or (to is not None and os.fspath(to).endswith(("/", os.sep)))
    return Arriving(local_path(target, save_as or name) if is_folder else target, overwrite=overwrite)


async def fetch(calls: Calls, wanted: test_service_pb2.DownloadFileRequest, taker: Taker) -> None:
    """Gives all messages of the download to `taker`. Raises NotFound, FailedPrecondition (it was removed)."""
    stream = calls.stream(calls.tests.DownloadFile, lambda: wanted, endless=False)
    async with aclosing(stream) as messages:
        async for message in messages:
            _take(message, taker, own=wanted.kind == test_service_pb2.FILE_KIND_PROJECT)


def fetch_blocking(calls: BlockingCalls, wanted: test_service_pb2.DownloadFileRequest, taker: Taker) -> None:
    """As `fetch`."""
    with closing(calls.stream(calls.tests.DownloadFile, lambda: wanted, endless=False)) as messages:
        for message in messages:
            _take(message, taker, own=wanted.kind == test_service_pb2.FILE_KIND_PROJECT)


def _take(message: Any, taker: Taker, *, own: bool) -> None:
    """`own`: the user handed the file in. Only such a one becomes a program here: what an agent left is not trusted."""
    if message.HasField("file"):
        taker.begin(message.file.size, message.file.sha256, executable=own and message.file.executable)
    if message.data:
        taker.piece(message.data)
