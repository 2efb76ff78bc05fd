"""Requirement files of a project, with those that they include. Pure: files are given by their paths."""

from __future__ import annotations

import codecs
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from services.gateway.submission.requirement_lines import logical_lines
from services.gateway.submission.requirements import MOST_BYTES, MOST_ENTRIES, shown

MOST_FILES: Final = 20
_INCLUDE: Final = re.compile(r"(?:-r|--requirement)(?:\s+|=|(?<=-r))(\S.*)$")
_OWN_PROJECT: Final = re.compile(r"(?:(?:-e|--editable)(?:\s+|=))?(?:\.|\./|file:\.)(?:\[[^\]]*\])?(?:\s*;.*)?$")


class Line(NamedTuple):
    """A line without its comment, and where it stands: "requirements.txt, line 3"."""

    text: str
    where: str


@dataclass
class Read:
    """All lines in their order, and what is wrong with the files."""

    lines: list[Line] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    own_project: str = ""
    """The line by which the project installs itself, as exports of uv have one: left out."""
    files: list[str] = field(default_factory=list)
    size: int = 0
    """Bytes of all files."""
    entries: int = 0
    """Lines of all files, before any is looked at."""


def read_file(path: str, sources: Mapping[str, bytes]) -> Read:
    """The file with what it includes (`-r`), each file once."""
    read = Read()
    _read(path, sources, read, ())
    return read


def _read(path: str, sources: Mapping[str, bytes], read: Read, including: tuple[str, ...]) -> None:
    if path in read.files:
        return
    read.files.append(path)
    if len(read.files) > MOST_FILES:
        read.problems.append(f"{read.files[0]} includes more than {MOST_FILES} files")
        return
    read.size += len(sources[path])
    if read.size > MOST_BYTES:
        read.problems.append(f"{' and '.join(read.files[:3])} are larger than {MOST_BYTES} bytes")
        return
    try:
        text = decoded(sources[path])
    except UnicodeDecodeError:
        read.problems.append(f"{path} is not UTF-8 text")
        return
    entries = text.splitlines()
    read.entries += len(entries)
    if read.entries > MOST_ENTRIES:
        read.problems.append(f"{' and '.join(read.files[:3])} have more than {MOST_ENTRIES} lines")
        return
    for line in logical_lines(entries):
        where = f"{path}, line {line.place + 1}"
        if found := _INCLUDE.match(line.text):
            other = posixpath.normpath(posixpath.join(posixpath.dirname(path), found[1].strip()))
            if other in {path, *including}:
                read.problems.append(f"{where}: {other} is included by itself")
            elif other in sources:
                _read(other, sources, read, (*including, path))
            else:
                read.problems.append(f"{where}: {shown(found[1].strip())} is not a file of the project")
        elif _OWN_PROJECT.match(line.text):
            read.own_project = f"{where} ({line.text[:60]})"
        else:
            read.lines.append(Line(line.text, where))


def decoded(data: bytes) -> str:
    """As installers and editors read it: UTF-8 unless a byte order mark says UTF-16. Raises UnicodeDecodeError."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    return data.decode("utf-8-sig")
