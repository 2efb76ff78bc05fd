"""Whether a path of an archive may be unpacked beside an agent: alone, and together with the others. Pure."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from shared.domain.files import LONGEST_PATH, has_unseen

LONGEST: Final = LONGEST_PATH
"""Characters of a path: what Windows and archive tools of all kinds still take."""
LONGEST_NAME: Final = 255
"""Bytes of one name in it: NAME_MAX of the usual file systems."""
DEEPEST: Final = 20
IMPORT_ROOTS: Final = ("", "src/")
"""Where Python looks for modules of a project."""
RESERVED_FOLDERS: Final = {
    "in": "is where the agent finds its input files (/work/in)",
    "out": "is where the agent leaves its output files (/work/out)",
}
_HARNESS: Final = frozenset({"test_runner", "sitecustomize", "usercustomize"})
# Modules of the standard library that nothing imports behind an agent's back: a file of that name does no harm.
_HARMLESS: Final = frozenset({"test", "this", "antigravity", "idlelib", "turtledemo", "__main__"})
_MODULE_FILE: Final = re.compile(r"([^./]+)(?:\.py|\.pyc|(?:\.[^./]+)?\.so)$")
_DEVICES: Final = frozenset(
    ("con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)))
)
"""Names that Windows has for its devices, whatever the ending."""
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_LEFT_OUT_FOLDERS: Final = frozenset({"__pycache__", "__MACOSX"})
_LEFT_OUT_NAMES: Final = frozenset({".DS_Store"})


class Bad(NamedTuple):
    """A path that may not be, and why, with what to do about it."""

    path: str
    problem: str

    def __str__(self) -> str:
        shown = self.path if len(self.path) <= 100 else f"{self.path[:60]}...{self.path[-37:]}"
        return f"{shown!r} {self.problem}"


def problem(path: str) -> str:
    """What is wrong with this path by itself; empty where nothing is."""
    if len(path) > LONGEST:  # before each character is looked at
        return f"is longer than {LONGEST} characters"
    return _character_problem(path) or _part_problem(path.split("/"))


def is_left_out(path: str) -> bool:
    """Whether this is what an operating system or Python left behind, and nobody means to hand in."""
    parts = path.split("/")
    return not _LEFT_OUT_FOLDERS.isdisjoint(parts) or parts[-1] in _LEFT_OUT_NAMES


def clashes(paths: Iterable[str]) -> Iterator[Bad]:
    """Paths that cannot lie beside one another everywhere: the same one twice, the same but for the case or the way in
    which letters are composed, a file where another one needs a folder."""
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    paths = list(paths)
    for path in paths:
        for folder in PurePosixPath(path).parents:
            text = str(folder)
            if text != ".":
                other = folders.setdefault(_folded(text), text)
                if other != text:
                    yield Bad(path, f"lies in a folder that other systems take for {other!r}; rename one")
    for path in paths:
        key = _folded(path)
        if key in files:
            same = files[key] == path
            yield Bad(
                path, "is there twice" if same else f"is the same file as {files[key]!r} on other systems; rename one"
            )
        elif key in folders:
            yield Bad(path, "is a file, and other files lie in a folder of that name")
        files.setdefault(key, path)


def shadows(paths: Iterable[str]) -> Iterator[Bad]:
    """Files of a project that Python would import instead of its own modules, or of Assay's."""
    for path in paths:
        for root in IMPORT_ROOTS:
            if not path.startswith(root):
                continue
            name = module_at(path.removeprefix(root))
            if name in _HARNESS:
                yield Bad(path, f"has the name of a module that Assay or Python loads first ({name}); rename it")
            elif name in sys.stdlib_module_names - _HARMLESS:
                yield Bad(path, f"would be imported in place of Python's own module {name!r}; rename it")


def reserved(paths: Iterable[str]) -> Iterator[Bad]:
    """Files of a project that lie where the folders for input and output files are."""
    seen: set[str] = set()
    for path in paths:
        first = path.split("/", 1)[0]
        folded = _folded(first)
        if folded in RESERVED_FOLDERS and first not in seen:
            seen.add(first)
            yield Bad(path, f"lies in {first}/, which {RESERVED_FOLDERS[folded]}; rename that folder or leave it out")


def module_at(path: str) -> str:
    """The module that this path is from an import root on, at the top level only; empty where it is none."""
    head, _, rest = path.partition("/")
    if not rest:
        found = _MODULE_FILE.match(head)
        return found[1] if found else ""
    found = _MODULE_FILE.match(rest)
    return head if found and found[1] == "__init__" else ""


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def _character_problem(path: str) -> str:
    if not path:
        return "is an empty name"
    if "\\" in path:
        return "has a backslash in it; folders are separated by /"
    if path.startswith("/") or _DRIVE.match(path):
        return "is an absolute path; give it relative to the project's folder"
    if ":" in path:
        return "has a colon in it, which other systems cannot have in a name; rename it"
    if has_unseen(path):
        return "has a control character, or another one that does not show, in it; rename it"
    return ""


def _part_problem(parts: list[str]) -> str:
    if ".." in parts:
        return "leads out of its folder (..)"
    if "" in parts or "." in parts:
        return "has an empty part or a . in it"
    if len(parts) > DEEPEST:
        return f"lies deeper than {DEEPEST} folders"
    if any(len(part.encode()) > LONGEST_NAME for part in parts):
        return f"has a name of more than {LONGEST_NAME} bytes in it"
    if any(part[-1] in " ." for part in parts):
        return "has a name in it that ends in a space or a dot, which other systems leave out; rename it"
    if any(part.partition(".")[0].rstrip().casefold() in _DEVICES for part in parts):
        return "has the name of a device in it, which Windows cannot have in a folder; rename it"
    return ""
