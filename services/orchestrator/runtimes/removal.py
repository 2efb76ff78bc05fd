"""Removes what untrusted code has left behind, whatever it has made of it.

`shutil.rmtree` calls itself once a level, so a package or an agent can stop it with a thousand folders inside one
another. This takes the same few file descriptors and the same stack for any depth, and follows no link.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

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
    found = 0
    waiting = [""]
    while waiting:
        name = waiting.pop()
        with contextlib.suppress(OSError):
            folder = os.open(name, _FOLDER, dir_fd=top) if name else os.dup(top)
            try:
                for entry in list(os.scandir(folder)):
                    with contextlib.suppress(OSError):
                        if not entry.is_dir(follow_symlinks=False):
                            os.unlink(entry.name, dir_fd=folder)
                            continue
                        os.chmod(entry.name, 0o700, dir_fd=folder)
                        found += 1
                        higher = f"{prefix}{found}"
                        os.rename(entry.name, higher, src_dir_fd=folder, dst_dir_fd=top)
                        waiting.append(higher)
            finally:
                os.close(folder)
            if name:
                os.rmdir(name, dir_fd=top)
