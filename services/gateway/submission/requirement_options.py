"""Why each option of a requirements file is refused, and who could set it instead. A table and its look-up."""

from __future__ import annotations

import re
from typing import Final

_OPERATOR: Final = (
    "where packages come from is the operator's: ASSAY_PROCESS_BUILD_ENV (such as UV_DEFAULT_INDEX, UV_INDEX, "
    "UV_FIND_LINKS) on the process runtime, UV_ and PIP_ variables of the image elsewhere"
)
_HOW: Final = (
    "how packages are chosen and built is the operator's: ASSAY_PROCESS_BUILD_ENV (such as UV_PRERELEASE, "
    "UV_NO_BINARY) on the process runtime, UV_ and PIP_ variables of the image elsewhere"
)
_ANOTHER_FILE: Final = "no other file comes along here: write its lines in its place"
_OF_THE_MACHINE: Final = "it names a folder of your machine: hand it in as part of the project, or name a release"

REASONS: Final[dict[str, str]] = {
    "--index-url": _OPERATOR,
    "--extra-index-url": _OPERATOR,
    "--no-index": _OPERATOR,
    "--find-links": _OPERATOR,
    "--trusted-host": _OPERATOR,
    "--pre": _HOW + "; a version that names a pre-release (==1.0rc1) is taken without it",
    "--prefer-binary": _HOW,
    "--no-binary": _HOW,
    "--only-binary": _HOW,
    "--use-feature": _HOW,
    "--config-settings": _HOW,
    "--config-setting": _HOW,
    "--global-option": _HOW,
    "--install-option": _HOW,
    "--no-build-isolation": _HOW,
    "--requirement": _ANOTHER_FILE,
    "--constraint": _ANOTHER_FILE + ", as versions of the requirements",
    "--editable": _OF_THE_MACHINE,
    "--hash": "it belongs behind a requirement",
}
_SHORT: Final = {
    "-i": "--index-url",
    "-f": "--find-links",
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
    "-C": "--config-settings",
}
_FIRST: Final = re.compile(r"--?[A-Za-z-]*")
_BEHIND: Final = re.compile(r"\s(--[A-Za-z-]+)")


def option_of(text: str) -> str:
    """The option that the line is, or the first one behind its requirement, by its long name; empty without any."""
    if found := _FIRST.match(text):
        name = found[0] if found[0].startswith("--") else found[0][:2]
        return _SHORT.get(name, name)
    behind = [name for name in _BEHIND.findall(text) if name != "--hash"]
    return behind[0] if behind else ""


def refusal(option: str) -> str:
    """Why this option is not taken, in one sentence."""
    return f"{option} is not taken: {REASONS.get(option, 'only names with versions, and --hash behind them, are')}"
