"""From the bytes of a ZIP archive to files, or to everything that is wrong with it.

Believes no size that the archive states: what comes out is counted as it comes. Unpacks nothing to a disk. Takes time
and memory by what is handed in, so it is called in a thread.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import Final, NamedTuple

from services.gateway.archives import paths
from services.gateway.archives.paths import Bad

MOST_TOLD: Final = 20
_MOST_DIRECTORY: Final = 1 << 20
"""Bytes of the list of what is in the archive, which is read before anything can be said of it."""
_PIECE: Final = 1 << 16
_END: Final = b"PK\x05\x06"
_END_64: Final = b"PK\x06\x07"
_ENTRY: Final = struct.Struct("<28x3H12x")
"""Of the list: how long its name, extra fields and comment are."""
_LONGEST_END: Final = 22 + 0xFFFF
_UNREADABLE: Final = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, struct.error, ValueError, NotImplementedError),
    ArithmeticError,  # a place beyond 2**63
)
_ENCRYPTED: Final = 0x1 | 0x40
_UTF8: Final = 0x800


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be handed in. `what` names it for people."""

    what: str
    files: int
    size: int
    """Bytes of all files together."""


class Content(NamedTuple):
    """What is in an archive."""

    files: dict[str, bytes]
    executables: frozenset[str]
    left_out: int = 0
    """How many files were left out that nobody means to hand in (`__pycache__`, `.DS_Store`)."""


class BadArchive(Exception):
    """The archive cannot be taken; `problems` are for the user."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__(self.problems[0])


def read(data: bytes, limits: Limits) -> Content:
    """The files of a ZIP archive. Raises BadArchive."""
    try:
        _check_directory(data)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _content(archive, limits)
    except UnicodeDecodeError as error:
        raise BadArchive(["has a file name that is not valid UTF-8"]) from error
    except _UNREADABLE as error:
        raise BadArchive([f"is not a ZIP archive that can be read: {str(error)[:200]}"]) from error


def check_paths(names: Iterable[str]) -> list[Bad]:
    """What is wrong with these paths, each by itself and all together."""
    names = list(names)
    bad = [Bad(name, problem) for name in names if (problem := paths.problem(name))]
    return bad or list(paths.clashes(names))


def check_project(names: Iterable[str]) -> list[Bad]:
    """What may be an input file, and not a file of a project."""
    names = list(names)
    return [*paths.reserved(names), *paths.shadows(names)]


def check_size(files: int, size: int, limits: Limits, largest: Iterable[tuple[str, int]] = ()) -> list[str]:
    """Whether these are too many files, or too large ones. `size` in bytes."""
    problems = []
    if files > limits.files:
        problems.append(f"has {files} files; {limits.what} may have at most {limits.files}")
    if size > limits.size:
        heavy = ", ".join(f"{path!r} {_kib(own)}" for path, own in sorted(largest, key=lambda one: -one[1])[:3])
        problems.append(
            f"has {_kib(size)}; {limits.what} may have at most {_kib(limits.size)}"
            + (f" (the largest: {heavy})" if heavy else "")
        )
    if not files:
        problems.append("has no files in it")
    return problems


def told(bad: Iterable[Bad]) -> list[str]:
    """The first of them as sentences, and how many more there are."""
    lines = [str(one) for one in bad]
    more = len(lines) - MOST_TOLD
    return lines[:MOST_TOLD] + ([f"and {more} more files that may not be"] if more > 0 else [])


def _check_directory(data: bytes) -> None:
    """Bounds the work of reading the list of entries: a few MiB may hold hundreds of thousands."""
    place = data.rfind(_END, max(0, len(data) - _LONGEST_END))
    if place < 0 or len(data) < place + 22:
        raise BadArchive(["is not a ZIP archive"])
    if data[max(0, place - 20) : place].startswith(_END_64):
        raise BadArchive(["is in the ZIP64 format, which is for archives larger than may be handed in"])
    size = int.from_bytes(data[place + 12 : place + 16], "little")
    if size > _MOST_DIRECTORY:
        raise BadArchive(["has far too many entries"])
    at = place - size
    while 0 <= at <= place - _ENTRY.size:
        at += _ENTRY.size + sum(_ENTRY.unpack_from(data, at))
    if at != place:  # zipfile takes what is there of a name that is cut off
        raise BadArchive(["is not a ZIP archive that can be read: its list of entries is cut off"])


def _content(archive: zipfile.ZipFile, limits: Limits) -> Content:
    entries = [(info, _name(info)) for info in archive.infolist()]
    wanted = [(info, name) for info, name in entries if not paths.is_left_out(name)]
    files = [(info, name) for info, name in wanted if not name.endswith("/")]
    bad = [
        *(Bad(name, problem) for info, name in wanted if (problem := _kind_problem(info, name))),
        *check_paths(name for _, name in files),
        *(Bad(name, problem) for _, name in wanted if name.endswith("/") and (problem := paths.problem(name[:-1]))),
    ]
    if bad:
        raise BadArchive(told(bad))
    # By what the archive states, which is for the message only: what comes out is counted below.
    problems = check_size(
        len(files), sum(info.file_size for info, _ in files), limits, [(name, info.file_size) for info, name in files]
    )
    if problems:
        raise BadArchive(problems)
    contents: dict[str, bytes] = {}
    left = limits.size
    for info, name in files:
        content = b"".join(_pieces(archive, info, left, limits))
        if len(content) != info.file_size:
            raise BadArchive([f"{name!r} is cut off, or has more in it than it states"])
        left -= len(content)
        contents[name] = content
    executables = frozenset(name for info, name in files if _mode(info) & 0o111)
    return Content(contents, executables, len(entries) - len(wanted))


def _pieces(archive: zipfile.ZipFile, info: zipfile.ZipInfo, left: int, limits: Limits) -> Iterator[bytes]:
    roomy = copy(info)
    roomy.file_size += 1  # zipfile leaves out what comes behind the stated size, where other readers go on
    with archive.open(roomy) as file:
        while piece := file.read(_PIECE):
            left -= len(piece)
            if left < 0:
                raise BadArchive([f"unpacks to more than {_kib(limits.size)}, which {limits.what} may have at most"])
            yield piece


def _kind_problem(info: zipfile.ZipInfo, name: str) -> str:
    kind = stat.S_IFMT(_mode(info))
    if kind == stat.S_IFLNK:
        return "is a symbolic link; hand in the file that it leads to"
    if kind not in {0, stat.S_IFDIR if name.endswith("/") else stat.S_IFREG}:
        return "is neither a file nor a folder"
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        return "is compressed in an unusual way; use deflate or none"
    if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        return "is not compressed and has two sizes"  # what is in it would depend on who reads it
    return ""


def _name(info: zipfile.ZipInfo) -> str:
    """The name as it was meant: many tools write UTF-8 without saying so. With what zipfile would cut off at a NUL."""
    name = info.orig_filename
    if info.flag_bits & _UTF8 or name.isascii():
        return name
    return name.encode("cp437").decode("utf-8")  # zipfile took it for code page 437, as the format has it


def _mode(info: zipfile.ZipInfo) -> int:
    return info.external_attr >> 16


def _kib(size: int) -> str:
    return f"{size / 1024:.0f} KiB" if size < 1024 * 1024 else f"{size / (1024 * 1024):.1f} MiB"
