"""The files that are the same in every package, as they lie in services/packager/templates. No user text goes in."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).resolve().parents[1] / "templates"
_PLACES: Final = {
    "server.py": "server.py",
    ".dockerignore": "dockerignore",
    "cdk/app.py": "cdk/app.py",
    "cdk/stack.py": "cdk/stack.py",
    "cdk/cdk.json": "cdk/cdk.json",
    "cdk/requirements.txt": "cdk/requirements.txt",
}


@cache  # some 40 KiB, read once
def static_files() -> dict[str, bytes]:
    """By their path in the package."""
    return {path: (_FOLDER / name).read_bytes() for path, name in _PLACES.items()}
