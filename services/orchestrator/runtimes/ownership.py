"""Takes over what untrusted code has made: from then on its maker can change nothing of it.

Follows no link, whatever is made of the folder meanwhile.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST: Final = 200  # no package has such folders; each one on the way is held open


class TooDeep(OSError):
    """More folders inside one another than anybody needs."""


def take_over(path: Path, group: int) -> None:
    """Makes all of a folder root's and the group's. Raises OSError."""
    way = [os.open(path, _FOLDER)]
    try:
        waiting = [_taken(way[0], group)]
        while waiting:
            if not waiting[-1]:
                waiting.pop()
                os.close(way.pop())
                continue
            if len(way) >= _DEEPEST:
                raise TooDeep(f"folders are more than {_DEEPEST} deep in {path}")
            name = waiting[-1].pop()
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                way.append(os.open(name, _FOLDER, dir_fd=way[-1]))
                waiting.append(_taken(way[-1], group))
    finally:
        for folder in way:
            os.close(folder)


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
