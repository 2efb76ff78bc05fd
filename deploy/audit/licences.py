"""Under which licences the libraries are that set-up installs, and whether all of them may be used.

What may be used is a list in pyproject.toml. A package says its licence in one of three ways; none of them is
believed to be anything that is not on the list.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib.metadata import Distribution, distributions
from typing import TYPE_CHECKING, Final, cast

from boolean import Expression
from license_expression import AND, OR, ExpressionError, LicenseSymbol, Licensing, get_spdx_licensing
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from email.message import Message

# Words of before SPDX expressions, as packages of today still have them.
_SPDX: Final = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "MIT license": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "PSFL": "PSF-2.0",
    "Python Software Foundation License": "PSF-2.0",
}


def refused(allowed: Collection[str], exceptions: Mapping[str, str], names: Collection[str]) -> Iterator[str]:
    """Of the installed packages with these names: those whose licence is not allowed."""
    for found in distributions():
        name = canonicalize_name(found.name)
        if name in names and name not in exceptions and not is_allowed(licence_of(found), allowed):
            yield f"{name} {found.version}: {licence_of(found) or 'says no licence'}"


def licence_of(found: Distribution) -> str:
    """As an SPDX expression where it can be had; empty where the package says nothing."""
    metadata = cast("Message", found.metadata)
    if expression := metadata.get("License-Expression"):
        return str(expression)
    text = str(metadata.get("License") or "").strip().partition("\n")[0].strip()
    if text in _SPDX:
        return _SPDX[text]
    classified = [
        _SPDX.get(line.rpartition(" :: ")[2], line.rpartition(" :: ")[2])
        for line in metadata.get_all("Classifier") or []
        if line.startswith("License :: ") and line != "License :: OSI Approved"
    ]
    if text and text.lower() not in {"unknown", "dual license"} and not text.startswith("Apache License"):
        return text
    return " OR ".join(dict.fromkeys(classified))


def is_allowed(expression: str, allowed: Collection[str]) -> bool:
    """Whether one may choose a licence that is allowed: any of OR, all of AND. What cannot be read is not."""
    try:
        parsed = _spdx().parse(expression, validate=True)
    except ExpressionError:
        return False
    return parsed is not None and _holds(parsed, allowed)


@cache
def _spdx() -> Licensing:
    return get_spdx_licensing()  # reads a list of 700 licences


def _holds(part: Expression, allowed: Collection[str]) -> bool:
    if isinstance(part, OR):
        return any(_holds(one, allowed) for one in part.args)
    if isinstance(part, AND):
        return all(_holds(one, allowed) for one in part.args)
    return isinstance(part, LicenseSymbol) and part.key in allowed


def refused_npm(lock: str, allowed: Collection[str], exceptions: Mapping[str, str]) -> Iterator[str]:
    """The same for a package-lock.json."""
    for path, package in json.loads(lock)["packages"].items():
        name = path.rpartition("node_modules/")[2]
        licence = str(package.get("license", ""))
        if name and name not in exceptions and not is_allowed(licence, allowed):
            yield f"{name} {package.get('version')}: {licence or 'says no licence'}"
