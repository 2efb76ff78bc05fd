"""requirements.txt: everything that was installed in the test, with its version."""

from __future__ import annotations

import contextlib

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from services.packager.content.facts import PackageFacts


def is_pinned(facts: PackageFacts) -> bool:
    """Whether everything has the version that the test had."""
    return not _open(facts)


def requirements_file(facts: PackageFacts) -> bytes:
    """Pins of the test; a requirement that the test did not pin stays as it was handed in. Raises ValueError."""
    pins = _pins(facts)
    lines = [f"# Of test {facts.test_id}: what was installed for it." if pins else f"# Of test {facts.test_id}."]
    lines += sorted(pins)
    if others := _open(facts):
        lines += ["# As handed in: the test does not say which version it had.", *others]
    return ("\n".join(lines) + "\n").encode()


def _pins(facts: PackageFacts) -> list[str]:
    """What the test installed, but for a version that no installer would read today: its requirement stays open."""
    pins = []
    for line in facts.resolved:
        with contextlib.suppress(ValueError):
            pins.append(_checked(line))
    return pins


def _open(facts: PackageFacts) -> list[str]:
    known = {canonicalize_name(Requirement(line).name) for line in _pins(facts)}
    wanted = (_checked(line) for line in facts.requirements)
    return [line for line in wanted if canonicalize_name(Requirement(line).name) not in known]


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
