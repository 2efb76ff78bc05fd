"""Which requirement lines are allowed: PEP 508 names with extras, versions, markers. No options, URLs, paths."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement

from services.gateway.errors import Violations

MOST: Final = 200
LONGEST: Final = 500
_COMMENT: Final = re.compile(r"(?:^|\s)#.*$")
_REFUSED: Final = (
    (re.compile(r"^-"), "is an option"),
    (re.compile(r"://|@"), "points to a URL"),
    # Installers put environment variables there, and then tell what they read.
    (re.compile(r"\$"), "has a $ in it"),
    (re.compile(r"^(?:[./~\\]|[A-Za-z]:[\\/])|^[^\[<>=!~;@ ]*[/\\]|\.(?:whl|zip|tar\.gz|tgz)\b"), "is a path"),
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")


class Line(NamedTuple):
    """A requirement in its normal form (empty for a comment), or what is wrong with it."""

    requirement: str = ""
    problem: str = ""


def checked(lines: Sequence[str], field: str, violations: Violations) -> list[str]:
    """The requirements in normal form, comments and blank lines left out."""
    if len(lines) > MOST:
        violations.add(field, f"has {len(lines)} lines; at most {MOST} are allowed")
        return []
    read = [_read(line) for line in lines]
    for place, line in enumerate(read):
        if line.problem:
            violations.add(f"{field}[{place}]", line.problem)
    return [line.requirement for line in read if line.requirement]


@lru_cache(maxsize=4096)  # the same few lines come again and again, and parsing one costs 30 us
def _read(text: str) -> Line:
    if len(text) > LONGEST:
        return Line(problem=f"is longer than {LONGEST} characters")
    if _CONTROL.search(text.rstrip("\r\n")):
        return Line(problem="has a line break or another control character in it; give one requirement per entry")
    line = _COMMENT.sub("", text).strip()
    if not line:
        return Line()
    shown = line if len(line) <= 60 else line[:57] + "..."
    for pattern, what in _REFUSED:
        if pattern.search(line):
            return Line(problem=f"{shown!r} {what}; only names with versions are allowed")
    try:
        return Line(str(Requirement(line)))
    except InvalidRequirement as error:
        why = str(error).splitlines()[0]
        return Line(problem=f"{shown!r} is not a requirement as of PEP 508: {why[:120]}")
