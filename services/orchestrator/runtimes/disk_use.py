"""How much of the disk an installation takes while it is under way, whatever it does to hide that.

Blocking; counts what is in its folders, and files that have no name any more and that one of its processes holds open.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST: Final = 2000
_BLOCK: Final = 512  # st_blocks, whatever the file system's own is
_ENTRY: Final = 256  # bytes that a name costs beside its content, so that empty files are not free


class Endless(Exception):
    """Folders so deep inside one another that nobody can count them."""


def used(folders: Iterable[Path], cgroups: Iterable[str]) -> int:
    """Bytes on the disk. Raises Endless."""
    seen: set[tuple[int, int]] = set()  # a file with two names is one
    disks = set()
    total = 0
    for folder in folders:
        with contextlib.suppress(OSError):
            disks.add(folder.stat().st_dev)
        total += _in_folder(folder, seen)
    return total + _without_name(_pids(cgroups), seen, disks)


def _in_folder(path: Path, seen: set[tuple[int, int]]) -> int:
    total = 0
    way: list[tuple[int, list[str]]] = []
    try:
        with contextlib.suppress(OSError):
            way.append(_opened(str(path), None))
        while way:
            folder, names = way[-1]
            if not names:
                os.close(way.pop()[0])
                continue
            name = names.pop()
            with contextlib.suppress(OSError):
                facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
                total += _size(facts, seen)
                if stat.S_ISDIR(facts.st_mode):
                    if len(way) >= _DEEPEST:
                        raise Endless
                    way.append(_opened(name, folder))
    finally:
        for folder, _ in way:
            os.close(folder)
    return total


def _opened(name: str, folder: int | None) -> tuple[int, list[str]]:
    opened = os.open(name, _FOLDER, dir_fd=folder)
    try:
        return opened, os.listdir(opened)  # noqa: PTH208 - by its descriptor
    except OSError:
        os.close(opened)
        raise


def _size(facts: os.stat_result, seen: set[tuple[int, int]]) -> int:
    if facts.st_nlink > 1 and not stat.S_ISDIR(facts.st_mode):
        if (facts.st_dev, facts.st_ino) in seen:
            return _ENTRY
        seen.add((facts.st_dev, facts.st_ino))
    return facts.st_blocks * _BLOCK + _ENTRY


def _pids(cgroups: Iterable[str]) -> set[str]:
    pids: set[str] = set()
    for group in cgroups:
        with contextlib.suppress(OSError):
            pids.update(Path(group, "cgroup.procs").read_text().split())
    return pids


def _without_name(pids: Iterable[str], seen: set[tuple[int, int]], disks: set[int]) -> int:
    """What files take that were removed and are still open, or mapped, in one of these processes."""
    total = 0
    for pid in pids:
        for kind in ("fd", "map_files"):
            with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/{kind}") as entries:
                for entry in entries:
                    with contextlib.suppress(OSError):
                        facts = entry.stat()
                        if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 0 and facts.st_dev in disks:
                            total += 0 if (facts.st_dev, facts.st_ino) in seen else facts.st_blocks * _BLOCK
                            seen.add((facts.st_dev, facts.st_ino))
    return total
