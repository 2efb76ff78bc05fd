"""Removes what untrusted code has left behind, whatever it has made of it.

`shutil.rmtree` calls itself once a level, so a package or an agent can stop it with a thousand folders inside one
another. This takes the same few file descriptors and the same stack for any depth, and follows no link.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
from pathlib import Path
from typing import Final

_AT_ONCE: Final = 1000
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: Path) -> None:
    """Removes a folder and all that is in it; what the system refuses to remove stays. Nobody may be at work in it."""
    with contextlib.suppress(OSError):
        top = os.open(path, _FOLDER)
        try:
            _empty(top)
        finally:
            os.close(top)
        path.rmdir()


def _empty(top: int) -> None:
    prefix = f".doomed-{secrets.token_hex(8)}-"  # no name that anybody could have taken on purpose
    found = _emptied(top, top, prefix, 0)
    number = 0
    while number < found:
        number += 1
        name = f"{prefix}{number}"
        with contextlib.suppress(OSError):
            folder = os.open(name, _FOLDER, dir_fd=top)
            try:
                found = _emptied(folder, top, prefix, found)
            finally:
                os.close(folder)
            os.rmdir(name, dir_fd=top)


def _emptied(folder: int, top: int, prefix: str, found: int) -> int:
    """Removes the files of one folder and moves its folders to the top, some at a time: millions must not be in memory
    at once. How many folders were moved there so far."""
    moved = True
    while moved:
        moved = False
        with os.scandir(folder) as entries:
            some = list(itertools.islice((one for one in entries if not one.name.startswith(prefix)), _AT_ONCE))
        for entry in some:
            with contextlib.suppress(OSError):
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.name, dir_fd=folder)
                else:
                    os.chmod(entry.name, 0o700, dir_fd=folder)
                    os.rename(entry.name, f"{prefix}{found + 1}", src_dir_fd=folder, dst_dir_fd=top)
                    found += 1
                moved = True
    return found
