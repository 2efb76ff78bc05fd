"""Functions that were registered with an app, as by `@app.entrypoint`: what a platform calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.naming import attributes_of, families_of
from services.orchestrator.harness.src.parameters import PlainFunction

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType
    from typing import Any


REGISTERS = ("handler", "handlers", "entrypoint", "entrypoints", "_handler", "_handlers", "_entrypoint")
DECORATORS = ("entrypoint", "entry_point", "async_entrypoint", "agent_entrypoint")


def registered_functions(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """With their names. Of apps only: a tool has a handler, too, and a bus has many."""
    names = vars(module)
    for app in list(names.values()):
        kind = type(app)
        if kind is PlainFunction or issubclass(kind, (type, str, dict, list, type(module))) or not _is_an_app(app):
            continue
        attributes = attributes_of(app)
        for register in REGISTERS:
            kept = attributes.get(register)
            if kept is None:
                continue
            for function in kept.values() if type(kept) is dict else kept if type(kept) is list else (kept,):
                if type(function) is PlainFunction and function.__module__ == module.__name__:
                    yield (
                        next((name for name, value in names.items() if value is function), function.__name__),
                        function,
                    )


def _is_an_app(target: Any) -> bool:
    """Whether its class has the decorator for it."""
    if "bedrock_agentcore" in families_of(target):
        return True
    line = type(target).__mro__
    return any(callable(vars(one).get(name)) for one in line for name in DECORATORS)
