"""The block of a Python file that says what it requires (PEP 723), and what was meant to be one. Pure; each line is
looked at once."""

from __future__ import annotations

import re
from collections.abc import Iterator

_MEANT = re.compile(r"#\s*/{2,4}\s*script\s*")


def content(source: str) -> str | None:
    """What is in the first block, as TOML; None where there is none that is closed."""
    lines = source.splitlines()
    for first, end in _blocks(lines):
        if end is not None:
            return "\n".join(line[2:] for line in lines[first + 1 : end])
    return None


def ignored(source: str) -> str:
    """Why a block is none although it looks like one, with its line; empty where all is well."""
    if "script" not in source or content(source) is not None:
        return ""
    lines = source.splitlines()
    for number, line in enumerate(lines):
        if line == "# /// script":
            return _never_closed(number)
        if line.startswith("#") and _MEANT.fullmatch(line):
            return f"line {number + 1}: {line.strip()} begins no block of requirements: it is written `# /// script`"
    return ""


def _never_closed(line: int) -> str:
    return (
        f"line {line + 1}: the block of requirements does not end, so that nobody reads it: "
        "its lines begin with `# `, and the last one is `# ///`"
    )


def _blocks(lines: list[str]) -> Iterator[tuple[int, int | None]]:
    """First line of each block, and the one that closes it: the last `# ///` before something else than a comment."""
    number = 0
    while number < len(lines):
        if lines[number] != "# /// script":
            number += 1
            continue
        first, close = number, None
        number += 1
        while number < len(lines) and (lines[number] == "#" or lines[number].startswith("# ")):
            if lines[number] == "# ///" and number > first + 1:
                close = number
            number += 1
        yield first, close
