"""How the text of a requirements file becomes lines: as pip reads it, with the places that each came from.

Pure. Which lines are allowed is `requirements.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

_COMMENT: Final = re.compile(r"(?:^|\s)#")
_STARTS_AS_COMMENT: Final = re.compile(r"\s*#")
BOM: Final = "\ufeff"


class Logical(NamedTuple):
    """What an installer takes for one line, and the number of the first entry that it was written in (from 0)."""

    place: int
    text: str


def logical_lines(entries: Sequence[str]) -> list[Logical]:
    """The entries with those that end in a backslash joined to the next ones, without comments and blank lines.

    As pip's `join_lines`: a comment ends a line that goes on, and a backslash in a comment means nothing."""
    found: list[Logical] = []
    pieces: list[str] = []
    first = 0
    for place, entry in enumerate(entries):
        text = (entry.removeprefix(BOM) if place == 0 else entry).rstrip("\r\n")
        first = first if pieces else place
        is_comment = bool(_STARTS_AS_COMMENT.match(text))
        if text.endswith("\\") and not is_comment:
            pieces.append(text.rstrip("\\"))
            continue
        pieces.append(" " + text if is_comment else text)
        found.append(Logical(first, "".join(pieces)))
        pieces = []
    if pieces:
        found.append(Logical(first, "".join(pieces)))
    return list(_without_comments(found))


def _without_comments(lines: Iterable[Logical]) -> Iterable[Logical]:
    for line in lines:
        found = _COMMENT.search(line.text)
        # A line break in a comment would hide what is behind it from the reader, so it stays, to be refused.
        ends = found is not None and "\n" not in line.text[found.start() :]
        text = (line.text[: found.start()] if found and ends else line.text).strip()
        if text:
            yield Logical(line.place, text)
