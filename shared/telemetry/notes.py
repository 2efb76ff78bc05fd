"""The newest error that each service logged, kept for the reports of its health.

Owns whose an error is where several services run in one process, and how much of it is told: the name of the event and
a short text without credentials. Must not know who reads the notes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

LONGEST: Final = 300
"""Characters of a note."""
_LEVELS: Final = frozenset({"error", "critical"})
_SECRETS: Final = (
    # What stands before the host of a URL, and what follows a `?`: passwords of servers, signatures of links.
    (re.compile(r"(\w+://)[^\s/@]+@"), r"\1***@"),
    (re.compile(r"(\w+://[^\s?]+)\?\S+"), r"\1?***"),
    (re.compile(r"(?i)\b(bearer|basic)\s+\S+"), r"\1 ***"),
    (
        re.compile(r"(?i)\b([\w-]*(?:password|passwd|secret|token|api_?key|access_?key)[\w-]*)(['\"]?\s*[=:]\s*)\S+"),
        r"\1\2***",
    ),
    # Keys and tokens are long runs with digits in them; ids are, too, and say of what an error is.
    (re.compile(r"(?<![\w+=-])(?!(?:tst|pkg|key)_)(?=[A-Za-z_+=-]*\d)[\w+=-]{32,}"), "***"),
)
_SERVICE: Final[ContextVar[str]] = ContextVar("assay_service", default="")


@dataclass(frozen=True, slots=True)
class Note:
    """An error in a line, and when it was logged."""

    message: str
    at: datetime


class Notes:
    """The newest error of each service of this process."""

    def __init__(self) -> None:
        self._newest: dict[str, Note] = {}

    def add(self, service: str, message: str, at: datetime) -> None:
        self._newest[service] = Note(told(message), at)

    def newest(self, service: str) -> Note | None:
        """The newest error of this service since the process began."""
        return self._newest.get(service)


NOTES: Final = Notes()
"""Those of this process, as its metrics are: loggers have no other owner."""


@contextmanager
def speaking_for(service: str) -> Iterator[None]:
    """What is logged inside, and in tasks that are begun inside, is this service's."""
    before = _SERVICE.get()
    _SERVICE.set(service)
    try:
        yield
    finally:
        _SERVICE.set(before)  # by value: the block may end in another context than it began in


def keep_errors(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: keeps what is logged as an error, and changes nothing."""
    if event.get("level") in _LEVELS:
        NOTES.add(_SERVICE.get(), _line(event), datetime.now(UTC))
    return event


def told(message: str) -> str:
    """One short line without what looks like a credential."""
    line = " ".join(message[: LONGEST * 4].split())
    for pattern, instead in _SECRETS:
        line = pattern.sub(instead, line)
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def _line(event: MutableMapping[str, Any]) -> str:
    """The event's name with its error; of all its other fields nothing is told."""
    error = event.get("error") or _raised(event.get("exc_info"))
    return f"{event.get('event', '')}: {error}" if error else str(event.get("event", ""))


def _raised(given: object) -> str:
    """`exc_info` as structlog takes it: an error, what sys.exc_info() gives, or True."""
    if given is True:
        given = sys.exc_info()
    if isinstance(given, tuple):
        given = given[1]
    return f"{type(given).__name__}: {given}" if isinstance(given, BaseException) else ""
