"""Requirement files as people have them, as lines that the server takes: names with versions, markers and hashes.

Reads what pip-compile, `uv export`, `poetry export`, pipenv and PowerShell write, and files that name others. What
would choose another source of packages is refused by its name, all of it at once.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from assay.reading import read_bytes

DEEPEST = 10  # files that name files

_OPERATOR = (
    "the operator of the server chooses where packages come from: ASSAY_PROCESS_BUILD_ENV (such as UV_DEFAULT_INDEX, "
    "UV_INDEX, UV_FIND_LINKS) on the process runtime, UV_ and PIP_ variables of the image elsewhere"
)
_BUILDING = (
    "the operator of the server chooses how packages are built: ASSAY_PROCESS_BUILD_ENV (such as UV_PRERELEASE, "
    "UV_NO_BINARY) on the process runtime, UV_ and PIP_ variables of the image elsewhere"
)
_BUILDING_OPTIONS = (
    "--no-binary", "--only-binary", "--prefer-binary", "--use-feature", "--config-settings", "--config-setting",
    "--global-option", "--install-option", "--build-option", "--no-build-isolation", "--use-pep517", "--no-use-pep517",
)  # fmt: skip
_REASONS = {
    **dict.fromkeys(("--index-url", "--extra-index-url", "--no-index", "--find-links", "--trusted-host"), _OPERATOR),
    **dict.fromkeys(_BUILDING_OPTIONS, _BUILDING),
    "--pre": f"a pre-release is taken where it is named (==1.0rc1); else {_BUILDING}",
    "--constraint": "constraints are not handed to the installer: make one file of both "
    "(uv pip compile requirements.txt -c constraints.txt -o locked.txt) and hand that in",
    "--editable": "it is a folder of this machine: submit the folder as the project, or name a release",
}
_LONG = {
    "-i": "--index-url",
    "--pypi-url": "--index-url",
    "-f": "--find-links",
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
    "-C": "--config-settings",
}
_OPTION = re.compile(r"(--[A-Za-z][A-Za-z-]*|-[A-Za-z])\s*=?\s*(.*)")
_COMMENT = re.compile(r"(^|\s+)#.*$")
_HASH = re.compile(r"\s--hash(?:\s*=\s*|\s+)(\S+)")
_LATER_OPTION = re.compile(r"\s(--[A-Za-z][A-Za-z-]*)")
_VERSION_CONTROL = re.compile(r"(?:^|@\s*)(?:git|hg|svn|bzr)\+", re.IGNORECASE)
_ADDRESS = re.compile(r"^(?!file:)[A-Za-z][A-Za-z+.-]*://|@\s*(?!file:)[A-Za-z][A-Za-z+.-]*:", re.IGNORECASE)
_PATH = re.compile(
    r"^file:|@\s*file:|^(?:[./~\\]|[A-Za-z]:[\\/])|^[^\[<>=!~;@ ]*[/\\]|^\S+\.(?:whl|zip|tar\.gz|tgz)\s*(?:;|$)",
    re.IGNORECASE,
)
_ITSELF = re.compile(r"^(?:file:)?\.(?:/|\\)?(?:\[[^\]]*\])?\s*(?:;.*)?$")  # `.` and `.[extra]`
_DECLARED = re.compile(rb"coding[:=]\s*([-\w.]+)")


_OTHER_FORMS = {
    "pyproject.toml": "submit its folder without -r, and its dependencies are read",
    "uv.lock": "hand in what `uv export -o requirements.txt` writes",
    "poetry.lock": "hand in what `poetry export -o requirements.txt` writes",
    **dict.fromkeys(("Pipfile", "Pipfile.lock"), "hand in what `pipenv requirements > requirements.txt` writes"),
    **dict.fromkeys(("environment.yml", "environment.yaml"), "conda packages are not installed: list those of pip"),
    "setup.py": "list what it requires in a requirements.txt",
}


class RefusedRequirements(ValueError):
    """Lines of a file that cannot be handed in: each with file, line, what it is and the way out."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Requirements:
    """What is to be installed, one requirement each, and what was left out on purpose."""

    lines: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class _Line(NamedTuple):
    number: int  # of its first line, from 1
    text: str


@dataclass(slots=True)
class _Reading:
    read: Callable[[Path], bytes]
    own_project: bool
    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_requirements(path: str | os.PathLike[str], *, own_project: bool = False) -> Requirements:
    """The requirements of a file and of the files that it names. `own_project`: the project is handed in itself, so
    that a line which names it (`-e .`) is left out. Raises RefusedRequirements, OSError."""
    reading = _Reading(read_bytes, own_project)
    name = os.fspath(path)
    if way_out := _OTHER_FORMS.get(Path(path).name):
        raise RefusedRequirements((f"{name} is no requirements file: {way_out}",))
    _file(reading, name, Path(path), (Path(path).resolve(),), "")
    return _result(reading)


def requirement_lines(text: str, name: str = "requirements") -> Requirements:
    """The requirements in a text that is no file, so that other files cannot be named. Raises RefusedRequirements."""
    reading = _Reading(read_bytes, own_project=False)
    _text(reading, name, None, text.removeprefix("\ufeff"), ())
    return _result(reading)


def _result(reading: _Reading) -> Requirements:
    if reading.problems:
        raise RefusedRequirements(tuple(reading.problems))
    return Requirements(tuple(dict.fromkeys(reading.lines)), tuple(reading.notes))


def _file(reading: _Reading, name: str, path: Path, above: tuple[Path, ...], named_in: str) -> None:
    try:
        data = reading.read(path)
    except OSError as error:
        if not named_in:
            raise
        reading.problems.append(f"{named_in}: -r {name}: {error.strerror or error}")
        return
    try:
        text = decoded(data)
    except ValueError as error:
        reading.problems.append(f"{name}: {error}")
        return
    _text(reading, name, path, text, above)


def _text(reading: _Reading, name: str, path: Path | None, text: str, above: tuple[Path, ...]) -> None:
    for line in _logical(text):
        where = f"{name}:{line.number}"
        option, value = _option(line.text)
        if option == "--requirement":
            _another(reading, where, value, path, above)
        elif option == "--require-hashes":
            continue  # the installer demands them for all as soon as one has them
        elif option:
            itself = option == "--editable" and _ITSELF.match(value)
            if itself and reading.own_project:
                reading.notes.append(f"{where}: {line.text} is the project itself, which is handed in: left out")
            else:
                reading.problems.append(_refused(where, line.text, option, value))
        elif reading.own_project and _ITSELF.match(line.text):
            reading.notes.append(f"{where}: {line.text} is the project itself, which is handed in: left out")
        else:
            _requirement(reading, where, line.text)


def _another(reading: _Reading, where: str, value: str, path: Path | None, above: tuple[Path, ...]) -> None:
    value = value.strip("\"'")
    if path is None or "://" in value:
        why = "a file from the network is not fetched" if "://" in value else "only a file can name another file"
        reading.problems.append(f"{where}: -r {value}: {why}: write its lines in its place")
        return
    other = path.parent / value
    if other.resolve() in above:
        reading.problems.append(f"{where}: -r {value}: this file is being read already: they name each other")
    elif len(above) >= DEEPEST:
        reading.problems.append(f"{where}: -r {value}: more than {DEEPEST} files that name each other")
    else:
        _file(reading, str(other), other, (*above, other.resolve()), where)


def _requirement(reading: _Reading, where: str, text: str) -> None:
    hashes = [found[1] for found in _HASH.finditer(text)]
    requirement = " ".join(_HASH.sub("", text).split())
    if problem := _problem(requirement):
        reading.problems.append(f"{where}: {_shown(requirement)} {problem}")
    elif other := _LATER_OPTION.search(requirement):
        reading.problems.append(_refused(where, requirement, other[1]))
    else:
        reading.lines.append(" ".join([requirement, *(f"--hash={one}" for one in hashes)]))


def _problem(requirement: str) -> str:
    if _VERSION_CONTROL.search(requirement):
        return "comes from a repository of source code: name a release, or put its code into the project"
    if _ADDRESS.search(requirement):
        return f"comes from an address: name a release; {_OPERATOR}"
    if _PATH.search(requirement):
        return "is a file or folder of this machine: put its code into the project, or name a release"
    return ""


def _refused(where: str, text: str, option: str, value: str = "") -> str:
    if option == "--editable" and (_VERSION_CONTROL.search(value) or _ADDRESS.search(value)):
        return f"{where}: {_shown(text)} {_problem(value)}"
    reason = _REASONS.get(option)
    if reason is None:
        return f"{where}: {_shown(text)}: {option} is no option of a requirements file that is known here"
    return f"{where}: {_shown(text)}: {option} is not taken: {reason}"


def _option(text: str) -> tuple[str, str]:
    """The option that a line begins with, by its long name, and the rest; two empty texts where it is none."""
    if not text.startswith("-") or not (found := _OPTION.match(text)):
        return "", ""
    name = found[1]
    if not name.startswith("--") or name in _LONG:
        name = _LONG.get(name, name)
    return name, found[2].strip()


def _logical(text: str) -> Iterator[_Line]:
    """Lines as pip joins them: a backslash at the end goes on in the next line, a line that is a comment ends that."""
    pieces: list[str] = []
    first = 1
    for number, line in enumerate([*text.splitlines(), ""], 1):
        first = first if pieces else number
        comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not comment:
            pieces.append(line.rstrip("\\"))
            continue
        whole = "".join([*pieces, f" {line}" if comment else line])
        pieces = []
        if stripped := _COMMENT.sub("", whole).strip():
            yield _Line(first, stripped)


def decoded(data: bytes) -> str:
    """The text of a file of settings: by its byte order mark, else as it declares, else UTF-8. Raises ValueError."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),  # what PowerShell 5 writes by `>`
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(encoding)
    first = b"\n".join(line for line in data.split(b"\n")[:2] if line.startswith(b"#"))
    declared = _DECLARED.search(first)
    try:
        text = data.decode(declared[1].decode() if declared else "utf-8")
    except (UnicodeDecodeError, LookupError) as error:
        raise ValueError("is not UTF-8 text: save it as UTF-8") from error
    if "\0" in text:
        raise ValueError("has zero bytes in it, so it is no UTF-8 text: save it as UTF-8")
    return text


def _shown(text: str) -> str:
    """Without what could be a password in an address."""
    hidden = re.sub(r"(://)[^/\s@]*@", r"\1...@", text)
    return repr(hidden if len(hidden) <= 80 else hidden[:77] + "...")
