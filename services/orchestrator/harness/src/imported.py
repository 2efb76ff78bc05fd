"""What of a module is its own and what it only imports."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.relations import is_function

if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


ONLY_AST = 0x400  # ast.PyCF_ONLY_AST, without the import of ast
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


def is_own(module: ModuleType, source: str, name: str, target: Any) -> bool:
    """Whether the file makes it, and does not only import it."""
    if is_function(target) or issubclass(type(target), type):
        if getattr(target, "__module__", module.__name__) == module.__name__:
            return True
    elif source.startswith(f"{name} = ") or f"\n{name} = " in source:
        return True
    return name not in imported_names(source)  # a decorator may give it another home


def imported_names(source: str) -> set[str]:
    """What import statements of a file bind for the whole of it."""
    try:
        waiting: list[Any] = [compile(source, "agent.py", "exec", ONLY_AST, dont_inherit=True)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    found: set[str] = set()
    while waiting:
        node = waiting.pop()
        kind = type(node).__name__
        if kind in ("Import", "ImportFrom"):
            found.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif kind not in ("FunctionDef", "AsyncFunctionDef", "ClassDef", "Lambda"):
            for block in BLOCKS:
                inside = getattr(node, block, ())
                waiting.extend(inside if isinstance(inside, list) else ())
    return found


def is_of_python(target: Any) -> bool:
    """Whether it comes with Python, as `from subprocess import run` does: never anybody's agent."""
    one = target if is_function(target) or issubclass(type(target), type) else type(target)
    home = getattr(one, "__module__", None)
    return isinstance(home, str) and home.partition(".")[0] in sys.stdlib_module_names
