"""Files that go with a test, as one value: the same files have the same digest and the same ZIP, wherever they lie.

Pure; which files these are is project.py's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

INLINE = 1 << 20  # bytes: a larger archive is uploaded by itself, and then named by its digest
PIECE = 1 << 20  # bytes of one message of an upload, as the API has it
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time that a ZIP can say


@dataclass(frozen=True, slots=True)
class BundleFile:
    """A file: its path, relative and with `/`, and its content."""

    path: str
    data: bytes
    executable: bool = False


@dataclass(frozen=True)
class Bundle:
    """Files in the order of their paths."""

    files: tuple[BundleFile, ...]

    @classmethod
    def of(cls, files: Iterable[BundleFile]) -> Bundle:
        return cls(tuple(sorted(files, key=lambda file: file.path)))

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(len(file.data) for file in self.files)

    @cached_property
    def digest(self) -> str:
        """What the server calls these files: SHA-256 over sorted lines of content, mode and path."""
        lines = sorted(
            f"{hashlib.sha256(file.data).hexdigest()} {'x' if file.executable else '-'} {file.path}\n"
            for file in self.files
        )
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @cached_property
    def zip(self) -> bytes:
        """A ZIP archive that depends on nothing but the files."""
        import io
        import zipfile

        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for file in self.files:
                entry = zipfile.ZipInfo(file.path, _EPOCH)
                entry.create_system = 3  # Unix: that of this machine would make the bytes differ
                entry.external_attr = (0o100755 if file.executable else 0o100644) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, file.data, compresslevel=6)
        return out.getvalue()

    def pieces(self) -> Iterable[bytes]:
        """The ZIP in pieces for an upload."""
        return (self.zip[start : start + PIECE] for start in range(0, len(self.zip), PIECE))
