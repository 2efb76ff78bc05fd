"""How a type is named to a reader."""

from __future__ import annotations


def type_name(kind: type) -> str:
    name = kind.__qualname__.rpartition("<locals>.")[2]
    name = name if kind.__module__ in ("builtins", "agent") else f"{kind.__module__}.{name}"
    return name[:200]
