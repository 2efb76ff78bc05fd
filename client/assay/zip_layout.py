"""Whether a ZIP has the same files for who reads it from its front as for who goes by the list at its end.

Both kinds of programs unpack packages, and a signature or a checksum of what is listed says nothing of what is not.
"""

from __future__ import annotations

import struct
import zipfile
from typing import BinaryIO, Final

LONGEST_LIST: Final = 2 << 20
"""Bytes of the list at the end. zipfile takes all of it into memory, some ten times as large."""
_HEAD: Final = struct.Struct("<4s5H3L2H")  # before each file, APPNOTE 6.3, 4.3.7
_BEGINS: Final = b"PK\3\4"
_SIZE_COMES_LATER: Final = 0x8
_UTF8: Final = 0x800


class Bounded:
    """A file for zipfile to read, which ends it at a list that no package has."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        """Raises BadZipFile."""
        data = self._file.read(LONGEST_LIST + 1 if size < 0 else min(size, LONGEST_LIST + 1))
        if len(data) > LONGEST_LIST:
            raise zipfile.BadZipFile("its list of files is longer than that of any package")
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


def unlisted(archive: zipfile.ZipFile, file: BinaryIO) -> list[str]:
    """What is wrong with the places of the files: each follows the one before it, up to the list, and says of itself
    what the list says of it."""
    end = 0
    for entry in sorted(archive.infolist(), key=lambda entry: entry.header_offset):
        if entry.header_offset != end:
            return [f"before {entry.filename!r} there is something that is not in the list of files"]
        file.seek(end)
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size or not head.startswith(_BEGINS):
            return [f"{entry.filename!r} is not where the list of files says"]
        _, _, flags, method, _, _, _, packed, _, name_length, extra_length = _HEAD.unpack(head)
        name = file.read(name_length).decode("utf-8" if flags & _UTF8 else "cp437", "replace")
        if (name, method, packed) != (entry.orig_filename, entry.compress_type, entry.compress_size):
            return [f"{entry.filename!r} is another file for who reads the ZIP from its front"]
        if flags & _SIZE_COMES_LATER:
            return [f"{entry.filename!r} does not say before itself how large it is"]
        end += _HEAD.size + name_length + extra_length + packed
    return [] if end == archive.start_dir else ["after the files there is something that is not in their list"]
