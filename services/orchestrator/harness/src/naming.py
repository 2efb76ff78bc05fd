"""How types and files are named to a reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


PLAIN_MODULES = {
    "builtins",
    "agent",
    "__main__",
}  # whose types need no other name; the agent's own module comes to them


def type_name(kind: type) -> str:
    name = kind.__qualname__.rpartition("<locals>.")[2]
    name = name if kind.__module__ in PLAIN_MODULES else f"{kind.__module__}.{name}"
    return name[:200]


def file_of(module: ModuleType) -> str:
    """The name of its file, or of itself where it has none."""
    return str(getattr(module, "__file__", None) or f"{module.__name__}.py").rpartition("/")[2]
