"""Which file of a project is the agent's, and its text as Python reads it. Pure."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Collection
from encodings import normalize_encoding
from encodings.aliases import aliases
from typing import Final, NamedTuple

USUAL: Final = ("agent.py", "main.py", "app.py")
_BESIDE: Final = ("setup.py", "conftest.py", "noxfile.py", "__init__.py", "__main__.py")
_MOST_NAMED: Final = 8
MOST_CODE: Final = 256 * 1024
"""Bytes of the agent's file."""
_DECLARED: Final = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BLANK: Final = re.compile(rb"[ \t\f]*(?:[#\r\n]|$)")
_ENCODINGS: Final = frozenset(
    (
        *("ascii", "utf_8", "utf_8_sig", "latin_1", "cp437", "cp850", "cp852", "cp866", "koi8_r", "koi8_u"),
        *("mac_roman", "big5", "cp932", "cp936", "cp949", "cp950", "euc_jp", "euc_kr", "gb2312", "gb18030", "gbk"),
        *("shift_jis", *(f"iso8859_{part}" for part in (*range(1, 12), *range(13, 17)))),
        *(f"cp125{page}" for page in range(9)),
    )
)
"""Python has codecs that take time by the square of their input, and some that are no encodings of text at all."""


class Choice(NamedTuple):
    """The agent's file, or why it is not clear which it is."""

    path: str = ""
    problem: str = ""


class Source(NamedTuple):
    """The text of a Python file, or why it has none."""

    text: str = ""
    problem: str = ""


def choose(paths: Collection[str], named: str = "", entrypoint: str = "") -> Choice:
    """`named` by the user, else the module of the `entrypoint`, else by the usual names from the top down."""
    sources = sorted(path for path in paths if path.endswith(".py"))
    if named:
        return _named(named, paths, sources)
    for usual in (_modules_of(entrypoint), USUAL, tuple("src/" + name for name in USUAL)):
        for path in usual:
            if path in paths:
                return Choice(path)
    found = _plausible(sources)
    if len(found) == 1:
        return Choice(found[0])
    if not sources:
        return Choice(problem="has no Python file in it")
    return Choice(problem=f"does not say which file is the agent's; name it in agent_path: {_some(found or sources)}")


def _plausible(sources: list[str]) -> list[str]:
    """What may be the agent's file where none has a usual name: never one of several without being told."""
    found = [*_alone(_at_top(sources, "")), *_alone(_at_top(sources, "src/"))]
    return found + (_packages(sources, ("__main__.py",)) or _packages(sources, USUAL))


def decoded(data: bytes) -> Source:
    """As Python decodes a source file of at most MOST_CODE bytes: byte order mark, declared encoding. Only encodings
    that editors save in are taken."""
    if len(data) > MOST_CODE:
        return Source(problem=f"has {len(data)} bytes; an agent's file may have at most {MOST_CODE}")
    name = _declared(data)
    if name and not _is_taken(name):
        return Source(problem=f"declares the encoding {name[:40]!r}, which is not taken; save it as UTF-8")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return Source(data.decode(encoding))
    except SyntaxError as error:  # an encoding that is not there, or is not what the byte order mark says
        why = error.msg
        if why.startswith("invalid or missing"):  # in its first two lines
            why = "it is not valid UTF-8 and declares no other encoding"
        return Source(problem=f"cannot be read as Python: {why}")
    except UnicodeDecodeError as error:
        return Source(
            problem=f"is not valid {error.encoding} (byte {error.start}); save it as UTF-8 or declare its encoding"
        )


def _declared(data: bytes) -> str:
    """The encoding that the first two lines name, as of PEP 263; empty where they name none."""
    lines = io.BytesIO(data)
    for line in (lines.readline(), lines.readline()):
        found = _DECLARED.match(line)
        if found:
            return found[1].decode("ascii", "replace")
        if not _BLANK.match(line):
            break
    return ""


def _is_taken(name: str) -> bool:
    start = name[:12].lower().replace("_", "-") + "-"
    if start.startswith(("utf-8-", "latin-1-", "iso-8859-1-", "iso-latin-1-")):  # as Python has it: utf-8-unix
        return True
    normal = normalize_encoding(name).lower()
    return aliases.get(normal, aliases.get(normal.replace(".", "_"), normal)) in _ENCODINGS


def _named(named: str, paths: Collection[str], sources: list[str]) -> Choice:
    path = named.removeprefix("./")
    if path not in paths:
        return Choice(problem=f"{named[:100]!r} is not among the files; there are {_some(sources)}")
    if not path.endswith(".py"):
        return Choice(problem=f"{named[:100]!r} is not a Python file (.py)")
    return Choice(path)


def _modules_of(entrypoint: str) -> tuple[str, ...]:
    module, colon, _ = entrypoint.partition(":")
    if not colon:
        module = module.removesuffix(".__main__") if module.endswith(".__main__") else ""
        if not module:
            return ()
        stem = module.replace(".", "/")
        return tuple(f"{root}{stem}/__main__.py" for root in ("", "src/"))
    stem = module.replace(".", "/")
    return tuple(f"{root}{stem}{end}" for root in ("", "src/") for end in (".py", "/__init__.py"))


def _at_top(sources: list[str], root: str) -> list[str]:
    names = [path.removeprefix(root) for path in sources if path.startswith(root)]
    return [
        root + name
        for name in names
        if "/" not in name and name not in _BESIDE and not name.startswith("test_") and not name.endswith("_test.py")
    ]


def _packages(sources: list[str], names: tuple[str, ...]) -> list[str]:
    """Files with one of these names right inside of a package at an import root; of one package the first name only."""
    found: dict[str, str] = {}
    for name in names:
        for path in sources:
            folder, _, last = path.rpartition("/")
            if last == name and folder and "/" not in folder.removeprefix("src/"):
                found.setdefault(folder, path)
    return list(found.values())


def _alone(paths: list[str]) -> tuple[str, ...]:
    return tuple(paths) if len(paths) == 1 else ()


def _some(sources: list[str]) -> str:
    more = len(sources) - _MOST_NAMED
    return ", ".join(sources[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
