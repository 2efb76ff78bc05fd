"""The entry point: what of an agent is called."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.jsontext import from_json
from services.orchestrator.harness.src.naming import type_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any


DEFAULT_ENTRYPOINTS = ("run", "main", "handle", "invoke", "agent")
METHODS = ("run_sync", "invoke", "ainvoke", "run")  # of agent objects, before calling the object itself


class EntrypointNotFound(Exception):
    """The message says what was looked for and what is there."""


def find_entry(module: ModuleType, entrypoint: str | None) -> Callable[..., object]:
    """The thing to call: `module:name`, `name`, or the first of the usual names. Raises EntrypointNotFound."""
    if entrypoint:
        where, colon, name = entrypoint.rpartition(":")
        target: Any = module
        if colon and where != "agent":
            target = _import(where)
        for part in name.split("."):
            if not hasattr(target, part):
                raise EntrypointNotFound(f"There is no {name!r} in {where or 'agent'}.py. {_offers(target)}")
            target = getattr(target, part)
        return as_callable(target, name)
    for own in (True, False):  # first what agent.py itself defines: `from subprocess import run` is no agent
        for name in DEFAULT_ENTRYPOINTS:
            target = getattr(module, name, None)
            imported = hasattr(target, "__code__") and target.__module__ != "agent"
            if _method_of(target) and imported is not own:
                return as_callable(target, name)
    raise EntrypointNotFound(f"agent.py has none of {', '.join(DEFAULT_ENTRYPOINTS)} to call. {_offers(module)}")


def _import(name: str) -> ModuleType:
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise EntrypointNotFound(f"There is no module {error.name!r} for the entry point.") from None
        raise
    return sys.modules[name]


def _offers(target: object) -> str:
    found = [
        name
        for name, value in vars(target).items()
        if not name.startswith("_") and callable(value) and getattr(value, "__module__", "agent") == "agent"
    ]
    return f"It defines {', '.join(found[:20])}." if found else "It defines nothing that can be called."


def as_callable(target: Any, name: str) -> Callable[..., object]:
    """A function as it is, a class by making one, an object by the first of its methods that frameworks use."""
    if isinstance(target, type):
        target = target()
    method = _method_of(target)
    if not method:
        raise EntrypointNotFound(
            f"{name!r} is a {type_name(type(target))}: not a function, and without {', '.join(METHODS)}."
        )
    if method == "__call__":
        return target  # type: ignore[no-any-return]
    bound = getattr(target, method)
    if type(target).__module__.split(".")[0] == "langgraph":
        return lambda query: bound(graph_input(target, query))
    return bound  # type: ignore[no-any-return]


def _method_of(target: Any) -> str | None:
    return next((name for name in METHODS if hasattr(type(target), name)), "__call__" if callable(target) else None)


def graph_input(graph: Any, query: str) -> object:
    """A LangGraph graph takes a state: one message if its state has messages, else the query, which then is JSON."""
    if "messages" in getattr(graph, "channels", ()):
        return {"messages": [{"role": "user", "content": query}]}
    try:
        return from_json(query)
    except ValueError:
        return query
