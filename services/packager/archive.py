"""The ZIP: the same files give the same bytes on any machine, written piece by piece to a sink that cannot seek.

Entries are stored and not deflated: deflate's output differs between builds of zlib, so a package that expired and is
made again elsewhere would get another checksum. A package is some 50 KiB of text; there is little to win.
The format is PKWARE's APPNOTE 6.3; sizes and checksums are known beforehand, so no data descriptors are needed.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from services.packager.content.facts import PackageFacts
from services.packager.content.handed_in import executables
from services.packager.content.layout import contents
from services.packager.content.manifest import MANIFEST, SUMS, checksums, manifest
from services.packager.content.names import service_name
from services.packager.content.provenance import ENVELOPE, PROVENANCE, Sign, provenance

_LOCAL: Final = struct.Struct("<4s5H3I2H")
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
_END: Final = struct.Struct("<4s4H2IH")
_VERSION: Final = 20  # what is needed to unpack
_MADE_BY: Final = 3 << 8 | _VERSION  # Unix: the attributes are permissions
_NAMES_ARE_UTF8: Final = 1 << 11
_STORED: Final = 0
_TIME: Final = 0
_DATE: Final = 1 << 5 | 1  # 1980-01-01, the first day that the format knows
_PERMISSIONS: Final = 0o100644 << 16
_RUNS: Final = 0o100755 << 16


class Sink(Protocol):
    """Where the ZIP goes. `data` is the writer's only until `write` returns."""

    def write(self, data: bytes, /) -> object: ...


class PackedFile(NamedTuple):
    """One file of a ZIP."""

    path: str
    """as in the ZIP, with the folder"""
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ArchiveSummary:
    """What was written."""

    size: int
    sha256: str
    content_hash: str
    """names what is inside, see `content_hash`"""
    files: list[PackedFile]


class _Counted:
    """Passes on what is written, and knows how much it was and its checksum."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        self._digest.update(data)
        self.size += len(data)
        self._sink.write(data)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def packed(facts: PackageFacts, sign: Sign | None = None) -> dict[str, bytes]:
    """All files of the package, manifest and checksums included, by their path in the package's folder."""
    return _completed(contents(facts), facts, sign)


def _completed(files: Mapping[str, bytes], facts: PackageFacts, sign: Sign | None) -> dict[str, bytes]:
    """With what is said of the files, each of all that came before it."""
    everything = dict(files)
    everything[MANIFEST] = manifest(files, facts)
    statement = provenance(everything, facts)
    everything[PROVENANCE] = statement
    if sign:
        everything[ENVELOPE] = sign(statement)
    everything[SUMS] = checksums(everything)
    return everything


def content_hash(facts: PackageFacts) -> str:
    """Names the package by what is in it: the same test, options and generator give the same one."""
    return _name_of(packed(facts))


def write_archive(
    files: Mapping[str, bytes], facts: PackageFacts, sink: Sink, sign: Sign | None = None
) -> ArchiveSummary:
    """Writes `contents(facts)` with its manifest, provenance and checksums, in a folder named after the service."""
    everything = _completed(files, facts, sign)
    folder = service_name(facts)
    out = _Counted(sink)
    listed: list[PackedFile] = []
    directory: list[bytes] = []
    runs = executables(facts)
    for path in sorted(everything):
        data = everything[path]
        name = f"{folder}/{path}".encode()
        at = out.size
        common = (_NAMES_ARE_UTF8, _STORED, _TIME, _DATE, zlib.crc32(data), len(data), len(data), len(name), 0)
        out.write(_LOCAL.pack(b"PK\3\4", _VERSION, *common) + name)
        out.write(data)
        permissions = _RUNS if path in runs else _PERMISSIONS
        directory.append(_CENTRAL.pack(b"PK\1\2", _MADE_BY, _VERSION, *common, 0, 0, 0, permissions, at) + name)
        listed.append(PackedFile(name.decode(), len(data), hashlib.sha256(data).hexdigest()))
    start = out.size
    for entry in directory:
        out.write(entry)
    count = len(directory)
    out.write(_END.pack(b"PK\5\6", 0, 0, count, count, out.size - start, start, 0))
    return ArchiveSummary(out.size, out.sha256, _name_of(everything), listed)


def _name_of(files: Mapping[str, bytes]) -> str:
    return hashlib.sha256(files[SUMS]).hexdigest()
