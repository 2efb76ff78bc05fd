"""What Python code imports, read without running it. Pure functions of source text."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Imported(NamedTuple):
    """One import. `level` is the number of its leading dots, 0 for an absolute one. `either`: the code has another one
    in its place where this one fails (`try: from .tools import x`, `except ImportError: from tools import x`)."""

    module: str
    level: int
    line: int
    names: tuple[str, ...] = ()
    either: bool = False

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


def parsed(source: str | bytes) -> ast.Module | None:
    """The tree of the code; None where it is no Python of this version."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "invalid escape sequence" is for whoever runs it
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def imports(tree: ast.AST) -> Iterator[Imported]:
    """All imports, those in functions included; not those for type checkers only."""
    waiting: list[tuple[ast.AST, bool]] = [(tree, False)]
    while waiting:
        node, either = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (Imported(alias.name, 0, node.lineno, (), either) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            yield Imported(node.module or "", node.level, node.lineno, names, either)
        elif isinstance(node, ast.If) and _for_checkers(node.test):
            waiting += ((child, either) for child in node.orelse)
        else:
            two_ways = isinstance(node, ast.Try) and _imports(node.body) and _imports(node.handlers)
            waiting += ((child, either or two_ways) for child in ast.iter_child_nodes(node))


def _imports(nodes: Iterable[ast.AST]) -> bool:
    return any(isinstance(one, ast.Import | ast.ImportFrom) for node in nodes for one in ast.walk(node))


def _for_checkers(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def package_to_wrap_in(folder: str, files: Mapping[str, bytes], agent_path: str = "", entrypoint: str = "") -> str:
    """The name of the package that a folder is itself, when its code only works as that: it imports beyond the
    folder's top (`from .tools import x` in a file at the top), its own modules by the folder's name (`from
    folder.tools import x`), or the entry point is said by that name. Else an empty text. What the agent's file does
    goes before what others do: an import by its plain name works beside it only."""
    there = {path.split("/")[0].removesuffix(".py") for path in files}
    own = folder if folder.isidentifier() and folder not in {*sys.stdlib_module_names, *there} else ""
    if own and entrypoint.partition(":")[0].split(".")[0] == own:
        return own
    of_agent, of_others = _Ways(), _Ways()
    for path, data in files.items():
        if path.endswith(".py") and not _is_test(path) and (tree := parsed(data)) is not None:
            ways = of_agent if path == agent_path else of_others
            for one in imports(tree):
                ways.add(one, path.count("/"), own, there, is_package="__init__.py" in files)
    if of_agent.by_name or of_others.by_name:
        return own
    if not of_agent.beyond and (of_agent.plain or not of_others.beyond):
        return ""
    # Where another distribution of that name is imported, too, the folder must not hide it.
    return own if own and not (of_agent.strange or of_others.strange) else f"{_identifier(folder)}_project"


@dataclass(slots=True)
class _Ways:
    """In which ways code imports what lies in its own folder. `strange`: something else of the folder's name."""

    beyond: bool = False
    plain: bool = False
    by_name: bool = False
    strange: bool = False

    def add(self, one: Imported, depth: int, own: str, there: Collection[str], *, is_package: bool) -> None:
        if one.level:
            self.beyond = self.beyond or (one.level > depth and not one.either)
        elif own and one.top == own:
            mine = is_package and not {*one.module.split(".")[1:2], *one.names}.isdisjoint(there)
            self.by_name, self.strange = self.by_name or mine, self.strange or not mine
        else:
            self.plain = self.plain or (one.top in there and one.top not in sys.stdlib_module_names)


def _is_test(path: str) -> bool:
    name = path.rpartition("/")[2]
    return path.startswith(("tests/", "test/")) or name.startswith("test_") or name in {"conftest.py", "setup.py"}


def _identifier(folder: str) -> str:
    name = re.sub(r"\W", "_", folder)
    return f"_{name}" if not name or name[0].isdigit() else name
