"""Something that was noticed about a test without running it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Severity(StrEnum):
    NOTE = "note"
    """Worth knowing."""
    WARNING = "warning"
    """The test may fail for it."""
    ERROR = "error"
    """The test would fail for it."""


class Finding(NamedTuple):
    """`line` is 0, and `path` empty, where it is about none."""

    severity: Severity
    code: str
    message: str
    hint: str = ""
    path: str = ""
    line: int = 0
