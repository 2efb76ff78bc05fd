"""What Python code imports, read without running it. Pure functions of source text."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import NamedTuple


class Imported(NamedTuple):
    """One import. `level` is the number of its leading dots, 0 for an absolute one."""

    module: str
    level: int
    line: int
    names: tuple[str, ...] = ()

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
    for node in _nodes(tree):
        if isinstance(node, ast.Import):
            yield from (Imported(alias.name, 0, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield Imported(node.module or "", node.level, node.lineno, tuple(alias.name for alias in node.names))


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and _for_checkers(node.test):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def _for_checkers(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def package_to_wrap_in(folder: str, files: Mapping[str, bytes], entrypoint: str = "") -> str:
    """The name of the package that a folder is itself, when its code only works as that: it imports beyond the
    folder's top (`from .tools import x` in a file at the top), its own modules by the folder's name (`from
    folder.tools import x`), or the entry point is said by that name. Else an empty text."""
    own = folder if folder.isidentifier() and folder not in sys.stdlib_module_names else ""
    there = {path.split("/")[0].removesuffix(".py") for path in files}
    is_package = "__init__.py" in files and own not in there
    beyond = others = False
    module = entrypoint.partition(":")[0]
    by_name = bool(own) and own not in there and module.split(".")[0] == own
    for path, data in files.items():
        if not path.endswith(".py") or (tree := parsed(data)) is None:
            continue
        depth = path.count("/")
        for one in imports(tree):
            beyond = beyond or one.level > depth
            if own and one.level == 0 and one.top == own:
                mine = is_package and not there.isdisjoint({*one.module.split(".")[1:2], *one.names})
                by_name, others = by_name or mine, others or not mine
    if by_name or (beyond and own and not others):
        return own
    # Another distribution of that name is imported, too: the folder must not hide it.
    return f"{_identifier(folder)}_project" if beyond else ""


def _identifier(folder: str) -> str:
    name = re.sub(r"\W", "_", folder)
    return f"_{name}" if not name or name[0].isdigit() else name
