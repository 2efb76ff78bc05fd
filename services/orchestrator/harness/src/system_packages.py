"""Debian packages that a test names: whether the image that we run in has them."""

from __future__ import annotations

import posix as os  # what is in os without what makes its import cost a millisecond
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


DPKG = "/var/lib/dpkg"


def missing_packages(wanted: Iterable[str], database: str = DPKG) -> list[str]:
    """Those that dpkg's own records have not as installed or provided; all of them where there is no dpkg."""
    files = [f"{database}/status"]
    try:  # images without dpkg's program, such as distroless, have a file for each package
        files += [f"{database}/status.d/{name}" for name in os.listdir(f"{database}/status.d")]
    except OSError:
        pass
    present: set[str] = set()
    for path in files:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                for paragraph in file.read().split("\n\n"):
                    present |= names_in(paragraph)
        except OSError:
            continue
    return [name for name in wanted if name not in present]


def names_in(paragraph: str) -> set[str]:
    """The name of an installed package, and what it provides."""
    fields = {}
    for line in paragraph.splitlines():
        name, colon, value = line.partition(":")
        if colon and name in ("Package", "Status", "Provides"):
            fields[name] = value.strip()
    if "Package" not in fields or not fields.get("Status", "ok installed").endswith(" installed"):
        return set()
    provided = (term.split() for term in fields.get("Provides", "").split(","))
    return {fields["Package"], *(words[0] for words in provided if words)}
