"""The files that an agent finds in /work/in: which they are, under which name, and what of a folder is left out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from assay import ignore
from assay.bundle import Bundle, BundleFile
from assay.project import MOST_BYTES, MOST_ENTRIES, MOST_FILES, BadProject, LeftOut
from assay.reading import read_bytes


class Inputs(NamedTuple):
    """`left_out`: what lies in a folder that was named and is not sent, by the path that was written."""

    bundle: Bundle
    left_out: tuple[LeftOut, ...]


def inputs(files: Iterable[tuple[str, Path]]) -> Inputs:
    """Input files by the name under which the agent finds them; of a folder, all of its files under that name.

    Raises BadProject, OSError."""
    taken: dict[str, BundleFile] = {}
    left_out: list[LeftOut] = []
    total = 0
    for name, path in files:
        before = len(taken)
        for inside, file in _files(name, path, left_out):
            if inside in taken:
                raise BadProject(f"two input files are called {inside}: give one of them another name, as NAME=PATH")
            total += file.stat().st_size
            if total > MOST_BYTES or len(taken) >= MOST_FILES:
                raise BadProject(f"more than {MOST_FILES:,} input files or {MOST_BYTES >> 20} MiB, with {file}")
            taken[inside] = BundleFile(inside, read_bytes(file, MOST_BYTES))
        if len(taken) == before:
            out = ", ".join(f"{one.path} ({one.why})" for one in left_out[:5])
            raise BadProject(f"{path} has no files to send" + (f": left out are {out}" if out else ""))
    return Inputs(Bundle.of(taken.values()), tuple(left_out))


def _files(name: str, path: Path, left_out: list[LeftOut]) -> Iterator[tuple[str, Path]]:
    if not path.is_dir():
        yield name, path
        return
    with os.scandir(path) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        inner = path / entry.name
        if why := ignore.always(entry.name) or _strange(entry):
            left_out.append(LeftOut(str(inner), why))
            if len(left_out) > MOST_ENTRIES:
                raise BadProject(f"{path} has more than {MOST_ENTRIES:,} entries that are not sent")
        else:
            yield from _files(f"{name}/{entry.name}", inner, left_out)


def _strange(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "a link"
    return "" if entry.is_file() or entry.is_dir() else "neither a file nor a folder"
