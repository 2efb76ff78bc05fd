"""What a single file needs of the files beside it: they are not sent with it unless they are asked for.

Looks at the code and at the folder; decides nothing about what is to be done.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from assay import ignore, script_block
from assay.imports import Imported, imports, parsed
from assay.reading import read_bytes

_MOST_FILES = 200  # looked into; a project of more is handed in as a folder anyway
_MOST_BLOCK = 16 << 10  # characters: more is no list of dependencies, and TOML takes long to read
_MOST_ENTRIES = 2_000  # of one folder, with those below it
_OPENS = frozenset({"open", "Path", "joinpath", "join", "read_text", "FileSystemLoader", "load_dotenv", "from_file"})


class Need(NamedTuple):
    """A module or package beside the file that it imports: by which name, in which line, and where that is."""

    module: str
    line: int
    path: Path


@dataclass(frozen=True, slots=True)
class Needs:
    """`modules` are imported by the file itself, `files` is everything that they bring along, in turn; `data` are
    files and folders that the code seems to open. `above`: something lies above the agent's folder."""

    modules: tuple[Need, ...] = ()
    files: tuple[Path, ...] = ()
    data: tuple[Path, ...] = ()
    above: bool = False


@dataclass(slots=True)
class _Search:
    folder: Path
    installed: frozenset[str]
    seen: dict[Path, None] = field(default_factory=dict)
    data: dict[Path, None] = field(default_factory=dict)
    above: bool = False


def needs(file: Path, source: str, requirements: Collection[str] = ()) -> Needs:
    """What a file that is sent alone would miss. `requirements`: what is installed, as PEP 508 lines."""
    tree = parsed(source)
    if tree is None:
        return Needs()  # the server says what is wrong with it
    installed = (*requirements, *_of_script(source))
    search = _Search(file.parent, frozenset(_module_name(one) for one in installed))
    modules = tuple(_found(search, tree, file))
    _follow(search, [need.path for need in modules])
    for path in _opened(tree, file.parent):
        search.data.setdefault(path)
    files = tuple(path for path in search.seen if path != file)
    return Needs(modules, files, tuple(path for path in search.data if path not in search.seen), search.above)


def _follow(search: _Search, waiting: list[Path]) -> None:
    while waiting and len(search.seen) < _MOST_FILES:
        path = waiting.pop(0)
        if path in search.seen:
            continue
        search.seen[path] = None
        for module in [path] if path.is_file() else _python_files(path):
            try:
                tree = parsed(read_bytes(module))
            except OSError:
                continue
            if tree is not None:
                waiting += [need.path for need in _found(search, tree, module)]
                for one in _opened(tree, module.parent):
                    search.data.setdefault(one)


def _python_files(folder: Path) -> Iterator[Path]:
    """Those of a package, from the top down: the first ones of many, however large the folder is."""
    left, looked_at = _MOST_FILES, 0
    for place, folders, names in os.walk(folder):
        looked_at += len(folders) + len(names)
        folders[:] = sorted(name for name in folders if not ignore.always(name))
        modules = sorted(name for name in names if name.endswith(".py") and not ignore.always(name))[:left]
        yield from (Path(place, name) for name in modules)
        left -= len(modules)
        if not left or looked_at > _MOST_ENTRIES:
            return


def _found(search: _Search, tree: ast.Module, module: Path) -> Iterator[Need]:
    """What a module imports of the files beside the agent (or beside itself, by dots)."""
    for one in sorted(imports(tree), key=lambda one: one.line):
        if one.level:
            yield from _by_dots(search, one, module)
        elif one.top in sys.stdlib_module_names or one.top.lower() in search.installed:
            continue
        elif path := _beside(search.folder, one.top, module):
            yield Need(one.top, one.line, path)
        elif path := _around(one, module):
            search.above = True
            yield Need(one.module, one.line, path)


def _by_dots(search: _Search, one: Imported, module: Path) -> Iterator[Need]:
    folder = module.parent
    for _ in range(one.level - 1):
        folder = folder.parent
    for name in [one.top] if one.module else one.names:
        path = _beside(folder, name, module)
        if path is None and not one.module and (folder / "__init__.py").is_file():
            path = folder / "__init__.py"
        if path is None:
            continue
        if not path.is_relative_to(search.folder):
            search.above = True
        inside = path.relative_to(search.folder).parts if path.is_relative_to(search.folder) else ()
        yield Need("." * one.level + name, one.line, search.folder / inside[0] if len(inside) > 1 else path)


def _around(one: Imported, module: Path) -> Path | None:
    """The package that the module itself lies in, when it imports another part of that by the package's name."""
    for folder in list(module.absolute().parents)[:5]:
        if folder.name == one.top:
            parts = [folder / name for name in (one.module.split(".")[1:2] or one.names)]
            if any(part.is_dir() or part.with_suffix(".py").is_file() for part in parts):
                return folder
    return None


def _beside(folder: Path, name: str, module: Path) -> Path | None:
    for path in (folder / name, folder / f"{name}.py"):
        if path == module:
            continue
        if path.is_file() and path.suffix == ".py":
            return path
        if path.is_dir() and ((path / "__init__.py").exists() or next(iter(path.glob("*.py")), None)):
            return path
    return None


def _opened(tree: ast.Module, folder: Path) -> Iterator[Path]:
    """Files and folders that lie there and whose names the code puts into a path."""
    for text in _path_texts(tree):
        first = text.replace("\\", "/").removeprefix("./").split("/")[0]
        if not first or first in {".", ".."} or len(text) > 200 or ignore.always(first):
            continue
        path = folder / first
        try:
            there = (folder / text).exists() and (path.is_file() or path.is_dir())
        except (OSError, ValueError):
            continue
        if there and path.suffix != ".py":
            yield path


def _path_texts(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        parts: list[ast.expr] = []
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            parts = [node.left, node.right]
        elif isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            parts = node.args if name in _OPENS else []
        for part in parts:
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and "\0" not in part.value:
                yield part.value


def _of_script(source: str) -> list[str]:
    """The dependencies of a PEP 723 block; none where there is no such block, or one that nobody can read."""
    import tomllib

    block = script_block.content(source)
    if block is None or len(block) > _MOST_BLOCK:
        return []
    try:
        found = tomllib.loads(block).get("dependencies", [])
    except tomllib.TOMLDecodeError:
        return []
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _module_name(requirement: str) -> str:
    """The name under which a distribution is most likely imported."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement.strip())
    return re.sub(r"[-.]+", "_", found[0]).lower() if found else ""
