"""What was noticed about a test without running it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is."""

    UNKNOWN = "UNKNOWN"  # one that this version of the SDK does not know
    NOTE = "NOTE"
    WARNING = "WARNING"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was noticed about a test. An ERROR says that it would fail; `line` is 0 where it is in none."""

    severity: Severity
    code: str
    message: str
    hint: str = ""
    path: str = ""
    line: int = 0
