"""The way of one file of a test to a file here: written beside its place, checked, and there all at once.

The server may be hostile, too: no more is written than it said at first and than any file has. Where it goes is
local_names.py's. Knows nothing of gRPC.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from assay.errors import DownloadFailed

MOST_BYTES = 1 << 30
"""Of one file: a server that says more would fill the disk. Tests leave 25 MiB, unless it is set otherwise."""


class Arriving:
    """A file that comes in pieces. Nothing is at its place before all of it has come and is right."""

    def __init__(self, to: Path, *, overwrite: bool) -> None:
        """Raises DownloadFailed when something is there already and must stay."""
        self._to, self._overwrite = to, overwrite
        if not overwrite and os.path.lexists(to):
            raise _exists(to)
        if is_folder(to):
            raise DownloadFailed(f"{to} is a folder.")
        self._part: IO[bytes] | None = None
        self._size, self._sha256, self._executable = -1, "", False
        self._digest, self._come = hashlib.sha256(), 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._part is not None:
            self._part.close()
            Path(self._part.name).unlink(missing_ok=True)

    def begin(self, size: int, sha256: str, *, executable: bool = False) -> None:
        """What is to come. Said again when the connection was lost and the server begins once more."""
        self._size, self._sha256, self._executable = checked_size(size), sha256, executable
        self._digest, self._come = hashlib.sha256(), 0
        if self._part is None:
            self._to.parent.mkdir(parents=True, exist_ok=True)
            self._part = (self._to.parent / f".assay-{uuid.uuid4().hex}.part").open("xb")
        self._part.seek(0)
        self._part.truncate()

    def piece(self, data: bytes) -> None:
        if self._part is None or self._come + len(data) > self._size:
            raise DownloadFailed("There came more than the server said.")
        self._come += len(data)
        self._digest.update(data)
        self._part.write(data)

    def finish(self) -> Path:
        """Puts the file at its place. Raises DownloadFailed when it is not what the server said, OSError."""
        if self._part is None or (self._come, self._digest.hexdigest()) != (self._size, self._sha256):
            raise DownloadFailed(
                f"What came is not the file: {self._come:,} bytes with SHA-256 {self._digest.hexdigest()}, "
                f"and not {max(self._size, 0):,} with {self._sha256 or 'any'}."
            )
        self._part.flush()
        if self._executable:  # for whoever may read it
            part = Path(self._part.name)
            part.chmod(part.stat().st_mode | (part.stat().st_mode & 0o444) >> 2)
        os.fsync(self._part.fileno())
        if self._overwrite:
            os.replace(self._part.name, self._to)  # noqa: PTH105 - a link there is replaced, not what it leads to
        else:
            try:
                os.link(self._part.name, self._to)  # unlike a rename it never replaces what came there meanwhile
            except FileExistsError as error:
                raise _exists(self._to) from error
            except OSError:  # a file system without links
                os.replace(self._part.name, self._to)  # noqa: PTH105
        return self._to


def checked_size(size: int) -> int:
    """The size itself. Raises DownloadFailed for one that no file has."""
    if not 0 <= size <= MOST_BYTES:
        raise DownloadFailed(f"The server says that the file has {size:,} bytes: at most {MOST_BYTES:,} are taken.")
    return size


def is_folder(path: Path) -> bool:
    """Whether no file can be put there. A link to a folder is none: it is replaced, and never followed."""
    return path.is_dir() and not path.is_symlink()


def _exists(path: Path) -> DownloadFailed:
    return DownloadFailed(f"{path} is there already. Nothing was written over.")
