"""What a module offers to be called, and what of it plainly is the agent.

Three things decide, in this order: what was registered with an app (`@app.entrypoint`), what is named as agents are
and takes a query under a usual name, and what uses what: a wrapper goes before what it wraps, a whole before its parts.
Two that nothing of this tells apart are both named, and none of them is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.binding import place_of
from services.orchestrator.harness.src.frameworks import METHODS, MORE_METHODS, is_of_a_framework
from services.orchestrator.harness.src.imported import is_of_python, is_own
from services.orchestrator.harness.src.naming import families_of, type_name
from services.orchestrator.harness.src.parameters import Parameter, parameters_of, shown_signature
from services.orchestrator.harness.src.registered import registered_functions
from services.orchestrator.harness.src.relations import ModuleOfPython, answers, holds, is_function, uses
from services.orchestrator.harness.src.servers import SERVING, is_a_server, is_an_adapter, serves, starts_a_server

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
# Functions that do a step of something as often as the whole of it; those of any unusual name do, too.
STEPS = frozenset(("process", "execute", "query", "handle", "respond", "solve", "invoke"))
PROGRAMS = frozenset(("click", "typer", "langgraph", "crewai", "dspy", "haystack"))  # all that runs there is the agent
ROLES = ("executor", "assistant", "bot")  # agents among others are called so, too
NO, WEAK, STRONG = range(3)


class Candidate:
    """One thing of a module that could be called."""

    def __init__(self, name: str, target: Any, fit: int, *, registered: bool = False) -> None:
        self.name = name
        self.target = target
        self.fit = fit
        self.registered = registered
        self.is_object = not is_function(target)
        self.is_class = issubclass(type(target), type)

    def __str__(self) -> str:
        if self.is_object:
            kind = self.target if issubclass(type(self.target), type) else type(self.target)
            return f"{self.name} ({type_name(kind)})"
        return self.name + shown_signature(parameters_of(self.target))


def fit_of(target: Any, *, without_query: bool, handler: bool = False) -> int:
    """How well the query fits in: STRONG where it has a place of a usual name."""
    if issubclass(type(target), type):  # not isinstance, here and elsewhere: a proxy is asked for its class by that
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
    if serves(parameters):
        return NO
    if without_query:
        return NO if any(one.required for one in parameters or ()) else STRONG
    place = place_of(parameters, handler=handler)
    return NO if isinstance(place, str) else STRONG if place.usual or handler else WEAK


def methods_of(target: Any) -> Iterator[tuple[str, Any]]:
    """What of an object may be called, in the order in which it is tried."""
    kind = type(target)
    for name in (*METHODS, "__call__", *MORE_METHODS):
        found = next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)
        if found is None or type(found) is property:  # by its class: an object may answer to any name
            continue
        if name in SERVING and starts_a_server(found):
            continue
        try:
            method = getattr(target, name)
        except Exception:  # what an agent's own descriptor does when asked
            continue
        if callable(method):
            yield name, method


def candidates_of(module: ModuleType, source: str, *, without_query: bool) -> tuple[list[Candidate], list[Candidate]]:
    """What is there under the usual names: of the file's own, and what it imports."""
    names = vars(module)
    found = [
        Candidate(name, one, fit_of(one, without_query=without_query, handler=True), registered=True)
        for name, one in registered_functions(module)
    ]
    known = {id(one.target) for one in found}
    imported: list[Candidate] = []
    for name in (*AGENT_NAMES, *FUNCTION_NAMES):
        target = names.get(name)
        if is_function(target) and names.get(own := getattr(target, "__name__", name)) is target:
            name = own  # of several names for one function its own
        if target is None or id(target) in known or not _can_be_called(target):
            continue
        known.add(id(target))
        is_ours = is_own(module, source, name, target)
        if is_ours or not is_of_python(target):
            one = Candidate(name, target, fit_of(target, without_query=without_query))
            (found if is_ours else imported).append(one)
    return found, imported


def _can_be_called(target: Any) -> bool:
    if issubclass(type(target), ModuleOfPython):
        return False
    return callable(target) or any(methods_of(target)) or is_of_a_framework(target)


def own_of(module: ModuleType, source: str, *, without_query: bool) -> list[Candidate]:
    """All that the file itself defines under public names."""
    return [
        Candidate(name, target, fit_of(target, without_query=without_query))
        for name, target in list(vars(module).items())
        if not name.startswith("_") and _can_be_called(target) and is_own(module, source, name, target)
    ]


def fallbacks_of(own: Sequence[Candidate], module: ModuleType) -> list[Candidate]:
    """Where no usual name is there: objects of frameworks and `..._agent`, then the file's only function or class that
    takes a query."""
    objects = [
        one
        for one in own
        if one.is_object
        and not one.is_class
        and one.fit
        and (
            _ends_like_an_agent(one.name)
            or _is_run_by_a_framework(one.target, module)
            or _is_called_an_agent(one.target)
        )
    ]
    if objects:
        kinds = {type(one.target) for one in objects}
        return [one for one in own if one in objects or (one.fit and type(one.target) in kinds)]
    functions = [one for one in own if not one.is_object]
    if functions:
        return functions if len(functions) == 1 and functions[0].fit == STRONG else []
    classes = [one for one in own if one.is_class]
    alone = len(classes) == 1 and not any(name in vars(module) for name in AGENT_NAMES)
    return classes if alone and _has_a_method(classes[0].target) else []


def _is_called_an_agent(target: Any) -> bool:
    return not is_of_a_framework(target) and type(target).__name__.lower().endswith("agent")


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


def decided(found: Sequence[Candidate], module: ModuleType) -> list[Candidate]:
    """Those of them that may be meant: one where it is plain, several where it is not, none where none fits."""
    fitting = [one for one in found if one.fit and not (one.name == "app" and one.is_object and one.fit < STRONG)]
    fitting = [one for one in fitting if not is_an_adapter(one.name, one.target)] or fitting
    registered = [one for one in fitting if one.registered]
    if len(fitting) < 2 or registered:
        return registered or fitting
    objects = [one for one in fitting if (one.is_object or one.name in AGENT_NAMES) and one.fit == STRONG]
    wrappers = [one for one in fitting if one not in objects and one.fit == STRONG and answers(one.target)]
    if objects and wrappers:
        wrappers = [one for one in wrappers if any(uses(one.target, other.target, module) for other in objects)]
    return _outermost(wrappers or objects, module) or _outermost(fitting, module)


def users_of(chosen: Candidate, module: ModuleType, source: str) -> list[Candidate]:
    """What else takes a query, answers, and uses the one that was chosen: is that only their helper?"""
    if chosen.registered or chosen.is_class or (chosen.is_object and chosen.name in AGENT_NAMES):
        return []
    found = []
    for name, target in list(vars(module).items()):
        if target is chosen.target or name.startswith("_") or name in FUNCTION_NAMES or not _can_use(target, module):
            continue
        one = Candidate(name, target, fit_of(target, without_query=False))
        if one.is_object and not one.is_class and one.fit == NO and _hears(type(target)):
            one.fit = STRONG
        if one.is_class:
            one.fit = STRONG if _has_a_method(target) and not _has_objects(target, module) else NO
        enough = WEAK if chosen.name in (*STEPS, "chat") else STRONG
        if one.fit >= enough and (one.is_object or answers(target)) and uses(target, chosen.target, module):
            found.append(one)
    found = [
        one
        for one in found
        if not uses(chosen.target, one.target, module) and is_own(module, source, one.name, one.target)
    ]
    return _outermost(found, module)


def _can_use(target: Any, module: ModuleType) -> bool:
    """Code of the module: of other objects nobody knows what they read."""
    if is_function(target):
        return True
    kind = target if issubclass(type(target), type) else type(target)
    return kind.__module__ == module.__name__


def _hears(kind: type) -> bool:
    """Whether a public method of a class takes a query under a usual name."""
    methods = [value for name, value in vars(kind).items() if not name.startswith("_") and is_function(value)]
    places = [place_of((parameters_of(one) or [])[1:]) for one in methods]
    return any(not isinstance(place, str) and place.usual for place in places)


def _has_objects(kind: type, module: ModuleType) -> bool:
    return any(type(value) is kind for value in list(vars(module).values()))


def peers_of(chosen: Candidate, own: Sequence[Candidate], module: ModuleType) -> list[Candidate]:
    """Others of the same class beside one that is called after a part which it may play among them."""
    if not chosen.is_object or chosen.name not in ROLES:
        return []
    peers = [one for one in own if type(one.target) is type(chosen.target) and one.fit]
    return [one for one in _outermost([chosen, *peers], module) if one.target is not chosen.target]


def imported_of(imported: Sequence[Candidate], own: Sequence[Candidate], module: ModuleType) -> list[Candidate]:
    """Of a file without anything of its own that plainly is the agent, what it imports: not where its own functions
    could be meant, which may use that as a helper."""
    fitting = [one for one in imported if one.fit]
    able = [one for one in own if one.fit == STRONG or (one.fit and not one.is_object)]
    able = [one for one in able if one.is_object or answers(one.target)]
    users = [one for one in able if any(uses(one.target, other.target, module) for other in fitting)]
    users = _outermost(users, module)
    if len(users) == 1 and users[0].fit == STRONG:
        return users
    if users:
        return [*users, *fitting]
    return [*fitting, *(one for one in able if one.fit == STRONG)] if fitting else []


def _outermost(several: Sequence[Candidate], module: ModuleType) -> list[Candidate]:
    """Without those that another of them uses or holds."""
    inner = {
        id(part)
        for part in several
        for whole in several
        if part is not whole and (uses(whole.target, part.target, module) or holds(whole.target, part.target))
    }
    return [one for one in several if id(one) not in inner] or list(several)
