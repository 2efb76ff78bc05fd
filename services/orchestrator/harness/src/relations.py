"""What of a module uses or holds what: told from compiled code and from objects, without running any of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.naming import attributes_of
from services.orchestrator.harness.src.parameters import PlainFunction

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType, ModuleType
    from typing import Any


MOST_LOOKED_AT = 2000  # objects inside of one, when it is asked what it holds
ModuleOfPython = type(sys)


def is_function(target: Any) -> bool:
    """A function or a method, not an object that can be called."""
    return (
        type(target) is PlainFunction
        or any("__code__" in vars(base) for base in type(target).__mro__)
        or type(target).__name__
        in (
            *("method", "builtin_function_or_method", "partial", "cython_function_or_method", "_lru_cache_wrapper"),
            *("method-wrapper", "classmethod_descriptor"),
        )
    )


def answers(function: Any) -> bool:
    """Whether it can return anything but None. What only prints has no answer."""
    import dis

    code = code_behind(function)
    if code is None or code.co_flags & 0x220:  # generators: what they yield is their answer
        return True
    before = None
    for one in dis.get_instructions(code):
        if one.opname == "RETURN_CONST" and one.argval is not None:
            return True
        if one.opname == "RETURN_VALUE" and not (
            before is not None and before.opname == "LOAD_CONST" and before.argval is None
        ):
            return True
        before = one
    return False


def code_behind(function: Any) -> CodeType | None:
    try:
        for _ in range(50):
            if not hasattr(function, "__wrapped__"):
                break
            function = function.__wrapped__
        code = getattr(getattr(function, "__func__", function), "__code__", None)
    except Exception:  # an object of the agent does anything when asked
        return None
    return code if type(code) is type(code_behind.__code__) else None


def uses(one: Any, other: Any, module: ModuleType) -> bool:
    """Whether its code, or that of functions of the module which it calls, reads the name of the other."""
    names = vars(module)
    targets = {name for name, value in names.items() if value is other}
    seen: set[str] = set()
    waiting = list(_names_read(one))
    while waiting:
        name = waiting.pop()
        if name in targets:
            return True
        if name in seen:
            continue
        seen.add(name)
        value = names.get(name)
        if is_function(value) or issubclass(type(value), type):
            waiting.extend(_names_read(value))
    return False


def _names_read(target: Any) -> Iterable[str]:
    if is_function(target):
        code = code_behind(target)
        return names_of_code(code) if code else ()
    kind = target if issubclass(type(target), type) else type(target)
    codes = [code_behind(value) for value in vars(kind).values()]
    return {name for code in codes if code for name in names_of_code(code)}


def names_of_code(code: CodeType, *, inside: bool = True) -> set[str]:
    """The names of the module that code reads, with `inside` also what is defined in it."""
    import dis

    found: set[str] = set()
    waiting = [code]
    while waiting:
        code = waiting.pop()
        found.update(one.argval for one in dis.get_instructions(code) if one.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
        if inside:
            waiting.extend(const for const in code.co_consts if type(const) is type(code))
    return found


def holds(whole: Any, part: Any) -> bool:
    """Whether an object has the other somewhere inside: a crew its agents, an app its commands."""
    if is_function(whole) or issubclass(type(whole), type):
        return False
    seen: set[int] = set()
    waiting = [whole]
    while waiting and len(seen) < MOST_LOOKED_AT:
        value = waiting.pop(0)
        if id(value) in seen:
            continue
        seen.add(id(value))
        kind = type(value)  # not isinstance: a proxy is asked for its class by that
        if issubclass(kind, dict):
            inside: Iterable[Any] = dict.values(value)
        elif issubclass(kind, (list, tuple, set, frozenset)):
            inside = value
        elif issubclass(kind, (str, bytes, int, float, type, ModuleOfPython)) or is_function(value):
            continue
        else:
            inside = (attributes_of(value), _private(value))
        for one in inside:
            if one is part:
                return True
            waiting.append(one)
    return False


def _private(value: Any) -> object:
    """The private attributes of a Pydantic model, which are not among the others."""
    try:
        return object.__getattribute__(value, "__pydantic_private__")
    except Exception:  # no model
        return None
