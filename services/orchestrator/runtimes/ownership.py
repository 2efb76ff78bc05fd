"""Takes over what untrusted code has made: from then on its maker can change nothing of it.

Follows no link, and takes the same few descriptors for any depth, as removal.py does.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Moved(OSError):
    """Somebody is at work in the folder."""


def take_over(path: Path, group: int) -> None:
    """Makes all of a folder root's and the group's. Raises OSError."""
    folder = os.open(path, _FOLDER)
    try:
        way = [(identity(folder), _taken(folder, group))]
        while True:
            if way[-1][1]:
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    folder = exchanged(folder, way[-1][1].pop())
                    way.append((identity(folder), _taken(folder, group)))
                continue
            way.pop()
            if not way:
                return
            folder = exchanged(folder, "..")
            if identity(folder) != way[-1][0]:
                raise Moved(f"{path} changes while it is taken over")
    finally:
        os.close(folder)


def exchanged(folder: int, name: str) -> int:
    """Another folder, by its name in this one, which is closed."""
    other = os.open(name, _FOLDER, dir_fd=folder)
    os.close(folder)
    return other


def identity(folder: int) -> tuple[int, int]:
    """Which folder it is, whatever it is called."""
    facts = os.fstat(folder)
    return facts.st_dev, facts.st_ino


def _taken(folder: int, group: int) -> list[str]:
    """Takes over one folder and its files, and names its folders."""
    os.fchown(folder, 0, group)
    inside = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                inside.append(entry.name)
            else:
                os.chown(entry.name, 0, group, dir_fd=folder, follow_symlinks=False)
    return inside
