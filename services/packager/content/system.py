"""Debian packages in the image: those that the agent was tested with, and a compiler where one was needed."""

from __future__ import annotations

import re
from typing import Final

from services.packager.content.facts import PackageFacts

COMPILER: Final = ("build-essential", "python3-dev")

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9+.-]{1,100}")
_PIN: Final = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9._+!-]+")


def system_packages(facts: PackageFacts) -> list[str]:
    """Their names. Raises ValueError for what is none, and so might be an option or another command."""
    if not all(_NAME.fullmatch(name) for name in facts.system_packages):
        raise ValueError("a system package is not the name of a Debian package")
    return sorted(facts.system_packages)


def compiled(facts: PackageFacts) -> list[str]:
    """`name==version` of what has to be compiled. Raises ValueError."""
    if not all(_PIN.fullmatch(pin) for pin in facts.built_from_source):
        raise ValueError("what was built from source is not name==version")
    return sorted(facts.built_from_source)


def apt_get(names: list[str] | tuple[str, ...]) -> str:
    """The instruction that installs packages and leaves no lists behind."""
    return (
        "RUN apt-get update \\\n"
        f" && apt-get install --yes --no-install-recommends {' '.join(names)} \\\n"
        " && rm -rf /var/lib/apt/lists/*\n"
    )
