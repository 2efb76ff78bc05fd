"""How much of the disk an installation takes while it is under way, whatever it does to hide that.

Blocking; counts what is in its folders, and files that have no name any more and that one of its processes holds open.
Takes few descriptors and little memory, whatever is there: both are the orchestrator's.
"""

from __future__ import annotations

import contextlib
import math
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from services.orchestrator.runtimes.cgroups import members
from services.orchestrator.runtimes.ownership import Moved, exchanged, identity

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST: Final = 2000
_TRIES: Final = 5  # where folders are taken elsewhere meanwhile, as installers do now and then
_BLOCK: Final = 512  # st_blocks, whatever the file system's own is
_ENTRY: Final = 4096
"""Bytes that a name counts beside its content: an empty file takes an inode, of which there are few, and our time."""


class Endless(Exception):
    """Folders so deep inside one another that nobody can count them."""


def used(folders: Iterable[Path], cgroups: Iterable[str], *, enough: float = math.inf) -> int:
    """Bytes on the disk; where they are more than `enough`, any number above. Raises Endless."""
    seen: set[tuple[int, int]] = set()  # a file with two names is one
    disks = set()
    total = 0
    for folder in folders:
        with contextlib.suppress(OSError):
            disks.add(folder.stat().st_dev)
        total += _in_folder(folder, seen, enough)
    return total if total > enough else total + _without_name(members(cgroups), seen, disks)


def _in_folder(path: Path, seen: set[tuple[int, int]], enough: float) -> int:
    for _ in range(_TRIES):
        seen_now = set(seen)
        with contextlib.suppress(Moved):
            total = _walked(path, seen_now, enough)
            seen |= seen_now
            return total
    raise Endless


def _walked(path: Path, seen: set[tuple[int, int]], enough: float) -> int:
    """Raises Moved when a folder is taken elsewhere while we are in it."""
    try:
        folder = os.open(path, _FOLDER)
    except OSError:
        return 0
    total = 0
    try:
        way: list[tuple[tuple[int, int], list[str]]] = [(identity(folder), [])]  # and the folders in each that are left
        total += _listed(folder, way[-1][1], seen, enough)
        while total <= enough:
            if way[-1][1]:
                if len(way) >= _DEEPEST:
                    raise Endless
                with contextlib.suppress(OSError):
                    folder = exchanged(folder, way[-1][1].pop())
                    way.append((identity(folder), []))
                    total += _listed(folder, way[-1][1], seen, enough - total)
                continue
            way.pop()
            if not way:
                break
            folder = exchanged(folder, "..")
            if identity(folder) != way[-1][0]:
                raise Moved(f"{path} changes while it is measured")
    finally:
        os.close(folder)
    return total


def _listed(folder: int, names: list[str], seen: set[tuple[int, int]], enough: float) -> int:
    """What is in a folder takes; its folders go to `names`."""
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                total += _size(entry.stat(follow_symlinks=False), seen)
                if entry.is_dir(follow_symlinks=False):
                    names.append(entry.name)
            if total > enough:
                break
    return total


def _size(facts: os.stat_result, seen: set[tuple[int, int]]) -> int:
    if facts.st_nlink > 1 and not stat.S_ISDIR(facts.st_mode):
        if (facts.st_dev, facts.st_ino) in seen:
            return _ENTRY
        seen.add((facts.st_dev, facts.st_ino))
    return facts.st_blocks * _BLOCK + _ENTRY


def _without_name(pids: Iterable[int], seen: set[tuple[int, int]], disks: set[int]) -> int:
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
