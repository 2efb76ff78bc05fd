"""Debian packages that an agent needs beside Python: their names, whoever will look for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from services.gateway.errors import Violations

MOST: Final = 20

# Debian policy, 5.6.1: lower case, digits, plus, minus and periods; at least two, and a letter or digit first.
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9+.-]{1,100}")


def system_packages(given: Sequence[str], field: str, violations: Violations) -> list[str]:
    """The names, sorted and each once."""
    if len(given) > MOST:
        violations.add(field, f"has {len(given)} packages; at most {MOST} are allowed")
    for place, name in enumerate(given[:MOST]):
        if not _NAME.fullmatch(name):
            violations.add(f"{field}[{place}]", 'is not the name of a Debian package, such as "git" or "nodejs"')
    return sorted(set(given[:MOST]))
