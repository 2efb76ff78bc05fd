"""What an installer said, as a message: its decisive lines first, and what the user can do.

Pure. By the words of uv and pip; what is not known is told as it came."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


MOST_SAID = 2000  # characters
_UV_GLYPHS = "×╰─▶│├"
OTHER_FILE = (
    "What the index has is not what the hashes were made for. Make them anew from a release that you trust "
    "(pip-compile --generate-hashes, uv export), or find out who changed it."
)
NOT_ALL_HASHES = (
    "With hashes, everything that is needed has to be listed with one: compile the file anew (pip-compile "
    "--generate-hashes, uv export), or hand it in without hashes."
)
NO_ROOM = (
    "The requirements need more room than there is where they are installed: leave out what the agent does not use, or "
    "ask the operator for more."
)
NO_NETWORK = (
    "The package index could not be reached. Submit the test again; if it stays so, the operator should check the "
    "network and ASSAY_PROCESS_BUILD_ENV (UV_DEFAULT_INDEX, HTTPS_PROXY), or the variables of the image."
)
NO_COMPILER = (
    "It has no wheel for this version of Python, and building it needs a compiler or libraries that are not there. "
    "Take a version with a wheel, or ask the operator for what it needs where requirements are installed."
)
NOT_BUILT = (
    "It has no wheel for this version of Python, and its own build fails. Take a newer version: it may have a wheel."
)
NOT_FOR_THIS_PYTHON = "There is no release of it for this version of Python: take another version."
CONTRADICTION = "Two requirements contradict each other: loosen or drop one of the versions that are named."
NOT_THERE = "Check the name and the version: the name may be misspelt, and not every version is there."
# Words of the installer, in lower case and on one line; the first kind that has one of them counts.
INSTALL_PROBLEMS = (
    (OTHER_FILE, ("hash mismatch for", "do not match the hashes")),
    (NOT_ALL_HASHES, ("no trusted hash was provided", "hash-checking is required", "--require-hashes mode")),
    (NO_ROOM, ("no space left on device", "disk quota exceeded")),
    (
        NO_NETWORK,
        (
            *("connection refused", "connection broken", "dns error", "name resolution", "tcp connect error"),
            *("failed to establish a new connection", "network is unreachable", "error sending request"),
            *("operation timed out", "read timed out", "connection reset", "could not connect"),
            *("http status server error", "http error 50"),
        ),
    ),
    (
        NO_COMPILER,
        (
            *("gcc' failed", "unable to execute 'gcc'", "gcc: not found", "no such file or directory: 'gcc'"),
            *("g++' failed", "clang' failed", "cc' failed", "python.h: no such file", "linker `cc` not found"),
            *("c compiler", "rust compiler", "the rust package manager", "cmake must be installed", "pkg-config"),
            *("ld: cannot find", "fatal error:", "pg_config executable not found", "unable to find a compiler"),
        ),
    ),
    (NOT_BUILT, ("build backend returned an error", "failed to build", "subprocess-exited-with-error")),
    (
        NOT_FOR_THIS_PYTHON,
        ("matching python abi tag", "matching python version tag", "requires a different python", "requires-python"),
    ),
    (CONTRADICTION, ("conflicting dependencies", "resolutionimpossible", "depends on")),
    (
        NOT_THERE,
        (
            *("there is no version of", "there are no versions of", "was not found in the package registry"),
            *("no matching distribution found", "could not find a version", "not found in the provided"),
        ),
    ),
)


def explained(tail: Sequence[str]) -> tuple[str, str]:
    """The message and the hint (empty: the usual one) for the last lines that an installer said before it failed."""
    flat = " ".join(" ".join(tail).lower().split())
    hint = next((advice for advice, words in INSTALL_PROBLEMS if any(word in flat for word in words)), "")
    said = _of_uv(tail) or _of_pip(tail) or "\n".join(tail[-20:])
    return _without_passwords(said)[:MOST_SAID], hint


def _of_uv(tail: Sequence[str]) -> str:
    """`error: ...` with its causes, as one text; of a build that failed also its last word."""
    lines = [line.strip().lstrip(_UV_GLYPHS).strip() for line in tail]
    starts = [index for index, line in enumerate(tail) if line.lstrip().startswith(("error: ", "× "))]
    if not starts or any(line.startswith(("ERROR: ", "error: subprocess-exited")) for line in tail):
        return ""
    first = starts[0]
    said = [lines[first].removeprefix("error: ")]
    for index in range(first + 1, len(lines)):
        line = lines[index]
        if line.startswith(("[stdout]", "[stderr]", "hint: ", "help: ")):
            break
        if line:
            said.append(line.removeprefix("cause: ").removeprefix("Caused by: "))
    message = said[0]
    for line in said[1:]:
        message += (" " if message.endswith((".", ":", ",")) else ": ") + line
    if "[stderr]" in lines[first:] and (last := _last_word(lines[first:])):
        message += f" ({last})"
    return message


def _of_pip(tail: Sequence[str]) -> str:
    """Its `ERROR:` lines with what belongs to them, without the list of all versions and advice on pip."""
    said: list[str] = []
    keeps = False
    for line in tail:
        text = line.strip()
        if line.startswith("ERROR: "):
            keeps = "DO NOT MATCH" in line or "hashes" in line.lower() or "Cannot install" in line
            if "Could not find a version" not in line and "ResolutionImpossible" not in line:
                said.append(text.removeprefix("ERROR: "))
        elif text.startswith(("To fix this", "note: ")):
            keeps = False
        elif keeps and text and text != "The conflict is caused by:":
            said.append(text.partition(" from http")[0])
    if not said and any("subprocess-exited-with-error" in line for line in tail):
        return f"A requirement cannot be built from source: {_last_word([line.strip() for line in tail])}"
    return ": ".join(said[:1]) + ("; " + "; ".join(said[1:8]) if len(said) > 1 else "")


def _last_word(lines: Sequence[str]) -> str:
    """The line that names the error among what a build wrote."""
    for line in reversed(lines):
        head = line.partition(": ")[0]
        if head.endswith(("Error", "error", "Exception")) and "subprocess" not in line and " " not in head.strip():
            return line
        if "fatal error:" in line or line.startswith("error: command"):
            return line
    return ""


def _without_passwords(text: str) -> str:
    """`https://user:password@host` without what is before the host."""
    pieces = text.split("://")
    for index in range(1, len(pieces)):
        host = pieces[index].partition("/")[0].partition(" ")[0].partition("\n")[0]
        if "@" in host:
            pieces[index] = pieces[index].partition("@")[2]
    return "://".join(pieces)
