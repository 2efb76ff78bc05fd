"""Folders inside one another, deeper than a path can name."""

from __future__ import annotations

import os
from pathlib import Path


def dig(folder: Path, depth: int) -> None:
    """A path so long could not be named, so it is made from inside."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("deep", dir_fd=here)
        deeper = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
