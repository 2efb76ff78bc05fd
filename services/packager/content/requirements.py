"""requirements.txt: everything that was installed in the test, with its version."""

from __future__ import annotations

import contextlib
import re
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from services.packager.content.facts import PackageFacts

_DIGEST: Final = re.compile(r"sha(?:256|384|512):[0-9a-f]{64,128}")


def is_pinned(facts: PackageFacts) -> bool:
    """Whether everything has the version that the test had."""
    return not open_requirements(facts)


def requirements_file(facts: PackageFacts) -> bytes:
    """Pins of the test; a requirement that the test did not pin stays as it was handed in. Raises ValueError.

    Hashes that were handed in go along where the test installed nothing beside what has them: installers want them for
    all or for none."""
    pins = installed(facts)
    others = open_requirements(facts)
    hashes = {} if others else _hashes(facts)
    if not all(_pinned(pin) in hashes for pin in pins):
        hashes = {}
    lines = [f"# Of test {facts.test_id}: what was installed for it." if pins else f"# Of test {facts.test_id}."]
    lines += [" \\\n    ".join([pin, *hashes.get(_pinned(pin), ())]) for pin in sorted(pins)]
    if others:
        lines += ["# As handed in: the test does not say which version it had.", *others]
    return ("\n".join(lines) + "\n").encode()


def installed(facts: PackageFacts) -> list[str]:
    """What the test installed, but for a version that no installer would read today: its requirement stays open."""
    pins = []
    for line in facts.resolved:
        with contextlib.suppress(ValueError):
            pins.append(_checked(line))
    return pins


def open_requirements(facts: PackageFacts) -> list[str]:
    """Requirements whose version the test does not say. Raises ValueError."""
    known = {canonicalize_name(Requirement(line).name) for line in installed(facts)}
    wanted = (_checked(_split(line)[0]) for line in facts.requirements)
    return [line for line in wanted if canonicalize_name(Requirement(line).name) not in known]


def _hashes(facts: PackageFacts) -> dict[tuple[str, str], list[str]]:
    """By name and version: the hashes of requirements that name one version."""
    found: dict[tuple[str, str], list[str]] = {}
    for line in facts.requirements:
        text, hashes = _split(line)
        requirement = Requirement(_checked(text))
        exact = [one.version for one in requirement.specifier if one.operator == "=="]
        if hashes and exact:
            found.setdefault((canonicalize_name(requirement.name), exact[0]), []).extend(hashes)
    return found


def _pinned(line: str) -> tuple[str, str]:
    requirement = Requirement(line)
    return canonicalize_name(requirement.name), next((one.version for one in requirement.specifier), "")


def _split(line: str) -> tuple[str, list[str]]:
    """The requirement and its hashes, as options. Raises ValueError."""
    text, *hashes = line.split(" --hash=")
    if not all(_DIGEST.fullmatch(digest) for digest in hashes):
        raise ValueError("a requirement has a hash that is none")
    return text, [f"--hash={digest}" for digest in hashes]


def _checked(line: str) -> str:
    """The line in its normal form: a name with versions and nothing that an installer would take for an option."""
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        raise ValueError("a requirement is not one as of PEP 508") from None
    text = str(requirement)
    if requirement.url or not text.isprintable() or "$" in text:
        raise ValueError("a requirement is more than a name with versions")
    return text
