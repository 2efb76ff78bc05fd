"""The way of one file of a test to a file here: written beside its place, checked, and there all at once.

Names come from the agent, which may be hostile: no file is written outside of the folder that was asked for. Knows
nothing of gRPC.
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from assay.errors import DownloadFailed

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_UNSAFE_ON_WINDOWS = re.compile(r'[<>:"|?*\\]')


def local_path(folder: Path, name: str) -> Path:
    """Where a file of this name goes in a folder. Control characters become `_`. Raises DownloadFailed for a name that
    leads out of it."""
    parts = name.split("/")
    if not name or name.startswith("/") or any(part in {"", ".", ".."} for part in parts):
        raise DownloadFailed(f"The name {name!r} leads out of the folder: get it by itself with another name.")
    if os.name == "nt":  # a drive or a backslash would lead out there
        parts = [_UNSAFE_ON_WINDOWS.sub("_", part) for part in parts]
    path = folder.joinpath(*(_UNSAFE.sub("_", part) for part in parts))
    if not Path(os.path.realpath(path.parent)).is_relative_to(os.path.realpath(folder)):
        raise DownloadFailed(f"{path.parent} is a link out of {folder}: remove it, or name another folder.")
    return path


def local_names(names: Iterable[str]) -> list[str]:
    """What files of these names are called here, in their order: one that must be changed gets a number where another
    has that name already. Raises DownloadFailed as `local_path`."""
    all_names = list(names)
    here = {name: local_path(Path(), name).as_posix() for name in all_names}
    taken = {name for name in all_names if here[name] == name}
    for name in all_names:
        plain, number = here[name], 1
        while here[name] != name and here[name] in taken:
            number += 1
            here[name] = f"{plain}~{number}"
        taken.add(here[name])
    return [here[name] for name in all_names]


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
        self._size, self._sha256, self._executable = size, sha256, executable
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


def is_folder(path: Path) -> bool:
    """Whether no file can be put there. A link to a folder is none: it is replaced, and never followed."""
    return path.is_dir() and not path.is_symlink()


def _exists(path: Path) -> DownloadFailed:
    return DownloadFailed(f"{path} is there already. Nothing was written over.")
