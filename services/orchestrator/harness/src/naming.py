"""How types and files are named to a reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


PLAIN_MODULES = {
    "builtins",
    "agent",
    "__main__",
}  # whose types need no other name; the agent's own module comes to them


def type_name(kind: type) -> str:
    name = kind.__qualname__.rpartition("<locals>.")[2]
    name = name if kind.__module__ in PLAIN_MODULES else f"{kind.__module__}.{name}"
    return name[:200]


def families_of(target: object) -> set[str]:
    """The packages that its class and its base classes come from."""
    return {str(base.__module__).partition(".")[0] for base in type(target).__mro__}


def attributes_of(target: object) -> dict[Any, Any]:
    """What an object itself holds, without asking it: a proxy of what is not there yet (`flask.request`) would fail."""
    try:
        found = object.__getattribute__(target, "__dict__")
    except Exception:  # slots, or a class that makes something else of it
        return {}
    return found if type(found) is dict else {}


def file_of(module: ModuleType) -> str:
    """The name of its file, or of itself where it has none."""
    return str(getattr(module, "__file__", None) or f"{module.__name__}.py").rpartition("/")[2]
