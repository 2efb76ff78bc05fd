"""What a module offers to be called, and what of it plainly is the agent.

Three things decide, in this order: what was registered with an app (`@app.entrypoint`), what is named as agents are
and takes a query under a usual name, and what uses what: a wrapper goes before what it wraps, a whole before its parts.
Two that nothing of this tells apart are both named, and none of them is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.binding import place_of
from services.orchestrator.harness.src.frameworks import (
    METHODS,
    MORE_METHODS,
    families_of,
    is_a_server,
    is_of_a_framework,
)
from services.orchestrator.harness.src.naming import type_name
from services.orchestrator.harness.src.parameters import Parameter, PlainFunction, parameters_of, shown_signature
from services.orchestrator.harness.src.relations import ModuleOfPython, answers, holds, is_function, uses

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType
    from typing import Any


AGENT_NAMES = (
    *("agent", "root_agent", "crew", "team", "graph", "workflow", "flow", "chain", "rag_chain", "pipeline", "app"),
    *("agent_executor", "executor", "assistant", "bot", "program", "query_engine", "chat_engine", "swarm"),
)
FUNCTION_NAMES = (
    *("run", "main", "handle", "handler", "lambda_handler", "invoke", "ask", "chat", "answer", "query", "process"),
    *(
        "execute",
        "solve",
        "respond",
        "call_agent",
        "run_agent",
        "ask_agent",
        "kickoff",
        "entrypoint",
        "agent_invocation",
    ),
)
REGISTERS = ("handler", "handlers", "entrypoint", "entrypoints", "_handler", "_handlers", "_entrypoint")
PROGRAMS = frozenset(("click", "typer", "langgraph", "crewai", "dspy", "haystack"))  # all that runs there is the agent
NO, WEAK, STRONG = range(3)


class Candidate:
    """One thing of a module that could be called."""

    def __init__(self, name: str, target: Any, fit: int, *, registered: bool = False) -> None:
        self.name = name
        self.target = target
        self.fit = fit
        self.registered = registered
        self.is_object = not is_function(target)

    def __str__(self) -> str:
        if self.is_object:
            kind = self.target if isinstance(self.target, type) else type(self.target)
            return f"{self.name} ({type_name(kind)})"
        return self.name + shown_signature(parameters_of(self.target))


def fit_of(target: Any, *, without_query: bool, handler: bool = False) -> int:
    """How well the query fits in: STRONG where it has a place of a usual name."""
    if isinstance(target, type):
        return WEAK
    if is_function(target):
        return _fit_of_parameters(parameters_of(target), without_query=without_query, handler=handler)
    if is_a_server(target):
        return NO
    if is_of_a_framework(target) and not without_query:
        return STRONG
    fits = [_fit_of_parameters(parameters_of(method), without_query=without_query) for _, method in methods_of(target)]
    return max(fits, default=NO)


def _fit_of_parameters(parameters: Sequence[Parameter] | None, *, without_query: bool, handler: bool = False) -> int:
    if without_query:
        return NO if any(one.required for one in parameters or ()) else STRONG
    place = place_of(parameters, handler=handler)
    return NO if isinstance(place, str) else STRONG if place.usual or handler else WEAK


def methods_of(target: Any) -> Iterator[tuple[str, Any]]:
    """What of an object may be called, in the order in which it is tried."""
    kind = type(target)
    for name in (*METHODS, "__call__", *MORE_METHODS):
        found = next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)
        if found is None or isinstance(found, property):  # by its class: an object may answer to any name
            continue
        try:
            method = getattr(target, name)
        except Exception:  # what an agent's own descriptor does when asked
            continue
        if callable(method):
            yield name, method


def candidates_of(module: ModuleType, source: str, *, without_query: bool) -> list[Candidate]:
    """What the file offers under the usual names; what it imports only where it defines nothing of its own."""
    names = vars(module)
    found = list(_registered(module, without_query=without_query))
    known = {id(one.target) for one in found}
    imported: list[Candidate] = []
    for name in (*AGENT_NAMES, *FUNCTION_NAMES):
        target = names.get(name)
        if is_function(target) and names.get(own := getattr(target, "__name__", name)) is target:
            name = own  # of several names for one function its own
        if target is None or isinstance(target, ModuleOfPython) or id(target) in known:
            continue
        if not (callable(target) or any(methods_of(target)) or is_of_a_framework(target)):
            continue
        known.add(id(target))
        one = Candidate(name, target, fit_of(target, without_query=without_query))
        (found if is_own(module, source, name, target) else imported).append(one)
    return found or imported


def fallbacks_of(module: ModuleType, source: str, *, without_query: bool) -> list[Candidate]:
    """Where no usual name is there: objects of frameworks and `..._agent`, then the file's only function or class that
    takes a query."""
    own = [
        Candidate(name, target, fit_of(target, without_query=without_query))
        for name, target in list(vars(module).items())
        if not name.startswith("_")
        and not isinstance(target, ModuleOfPython)
        and (callable(target) or any(methods_of(target)) or is_of_a_framework(target))
        and is_own(module, source, name, target)
    ]
    objects = [
        one
        for one in own
        if one.is_object
        and not isinstance(one.target, type)
        and one.fit
        and (_ends_like_an_agent(one.name) or _is_run_by_a_framework(one.target, module))
    ]
    if objects:
        return objects
    functions = [one for one in own if not one.is_object]
    if functions:
        return functions if len(functions) == 1 and functions[0].fit == STRONG else []
    classes = [one for one in own if isinstance(one.target, type)]
    alone = len(classes) == 1 and not any(name in vars(module) for name in AGENT_NAMES)
    return classes if alone and _has_a_method(classes[0].target) else []


def _ends_like_an_agent(name: str) -> bool:
    return name.rpartition("_")[2] in AGENT_NAMES


def _is_run_by_a_framework(target: Any, module: ModuleType) -> bool:
    """An agent, a program or a command, not a model or a tool that comes from the same package."""
    if not is_of_a_framework(target):
        return False
    if families_of(target) & PROGRAMS or type(target).__module__ == module.__name__:
        return True
    return "agent" in type(target).__name__.lower()


def _has_a_method(kind: type) -> bool:
    return any(name in vars(kind) for name in (*METHODS, "__call__", *MORE_METHODS))


def _registered(module: ModuleType, *, without_query: bool) -> Iterator[Candidate]:
    """Functions that an app of the module keeps as what it calls."""
    names = vars(module)
    for app in list(names.values()):
        if isinstance(app, (type, ModuleOfPython, PlainFunction)):
            continue
        attributes = getattr(app, "__dict__", None)
        if not isinstance(attributes, dict):
            continue
        for register in REGISTERS:
            kept = attributes.get(register)
            if kept is None:
                continue
            for function in kept.values() if isinstance(kept, dict) else kept if isinstance(kept, list) else (kept,):
                if type(function) is PlainFunction and function.__module__ == module.__name__:
                    name = next((name for name, value in names.items() if value is function), function.__name__)
                    fit = fit_of(function, without_query=without_query, handler=True)
                    yield Candidate(name, function, fit, registered=True)


def is_own(module: ModuleType, source: str, name: str, target: Any) -> bool:
    """Whether the file defines it: objects count as its own, functions and classes unless it imports them."""
    if not (is_function(target) or isinstance(target, type)):
        return True
    if getattr(target, "__module__", module.__name__) == module.__name__:
        return True
    return name not in imported_names(source)  # a decorator may give it another home


def imported_names(source: str) -> set[str]:
    """What import statements of a file bind."""
    import ast

    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    return {
        (alias.asname or alias.name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }


def decided(found: Sequence[Candidate], module: ModuleType) -> list[Candidate]:
    """Those of them that may be meant: one where it is plain, several where it is not, none where none fits."""
    fitting = [one for one in found if one.fit and not (one.name == "app" and one.is_object and one.fit < STRONG)]
    registered = [one for one in fitting if one.registered]
    if len(fitting) < 2 or registered:
        return registered or fitting
    objects = [one for one in fitting if (one.is_object or one.name in AGENT_NAMES) and one.fit == STRONG]
    wrappers = [one for one in fitting if one not in objects and one.fit == STRONG and answers(one.target)]
    if objects and wrappers:
        wrappers = [one for one in wrappers if any(uses(one.target, other.target, module) for other in objects)]
    return _outermost(wrappers or objects, module) or _outermost(fitting, module)


def users_of(chosen: Candidate, module: ModuleType, source: str) -> list[Candidate]:
    """Functions of other names that take a query, answer, and use the one that was chosen: is it only their helper?"""
    if chosen.is_object or chosen.registered:
        return []
    found = []
    for name, target in list(vars(module).items()):
        if name.startswith("_") or name in FUNCTION_NAMES or not is_function(target) or target is chosen.target:
            continue
        asked = fit_of(target, without_query=False) == STRONG and is_own(module, source, name, target)
        if asked and uses(target, chosen.target, module) and answers(target):
            found.append(Candidate(name, target, STRONG))
    return found


def _outermost(several: Sequence[Candidate], module: ModuleType) -> list[Candidate]:
    """Without those that another of them uses or holds."""
    inner = {
        id(part)
        for part in several
        for whole in several
        if part is not whole and (uses(whole.target, part.target, module) or holds(whole.target, part.target))
    }
    return [one for one in several if id(one) not in inner] or list(several)
