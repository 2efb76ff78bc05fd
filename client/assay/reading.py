"""Files that the user named, read into memory: regular ones of a size that makes sense. A device has no end, and a
named pipe may have nobody who writes into it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MOST_TEXT = 16 << 20  # bytes of source code, requirements, settings: far above what a server takes
_OPEN_HERE = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")  # as a shell writes `<(command)`


def read_bytes(path: str | os.PathLike[str], most: int = MOST_TEXT) -> bytes:
    """The content of a file. Raises OSError, also for one of more than `most` bytes and for what is no regular file
    and no pipe that is open already."""
    name = os.fspath(path)
    mode = Path(name).stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    if not stat.S_ISREG(mode) and not (stat.S_ISFIFO(mode) and name.startswith(_OPEN_HERE)):
        raise OSError(errno.EINVAL, "is no regular file", name)
    with Path(name).open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"has more than {most >> 20} MiB", name)
    return data
