"""Whether every library and tool that set-up downloads is named by its hash. Pure: text of lock files in, words out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

_PIN: Final = re.compile(r"[A-Za-z0-9._-]+(\[[A-Za-z0-9,._-]+\])?==[^\s;\\]+(\s*;[^\\]*)?")
_HASH: Final = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def unpinned(lock: str) -> Iterator[str]:
    """What is wrong with a lock file of Python packages."""
    for entry in _entries(lock):
        requirement, *options = (part.strip() for part in entry)
        if not _PIN.fullmatch(requirement):
            yield f"{requirement[:80]!r} is not one version of one package"
        elif not options:
            yield f"{requirement.partition('=')[0]} has no hash"
        for option in options:
            if not _HASH.fullmatch(option):
                yield f"{requirement.partition('=')[0]} has an option that is no SHA-256: {option[:80]!r}"


def _entries(lock: str) -> Iterator[list[str]]:
    lines = (line for line in lock.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    entry: list[str] = []
    for line in lines:
        entry.append(line.rstrip().removesuffix("\\"))
        if not line.rstrip().endswith("\\"):
            yield entry
            entry = []
    if entry:
        yield entry


def unpinned_npm(lock: str) -> Iterator[str]:
    """What is wrong with a package-lock.json."""
    values = json.loads(lock)
    if values.get("lockfileVersion") != 3:
        yield "is no package-lock.json of version 3"
        return
    for name, package in values["packages"].items():
        if not name:  # the project itself
            continue
        if package.get("link"):
            yield f"{name} is a link"
        elif not str(package.get("integrity", "")).startswith("sha512-"):
            yield f"{name} has no SHA-512"
        if "resolved" in package:
            yield f"{name} has an address"
