"""Which requirement lines are allowed: PEP 508 names with extras, versions, markers, and hashes behind them.

No other options, no URLs, no paths: each would let a test say where code comes from. Lines may come as they stand in
a file (`requirement_lines.py`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement

from services.gateway.errors import Violations
from services.gateway.submission.requirement_lines import logical_lines
from services.gateway.submission.requirement_options import option_of, refusal

MOST: Final = 500
"""Requirements. Exports of large agents by uv or poetry have 150 to 300."""
MOST_ENTRIES: Final = 20_000
"""Lines of the file with hashes and comments."""
MOST_BYTES: Final = 1 << 20
LONGEST: Final = 500
MOST_HASHES: Final = 200
"""Of one requirement: one for each file of its release. grpcio has about 60."""
MOST_TOLD: Final = 20
_REFUSED: Final = (
    (
        re.compile(r"://|@"),
        "points to a URL: only releases by name and version are taken, so that no code comes from elsewhere",
    ),
    # Installers put environment variables there, and then tell what they read.
    (re.compile(r"\$"), "has a $ in it; only names with versions are allowed"),
    (
        re.compile(r"^(?:\.+$|[./~\\]|[A-Za-z]:[\\/])|^[^\[<>=!~;@ ]*[/\\]|\.(?:whl|zip|tar\.gz|tgz)\b"),
        "is a path; only names with versions are allowed",
    ),
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")
_HASH: Final = "--hash"
_DIGITS: Final = {"sha256": 64, "sha384": 96, "sha512": 128}
"""Hexadecimal digits by algorithm: those that pip takes for strong (pip._internal.utils.hashes.STRONG_HASHES)."""
_DIGEST: Final = re.compile(r"(sha256|sha384|sha512):([0-9A-Fa-f]+)")


class Line(NamedTuple):
    """A requirement in its normal form, or what is wrong with it."""

    requirement: str = ""
    problem: str = ""
    hashes: tuple[str, ...] = ()

    def text(self) -> str:
        """As an installer reads it."""
        return " ".join([self.requirement, *(f"--hash={digest}" for digest in self.hashes)])


class Judged(NamedTuple):
    """What became of the lines of a file."""

    requirements: list[str]
    bad: list[tuple[int, str]]
    """Which of them are wrong (from 0), and how; the first ones of many."""
    wrong: list[str]
    """What is wrong with all of them together."""


def checked(entries: Sequence[str], field: str, violations: Violations) -> list[str]:
    """The requirements in normal form, comments and blank lines left out."""
    if len(entries) > MOST_ENTRIES or sum(map(len, entries)) > MOST_BYTES:
        violations.add(
            field, f"has {len(entries)} lines; at most {MOST_ENTRIES} and {MOST_BYTES} characters in all are allowed"
        )
        return []
    lines = logical_lines(entries)
    judged = judge([line.text for line in lines])
    for place, problem in judged.bad:
        violations.add(f"{field}[{lines[place].place}]", problem)
    for problem in judged.wrong:
        violations.add(field, problem)
    return judged.requirements


def judge(lines: Sequence[str]) -> Judged:
    """Lines without comments, each of them whole."""
    if len(lines) - lines.count("--require-hashes") > MOST:  # before each is read: that takes its time
        return Judged([], [], [f"has {len(lines)} requirements; at most {MOST} are allowed"])
    needs_hashes = "--require-hashes" in lines
    read = [Line() if line == "--require-hashes" else _read(line) for line in lines]
    bad = [(place, line.problem) for place, line in enumerate(read) if line.problem]
    kept = [line for line in read if line.requirement]
    wrong = _hash_problems(kept) if not bad and (needs_hashes or any(line.hashes for line in kept)) else []
    return Judged([line.text() for line in kept], bad[:MOST_TOLD], wrong)


def _hash_problems(lines: Sequence[Line]) -> list[str]:
    """Installers check hashes of everything or of nothing."""
    found = []
    without = [line.requirement for line in lines if not line.hashes]
    if without:
        found.append(
            f"gives hashes for some requirements and none for {_listed(without)}: installers want them for all or none "
            "(pip-compile --generate-hashes, uv export)"
        )
    loose = [line.requirement for line in lines if line.hashes and not is_exact(line.requirement)]
    if loose:
        found.append(f"gives hashes for {_listed(loose)}, which names no exact version (name==1.0)")
    return found


def is_exact(requirement: str) -> bool:
    """Whether the requirement allows one version only."""
    specifiers = list(Requirement(requirement).specifier)
    return any(one.operator in {"==", "==="} and not one.version.endswith(".*") for one in specifiers)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(name if len(name) <= 60 else name[:57] + "..." for name in names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown


def _read(text: str) -> Line:
    if _CONTROL.search(text):
        return Line(problem="has a line break or another control character in it; give one requirement per entry")
    bare, hashes = text, []
    while (found := _last_hash(bare)) is not None:
        bare, said = found
        digest = _DIGEST.fullmatch(said)
        if digest is None or len(digest[2]) != _DIGITS[digest[1]]:
            return Line(problem=f"{shown(bare)} has a hash that is not sha256, sha384 or sha512 in hexadecimal")
        hashes.append(said.lower())
        if len(hashes) > MOST_HASHES:
            return Line(problem=f"{shown(bare)} has more than {MOST_HASHES} hashes")
    line = _requirement(bare.strip())
    return line._replace(hashes=tuple(sorted(set(hashes)))) if line.requirement else line


def _last_hash(text: str) -> tuple[str, str] | None:
    """What stands before the last --hash, and its value; None where the line does not end with one."""
    before, _, after = text.rpartition(_HASH)
    value = after.strip()
    if not before[-1:].isspace() or after[:1] not in {"=", " ", "\t"} or len(value.split()) > 1:
        return None
    return before.rstrip(), value.removeprefix("=")


def shown(text: str) -> str:
    """The start of a line, for a message. Of an address with a name or a password in it, nothing but how it starts."""
    place = text.find("://")
    if place >= 0 and "@" in text[place:]:
        text = text[:place] + "://..."
    return repr(text if len(text) <= 60 else text[:57] + "...")


@lru_cache(maxsize=4096)  # the same few lines come again and again, and parsing one costs 30 us
def _requirement(text: str) -> Line:
    if len(text) > LONGEST:
        return Line(problem=f"is longer than {LONGEST} characters")
    if (option := option_of(text)) and not (option == "--editable" and "://" in text):
        return Line(problem=f"{shown(text)}: {refusal(option)}")
    for pattern, what in _REFUSED:
        if pattern.search(text):
            return Line(problem=f"{shown(text)} {what}")
    try:
        return Line(str(Requirement(text)))
    except (InvalidRequirement, RecursionError) as error:
        why = str(error).splitlines()[0]
        return Line(problem=f"{shown(text)} is not a requirement as of PEP 508: {why[:120]}")
