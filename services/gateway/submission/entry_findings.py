"""What would be called, as far as the source says: entry points that are not there or cannot take the query.

Pure, and silent where it is not sure: decorators, names that are bound on some ways only, and code that may bind
anything make no claim. An error here is one that the harness would end the test with."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from services.gateway.submission.code import Code, Name
from services.gateway.submission.entry_module import SCRIPT
from services.gateway.submission.finding import Finding, Severity
from services.gateway.submission.query_place import (
    AGENT_NAMES,
    FUNCTION_NAMES,
    METHODS,
    missing_without_query,
    place_of,
    plain,
)
from shared.domain.failure import FailureCode

AS_A_SCRIPT = (
    "Run it as a script with the entry point __main__ (-e __main__): the query then is its argument, on its standard "
    "input and in ASSAY_QUERY, and what it prints is the answer."
)
_DEFINE = "Define run(query), or name the function that is meant as the entry point (-e agent:my_function)."


def entry_findings(
    code: Code, entrypoint: str, query: str | None, path: str, local: Collection[str] = ()
) -> list[Finding]:
    """At most one. `query` is None for a test without one; `path` is that of the agent's file; `local` are the modules
    of the project."""
    where, _, name = entrypoint.rpartition(":")
    if (
        entrypoint.endswith(SCRIPT) or where.endswith(SCRIPT) or not _is_of(where, path)
    ):  # `bot.__main__` is python -m bot
        return []
    found = _named(code, name, query, path) if name else _chosen(code, query, path, local)
    return [found] if found else []


def _is_of(module: str, path: str) -> bool:
    """Whether a module is the agent's file."""
    stem = PurePosixPath(path).with_suffix("").as_posix().replace("/", ".").removeprefix("src.")
    return module in {"", "agent", stem}


def _named(code: Code, name: str, query: str | None, path: str) -> Finding | None:
    first, _, rest = name.partition(".")
    bound = code.names.get(first)
    if bound is None:
        if code.opaque or (first.startswith("__") and first.endswith("__")):
            return None
        return Finding(
            Severity.ERROR,
            FailureCode.ENTRYPOINT_NOT_FOUND,
            f"There is no {first!r} in {path}. {_offers(code)}",
            _DEFINE,
            path,
        )
    if rest:
        return None
    if bound.sure and bound.kind == "data":
        return Finding(
            Severity.ERROR,
            FailureCode.ENTRYPOINT_NOT_FOUND,
            f"{first!r} in {path} is a value that cannot be called.",
            _DEFINE,
            path,
            bound.line,
        )
    return _binding(first, bound, query, path) if bound.is_plain_function and not code.opaque else None


def _binding(name: str, function: Name, query: str | None, path: str) -> Finding | None:
    """That the query cannot be handed over, or that nothing can be called without one."""
    if query is None:
        missing = missing_without_query(function.parameters)
        if not missing:
            return None
        said = f"cannot be called without a query: it needs {', '.join(missing)}"
        hint = "Submit the test with a query."
    else:
        why = place_of(function.parameters).why_not
        if not why or (function.parameters and query.lstrip()[:1] == "{"):  # the object's members may be what it needs
            return None
        said = f"cannot take the query: {why}"
        required = [one.name for one in function.parameters if one.required]
        members = ", ".join(f'"{one}": ...' for one in required[:5])
        hint = (
            f"Write a function that takes the query alone, as in def {name}(query), or give the query as a JSON "
            f"object: {{{members}}}."
            if len(required) > 1
            else f"Give it a parameter for it, as in def {name}(query), name another entry point, or submit without a "
            "query (--no-query)."
        )
    return Finding(
        Severity.ERROR,
        FailureCode.QUERY_NOT_ACCEPTED,
        f"{name}{function.signature} {said}.",
        hint,
        path,
        function.line,
    )


def _chosen(code: Code, query: str | None, path: str, local: Collection[str]) -> Finding | None:
    if code.opaque or any(one.decorated for one in code.names.values()):
        return None
    usual: dict[str, Name] = {name: code.names[name] for name in (*AGENT_NAMES, *FUNCTION_NAMES) if name in code.names}
    usual = {name: one for name, one in usual.items() if not (one.sure and one.kind in {"module", "data"})}
    lifeless = {name for name, one in code.names.items() if _is_lifeless(one, code)}
    usual = {name: one for name, one in usual.items() if name not in lifeless}
    objects = [
        name for name, one in code.names.items() if name not in lifeless and _may_be_an_agent(name, one, code, local)
    ]
    if not usual:
        described = next((name for name in AGENT_NAMES if name in lifeless), "")
        return _nothing(code, objects, query, path, described)
    if not all(one.is_plain_function for one in usual.values()):
        return None
    fitting = {name: one for name, one in usual.items() if _fits(one, query)}
    if not fitting:
        if objects:  # one of them may be the agent under a name of its own
            return None
        name, function = next(iter(usual.items()))
        found = _binding(name, function, query, path)
        return found._replace(hint=f"{found.hint} {_script(code)}".strip()) if found else None
    several = _undecided(fitting, code.names, query)
    if len(several) < 2:
        return None
    return Finding(
        Severity.ERROR,
        FailureCode.ENTRYPOINT_AMBIGUOUS,
        f"{path} has several things to call, and none of them plainly is the agent: {', '.join(several)}.",
        f"Name the one that is meant as the entry point (-e {PurePosixPath(path).stem}:{several[0]}).",
        path,
    )


def _fits(function: Name, query: str | None) -> bool:
    if query is None:
        return not any(one.required for one in function.parameters)
    return not place_of(function.parameters).why_not


def _undecided(fitting: Mapping[str, Name], names: Mapping[str, Name], query: str | None) -> Sequence[str]:
    """Those that nothing tells apart: where one uses another, the one that is used is not meant."""
    strong = {name: one for name, one in fitting.items() if query is None or place_of(one.parameters).usual}
    objects = [name for name in strong if name in AGENT_NAMES]
    wrappers = [name for name, one in strong.items() if one.answers and name not in AGENT_NAMES]
    if objects and wrappers:
        return []
    among = wrappers or objects or list(fitting)
    return [name for name in among if not any(_uses(other, name, names) for other in among if other != name)]


def _uses(name: str, other: str, names: Mapping[str, Name]) -> bool:
    seen, waiting = set(), list(names[name].reads)
    while waiting:
        one = waiting.pop()
        if one == other:
            return True
        if one not in seen:
            seen.add(one)
            waiting.extend(names[one].reads if one in names else ())
    return False


def _nothing(code: Code, objects: Sequence[str], query: str | None, path: str, described: str) -> Finding | None:
    """No usual name: what else would be taken is a file's only function or class, and an object that ends like one."""
    public = {name: one for name, one in code.names.items() if not name.startswith("_")}
    functions = [one for one in public.values() if one.kind == "function"]
    classes = [one for one in public.values() if one.kind == "class"]
    if len(functions) == 1 and (query is None or place_of(functions[0].parameters).usual):
        return None
    if not functions and len(classes) == 1 and not described and _may_be_called(classes[0]):
        return None
    if any(plain(name).rpartition("_")[2] in AGENT_NAMES for name in objects):
        return None
    certain = not [name for name in objects if not name.startswith("_")]
    if any(code.names[name].kind == "object" and _is_of_a_package(name, code) for name in objects):
        return None  # what it can do is written elsewhere
    said = f"{path} has nothing that plainly is the agent. {_offers(code)}"
    line = code.main_line
    if described:
        agent = code.names[described]
        line = agent.line
        said = f"{described!r} is in {path}, but it is of the type {agent.made_of}, which has nothing to call."
    return Finding(
        Severity.ERROR if certain else Severity.WARNING,
        FailureCode.ENTRYPOINT_NOT_FOUND,
        said,
        f"Write a function that runs it: def run(query): ... {described} ..."
        if described
        else _script(code) or _DEFINE,
        path,
        line,
    )


def _may_be_an_agent(name: str, one: Name, code: Code, local: Collection[str]) -> bool:
    """Whether the harness may take it under a name of its own. What is imported from a package is a class, a function
    or a tool of that package, unless it is called as agents are."""
    if one.kind == "imported":
        usual = plain(name).rpartition("_")[2] in AGENT_NAMES or name in FUNCTION_NAMES
        return usual or one.made_of.startswith(".") or one.made_of.partition(".")[0] in local
    if one.kind == "object":
        return _origin(name, code) not in sys.stdlib_module_names
    return one.kind == "unknown"


def _is_of_a_package(name: str, code: Code) -> bool:
    return _origin(name, code) != ""


def _origin(name: str, code: Code) -> str:
    """The top module of the class or function that an object was made by, as in qa = dspy.Predict(...), or by what was
    made so; empty where it is the file's own or Python's."""
    for _ in range(10):
        one = code.names.get(name)
        if one is None or one.kind not in {"object", "imported", "module"}:
            return ""
        if one.kind != "object":
            return one.made_of.partition(".")[0] or "."
        if not one.made_of:
            return "?"  # an expression may give anything
        name = one.made_of.partition(".")[0]
    return "?"


def _is_lifeless(one: Name, code: Code) -> bool:
    """Whether it is an object of a class of the file that only describes something."""
    kind = code.names.get(one.made_of) if one.kind == "object" and one.sure else None
    return kind is not None and kind.kind == "class" and kind.sure and not _may_be_called(kind)


def _may_be_called(kind: Name) -> bool:
    """Whether a class has, or may have, a method by which its objects are called."""
    return kind.members is None or not {*METHODS, "__getattr__", "__new__"}.isdisjoint(kind.members)


def _script(code: Code) -> str:
    """The way out for a file that is made to be run: it looks for that, or all of it is statements."""
    return AS_A_SCRIPT if code.main_line or not any(_callables(code)) else ""


def _offers(code: Code) -> str:
    found = [*_callables(code), *(name for name in AGENT_NAMES if name in code.names and _is_offered(name, code))]
    if not found:
        return "It defines nothing that can be called."
    return f"It defines {', '.join(found[:20])}."


def _is_offered(name: str, code: Code) -> bool:
    """An object under a name that agents have, which would be taken."""
    one = code.names[name]
    return one.kind in {"object", "unknown"} and not _is_lifeless(one, code)


def _callables(code: Code) -> Iterator[str]:
    for name, one in code.names.items():
        if one.kind in {"function", "class"} and not name.startswith("_"):
            yield name
