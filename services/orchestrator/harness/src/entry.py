"""The entry point: what of an agent is called, and how the query gets into the call."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.binding import bind, place_of
from services.orchestrator.harness.src.call_context import CallContext
from services.orchestrator.harness.src.candidates import (
    AGENT_NAMES,
    FUNCTION_NAMES,
    NO,
    ROLES,
    STEPS,
    STRONG,
    Candidate,
    candidates_of,
    decided,
    fallbacks_of,
    imported_of,
    methods_of,
    own_of,
    peers_of,
    users_of,
)
from services.orchestrator.harness.src.commands import command_of, command_plan, is_a_command
from services.orchestrator.harness.src.frameworks import framework_plan, is_of_a_framework
from services.orchestrator.harness.src.handed_on import handed_on_as_text
from services.orchestrator.harness.src.naming import file_of
from services.orchestrator.harness.src.own_files import is_our_file
from services.orchestrator.harness.src.parameters import parameters_of, shown_signature
from services.orchestrator.harness.src.plan import Plan, QueryNotAccepted
from services.orchestrator.harness.src.query_names import HANDLER_NAMES, plain_name
from services.orchestrator.harness.src.record_values import json_object
from services.orchestrator.harness.src.refusals import AS_A_SCRIPT, has_a_main_guard, lacking, offers
from services.orchestrator.harness.src.relations import is_function
from services.orchestrator.harness.src.script_parts import is_part_of_a_script, reads_its_input
from services.orchestrator.harness.src.servers import is_a_server, is_an_adapter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import Any


MOST_CANDIDATES = 20


class EntrypointNotFound(Exception):
    """The message says what was looked for and what is there."""


class EntrypointAmbiguous(Exception):
    """The message names those that could be meant."""


class Entry:
    """What is called. Kept for the whole life of an agent, so that each query is bound anew."""

    def __init__(
        self,
        target: Any,
        name: str,
        module: ModuleType,
        source: str,
        *,
        named: bool = False,
        registered: bool = False,
        others: Sequence[str] = (),
    ) -> None:
        self.kind = "function"
        if issubclass(type(target), type):
            self.kind, target = "class", _crew_of(_made(target, name))
        elif type(target).__name__ == "method":
            self.kind = "method"
        elif not is_function(target):
            self.kind = "object"
        self.target = target
        self.name = name
        self.module = module
        self.source = source
        self.named = named
        self.registered = registered
        self.others = others
        self.signature = shown_signature(parameters_of(target)) if is_function(target) else ""
        self.plan: Plan | None = None

    def bind(self, query: str | None, *, test_id: str = "", timeout_s: float = 300.0, memory_mib: int = 0) -> Plan:
        """The call for this query. Raises QueryNotAccepted, and EntrypointNotFound for an object without a method."""

        def bound(function: Any, name: str) -> Plan:
            parameters = parameters_of(function)
            self.signature = shown_signature(parameters)
            return bind(
                function,
                name,
                parameters,
                query,
                scope=_scope_of(function, self.module),
                context=lambda: CallContext(test_id, timeout_s, memory_mib),
                session=test_id or "session",
                handler=self.registered,
                as_text=self._wants_text(function, parameters, query),
            )

        try:
            command = command_of(self.target) if query is not None else None
            if command is not None and query is not None:
                self.kind = "command"
                self.plan = command_plan(command, self.name, query)
            elif is_function(self.target):
                self.plan = bound(self.target, self.name)
            else:
                self.plan = _object_plan(self, bound, query)
        except QueryNotAccepted as refusal:
            if not self.named and has_a_main_guard(self.source):
                raise QueryNotAccepted(f"{refusal} Or {AS_A_SCRIPT}.") from None
            raise
        return self.plan

    def _wants_text(self, function: Any, parameters: Any, query: str | None) -> bool:
        if self.registered or query is None or not parameters or plain_name(parameters[0].name) not in HANDLER_NAMES:
            return False
        return json_object(query) is None and handed_on_as_text(function, parameters[0].name, self.module)

    def report(self) -> dict[str, object]:
        """For the result of the test: what was called and how. Sizes are bounded."""
        return {
            "name": f"{self.module.__name__}:{self.name}"[:200],
            "kind": self.kind,
            "signature": self.signature[:500],
            "call": (self.plan.call if self.plan else "")[:300],
            "query_passed": self.plan.query_passed if self.plan else False,
            "named": self.named,
            "candidates": [other[:200] for other in self.others[:MOST_CANDIDATES]],
        }


def _object_plan(entry: Entry, bound: Any, query: str | None) -> Plan:
    if query is not None:
        if is_of_a_framework(entry.target) and is_a_command(entry.target):
            entry.kind = "command"
        plan = framework_plan(entry.target, entry.name, query)
        if plan is not None:
            if not is_our_file(getattr(getattr(plan.function, "__code__", None), "co_filename", "")):
                entry.signature = shown_signature(parameters_of(plan.function))
            return plan
    found = [(name, method, parameters_of(method)) for name, method in methods_of(entry.target)]
    if not found or is_a_server(entry.target):
        raise EntrypointNotFound(lacking(entry.name, entry.target, entry.module))
    places = [place_of(parameters) for _, _, parameters in found]
    order = [index for index, place in enumerate(places) if not isinstance(place, str) and place.usual]
    order += [index for index, place in enumerate(places) if not isinstance(place, str) and not place.usual]
    if query is None:
        order = [
            index for index, (_, _, parameters) in enumerate(found) if not any(one.required for one in parameters or ())
        ]
    name, method, _ = found[order[0] if order else 0]
    if name == "__call__":
        return bound(entry.target, entry.name)  # type: ignore[no-any-return]
    return bound(method, f"{entry.name}.{name}")  # type: ignore[no-any-return]


def _made(kind: type, name: str) -> Any:
    try:
        return kind()
    except TypeError as error:
        if _is_from_inside(error):
            raise
        raise EntrypointNotFound(
            f"{name} is a class that cannot be made without arguments ({error}). Make one in the file, as in "
            f"agent = {name}(...)."
        ) from None


def _makes_crews(target: Any) -> bool:
    """Whether its class is one of crewai's @CrewBase, as `crewai create crew` lays projects out."""
    return getattr(type(target), "is_crew_class", None) is True


def _crew_of(target: Any) -> Any:
    """The crew that it makes, or the object itself."""
    return target.crew() if _makes_crews(target) else target


def _is_from_inside(error: BaseException) -> bool:
    """Whether code of the agent was running, and not only its call was refused."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return place is not None and not is_our_file(place.tb_frame.f_code.co_filename)


def _scope_of(function: Any, module: ModuleType) -> dict[str, Any]:
    for _ in range(50):
        inner = getattr(function, "__wrapped__", None) or getattr(function, "__func__", None)
        if inner is None:
            break
        function = inner
    if not hasattr(function, "__globals__") and not is_function(function):
        function = vars(type(function)).get("__call__", function)
    return getattr(function, "__globals__", None) or vars(module)


def find_entry(module: ModuleType, entrypoint: str | None, source: str, *, without_query: bool = False) -> Entry:
    """The thing to call: `module:name`, `name`, or what plainly is the agent of the file. Raises EntrypointNotFound,
    EntrypointAmbiguous, QueryNotAccepted where what is there takes no query."""
    if entrypoint:
        return _named(module, entrypoint, source)
    found, imported = candidates_of(module, source, without_query=without_query)
    usual = [one for one in found if one.fit and not is_an_adapter(one.name, one.target)]
    own: list[Candidate] = []
    if not usual or (len(usual) == 1 and usual[0].name in ROLES):
        own = own_of(module, source, without_query=without_query)
    if not usual:
        own = [one for one in own if not is_an_adapter(one.name, one.target)]
        fallbacks = fallbacks_of(own, module)
        lone = fallbacks if not any(one.is_object for one in fallbacks) else []
        among = imported_of(imported, own, module) if imported and len(lone) == len(fallbacks) else []
        adapters = [one for one in found if one.fit]
        if adapters and all(one.is_class for one in fallbacks):
            fallbacks = [one for one in own if one.fit == STRONG and not one.is_object]
        known = {id(one.target) for one in found}
        found = [*found, *(one for one in among or fallbacks if id(one.target) not in known)]
    chosen = decided(found, module)
    example = chosen[0].name if chosen else ""
    if len(chosen) == 1 and not without_query:
        users = users_of(chosen[0], module, source)
        example = users[0].name if users else example
        chosen = [*chosen, *users, *peers_of(chosen[0], own, module)]
    if len(chosen) > 1:
        raise EntrypointAmbiguous(
            f"{file_of(module)} has several things to call, and none of them plainly is the agent: "
            f"{', '.join(map(str, chosen[:MOST_CANDIDATES]))}. Name the one that is meant, as in "
            f"-e {module.__name__}:{example}."
        )
    if not chosen:
        return _unfit(module, found or imported, source)
    one = chosen[0]
    if not without_query and not one.registered and not one.is_object:
        _refuse_parts_of_scripts(one, module, source)
    others = [str(other) for other in found if other is not one and (other.fit or not other.is_object)]
    return Entry(one.target, one.name, module, source, registered=one.registered, others=others)


def _refuse_parts_of_scripts(one: Candidate, module: ModuleType, source: str) -> None:
    if one.name in FUNCTION_NAMES and one.name not in STEPS:
        return
    if is_part_of_a_script(one.name, one.target, module, source):
        raise EntrypointNotFound(
            f"{file_of(module)} is a script that reads its input by itself, and {one} may be a part of it only. Either "
            f"{AS_A_SCRIPT}; or name the function if it is the agent (-e {module.__name__}:{one.name})."
        )


def _unfit(module: ModuleType, found: Sequence[Candidate], source: str) -> Entry:
    """What can only say why it is not called; where there is nothing at all, what the file has instead."""
    able = [one for one in found if not is_a_server(one.target)]
    if len(able) == 1 or (able and all(one.fit == NO for one in able)):
        first = min(able, key=lambda one: one.is_object)  # binding it says what it lacks
        return Entry(first.target, first.name, module, source, others=[str(one) for one in able if one is not first])
    for name in AGENT_NAMES:
        target = vars(module).get(name)
        if target is not None and not issubclass(type(target), type(sys)):
            raise EntrypointNotFound(lacking(name, target, module, source))
    if has_a_main_guard(source):
        raise EntrypointNotFound(f"{file_of(module)} has nothing to call. You can {AS_A_SCRIPT}.")
    if not any(callable(value) for name, value in vars(module).items() if not name.startswith("__")):
        raise EntrypointNotFound(f"{file_of(module)} has nothing to call. If it is a script, {AS_A_SCRIPT}.")
    raise EntrypointNotFound(
        f"{file_of(module)} has nothing that plainly is the agent. {offers(module)} "
        f"Name a function run(query), or name yours as the entry point (-e {module.__name__}:my_function)."
        f"{f' Or {AS_A_SCRIPT}.' if reads_its_input(source) else ''}"
    )


def _named(module: ModuleType, entrypoint: str, source: str) -> Entry:
    where, colon, name = entrypoint.rpartition(":")
    target: Any = module
    home = module
    if colon and where != module.__name__:
        target = home = _import(where, module if where == "agent" else None)
        source = source if home is module else ""
    for part in name.split("."):
        if not hasattr(target, part):
            raise EntrypointNotFound(f"There is no {name!r} in {file_of(home)}. {offers(target)}")
        if isinstance(target, type) and type(vars(target).get(part)).__name__ == "function":
            target = _made(target, target.__name__)  # a method of a class is one of an object
        target = getattr(target, part)
    if name.endswith(".crew") and _makes_crews(getattr(target, "__self__", None)):
        target = target()
    if not (callable(target) or any(methods_of(target)) or is_of_a_framework(target)):
        raise EntrypointNotFound(lacking(name, target, home))
    return Entry(target, name, home, source, named=True)


def _import(name: str, otherwise: ModuleType | None) -> ModuleType:
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        if otherwise is not None and error.name == name:
            return otherwise
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise EntrypointNotFound(f"There is no module {error.name!r} for the entry point.") from None
        raise
    return sys.modules[name]
