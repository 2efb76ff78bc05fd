"""Reading and writing all of it."""

from __future__ import annotations

import posix as os  # what is in os without what makes its import cost a millisecond

READ_BYTES = 65536


def write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def read_all(fd: int) -> bytes:
    pieces = []
    while piece := os.read(fd, READ_BYTES):
        pieces.append(piece)
    return b"".join(pieces)


def complain(text: str) -> None:
    """To standard error: that of the harness is for who operates the runtime, that of the agent is its log."""
    try:
        write_all(2, f"assay harness: {text}\n".encode("utf-8", "replace"))
    except OSError:
        pass
