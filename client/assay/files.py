"""The files of a test: what was handed in, and what the agent left in /work/out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FileKind(StrEnum):
    """Which files of a test."""

    PROJECT = "PROJECT"
    INPUT = "INPUT"
    OUTPUT = "OUTPUT"


@dataclass(frozen=True, slots=True)
class TestFile:
    """A file of a test. `size` in bytes; `sha256` of its content, in hexadecimal."""

    __test__ = False

    kind: FileKind
    path: str
    size: int
    sha256: str
    executable: bool = False
