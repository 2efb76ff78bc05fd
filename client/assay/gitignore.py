"""Patterns of ignore files as git means them (gitignore(5)), for entries that are looked at one by one.

Pure. Whoever asks walks from the top down and does not enter a folder that is ignored: a pattern is never asked about
what lies in a folder that it matched, which is what keeps git's rules simple. tests compare it with git itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# POSIX classes in brackets, as far as they differ from Python's.
_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "digit": "0-9", "lower": "a-z", "upper": "A-Z", "xdigit": "0-9A-Fa-f",
    "space": r"\s", "blank": r" \t", "punct": r"!-/:-@\[-`{-~", "cntrl": r"\x00-\x1f\x7f", "print": r"\x20-\x7e",
    "graph": r"\x21-\x7e",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line. `taken_back`: it began with `!`."""

    regex: re.Pattern[str]
    folders_only: bool
    taken_back: bool


def patterns(lines: Iterable[str]) -> tuple[Pattern, ...]:
    """The patterns of a file, without comments and lines that mean nothing."""
    return tuple(found for line in lines if (found := _pattern(line)) is not None)


def verdict(rules: Sequence[Pattern], path: str, *, is_folder: bool) -> bool | None:
    """Whether an entry is ignored, by the last pattern that matches it; None when none does. `path` is relative to the
    folder of the ignore file."""
    for rule in reversed(rules):
        if (is_folder or not rule.folders_only) and rule.regex.fullmatch(path):
            return not rule.taken_back
    return None


def _pattern(line: str) -> Pattern | None:
    text = _without_trailing_spaces(line)
    if not text or text.startswith("#"):
        return None
    taken_back = text.startswith("!")
    text = text[1:] if taken_back else text
    folders_only = text.endswith("/")
    text = text[:-1] if folders_only else text
    if not text:
        return None
    anchored = "/" in text
    text = text.removeprefix("/")
    try:
        regex = re.compile(("" if anchored else "(?:.*/)?") + _translated(text), re.DOTALL)
    except (re.error, ValueError):
        return None  # a pattern that git cannot read either matches nothing
    return Pattern(regex, folders_only, taken_back)


def _without_trailing_spaces(line: str) -> str:
    text = line.rstrip("\r\n")
    while text.endswith(" ") and not (len(text) - len(text[:-1].rstrip("\\")) - 1) % 2:
        text = text[:-1]
    return text


def _translated(text: str) -> str:
    """The pattern as a regular expression. Raises ValueError for a bracket that does not close."""
    out, at = [], 0
    while at < len(text):
        letter = text[at]
        if letter == "*":
            piece, at = _stars(text, at)
            out.append(piece)
            continue
        if letter == "?":
            out.append("[^/]")
        elif letter == "[":
            piece, at = _bracket(text, at)
            out.append(piece)
            continue
        elif letter == "\\":
            at += 1
            if at == len(text):
                raise ValueError("a backslash at the end")
            out.append(re.escape(text[at]))
        else:
            out.append(re.escape(letter))
        at += 1
    return "".join(out)


def _stars(text: str, at: int) -> tuple[str, int]:
    """`**` crosses folders where it stands between slashes; any other stars stay in one name."""
    end = at
    while end < len(text) and text[end] == "*":
        end += 1
    whole_part = (at == 0 or text[at - 1] == "/") and (end == len(text) or text[end] == "/")
    if end - at < 2 or not whole_part:
        return "[^/]*", end
    if end == len(text):
        return ".+" if at else ".*", end
    return "(?:.*/)?", end + 1


def _bracket(text: str, at: int) -> tuple[str, int]:
    negated = text[at + 1 : at + 2] in {"!", "^"}
    at += 2 if negated else 1
    inside, first = [], True
    while True:
        if at >= len(text):
            raise ValueError("a bracket that does not close")
        letter = text[at]
        if letter == "]" and not first:
            break
        first = False
        if text.startswith("[:", at) and (end := text.find(":]", at)) > 0:
            inside.append(_CLASSES[text[at + 2 : end]] if text[at + 2 : end] in _CLASSES else _unknown())
            at = end + 2
            continue
        if letter == "\\" and at + 1 < len(text):
            at += 1
            letter = text[at]
            inside.append(re.escape(letter))
        else:
            inside.append(letter if letter == "-" else re.escape(letter))
        at += 1
    return f"(?!/)[{'^' if negated else ''}{''.join(inside)}]", at + 1


def _unknown() -> str:
    raise ValueError("a class that there is not")
