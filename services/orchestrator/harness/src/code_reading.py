"""What the code of a function does with a parameter: told from what is compiled, without running any of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.parameters import (
    TAKES_VAR_KEYWORD,
    TAKES_VAR_POSITIONAL,
    BoundMethod,
    PlainFunction,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import CodeType
    from typing import Any


ASKS_FOR_A_KEY = ("get", "pop", "setdefault", "__getitem__")
SEES_ALL_NAMES = frozenset(("locals", "vars", "eval", "exec"))
MOST_FUNCTIONS = 50  # of a module that are looked at for one entry point


class Uses:
    """What becomes of a parameter: the keys that are asked of it, and whether it is used in any other way."""

    def __init__(self, keys: list[str], *, whole: bool) -> None:
        self.keys = keys
        self.whole = whole

    @property
    def any(self) -> bool:
        return bool(self.keys) or self.whole


def uses_of(function: Any, name: str) -> Uses:
    """Of a parameter of a plain function. What cannot be read uses it whole."""
    code: Any = getattr(function, "__code__", None)
    if not hasattr(code, "co_code") or name not in code.co_varnames:  # its signature may not be true
        return Uses([], whole=True)
    keys: list[str] = []
    whole = _uses_in(code, name, keys)
    return Uses(list(dict.fromkeys(keys)), whole=whole)


def _uses_in(code: Any, name: str, keys: list[str]) -> bool:
    import dis

    whole = not SEES_ALL_NAMES.isdisjoint(code.co_names)
    steps = list(dis.get_instructions(code))
    for index, step in enumerate(steps):
        if not _loads(step, name, is_cell=name in code.co_cellvars):
            continue
        is_last = not isinstance(step.argval, tuple) or step.argval[-1] == name  # what follows is done with it
        key = _key_asked(steps, index) if is_last else None
        if key is None:
            whole = True
        else:
            keys.append(key)
    for inner in code.co_consts:
        if hasattr(inner, "co_code") and name in inner.co_freevars:
            whole = _uses_in(inner, name, keys) or whole
    return whole


def _loads(step: Any, name: str, *, is_cell: bool) -> bool:
    """Whether a step reads the variable. One that functions inside share is loaded in another way to be shared."""
    operation = step.opname
    if "DEREF" in operation:
        return bool(operation.startswith("LOAD") and step.argval == name)
    if is_cell or "LOAD_FAST" not in operation:
        return False
    if isinstance(step.argval, tuple):  # two steps in one
        loaded = step.argval[1:] if operation.startswith("STORE") else step.argval
        return name in loaded
    return bool(step.argval == name)


def _key_asked(steps: list[Any], index: int) -> str | None:
    """`x.get("key")`, `x["key"]` and `"key" in x`."""
    after = steps[index + 1 : index + 3]
    if len(after) == 2 and after[0].opname in ("LOAD_METHOD", "LOAD_ATTR") and after[0].argval in ASKS_FOR_A_KEY:
        return _text_in(after[1])
    if len(after) == 2 and (after[1].opname == "BINARY_SUBSCR" or "[]" in (after[1].argrepr or "")):
        return _text_in(after[0])
    if after and after[0].opname == "CONTAINS_OP" and index:
        return _text_in(steps[index - 1])
    return None


def _text_in(step: Any) -> str | None:
    return step.argval if step.opname.startswith("LOAD_CONST") and isinstance(step.argval, str) else None


def layers_of(function: Any) -> Iterator[tuple[Any, int]]:
    """The plain functions that a call goes through as long as they take anything, the outermost first; and how many
    arguments each gets before those of the call."""
    before = 0
    for _ in range(MOST_FUNCTIONS):
        kind = type(function)
        if kind is BoundMethod:
            function, before = function.__func__, before + 1
        elif kind.__name__ == "partial" and hasattr(function, "func"):
            function, before = function.func, before + len(function.args)
        elif kind is PlainFunction:
            yield function, before
            if "__wrapped__" not in function.__dict__:
                return
            function = function.__wrapped__
        elif kind.__name__ == "_lru_cache_wrapper":
            function = function.__wrapped__
        elif type(vars(kind).get("__call__")) is PlainFunction:
            function, before = vars(kind)["__call__"], before + 1
        else:
            return


def never_read(function: Any, given: int, keywords: Collection[str]) -> str:
    """`*args of wrapper` where a call with so many arguments and these keywords puts some of them where no code looks;
    else empty."""
    for layer, before in layers_of(function):
        code = layer.__code__
        count = code.co_argcount + code.co_kwonlyargcount
        names = code.co_varnames
        by_position = bool(code.co_flags & TAKES_VAR_POSITIONAL)
        if by_position and given + before > code.co_argcount and not uses_of(layer, names[count]).any:
            return f"*{names[count]} of {layer.__code__.co_name}"
        if not code.co_flags & TAKES_VAR_KEYWORD or all(one in names[:count] for one in keywords):
            continue
        rest = names[count + by_position]
        if not uses_of(layer, rest).any:
            return f"**{rest} of {layer.__code__.co_name}"
    return ""


def innermost(function: Any) -> Any:
    """The function whose parameters those of a call are; None where it is not plain."""
    found = None
    for found, _ in layers_of(function):  # noqa: B007 - the last of them
        pass
    return found


def texts_in(function: Any) -> set[str]:
    """What its code has as text, and that of functions of its module which it names."""
    found: set[str] = set()
    seen: set[int] = set()
    waiting = [function]
    while waiting and len(seen) < MOST_FUNCTIONS:
        one = waiting.pop(0)
        if type(one) is not PlainFunction or id(one) in seen:
            continue
        seen.add(id(one))
        for code in _codes_of(one.__code__):
            for const in code.co_consts:
                found.update(text for text in _flat(const) if isinstance(text, str))
            waiting.extend(one.__globals__.get(name) for name in code.co_names)
    return found


def _codes_of(code: CodeType) -> Iterator[CodeType]:
    yield code
    for inner in code.co_consts:
        if hasattr(inner, "co_code"):
            yield from _codes_of(inner)


def _flat(const: object) -> Iterator[object]:
    if isinstance(const, (tuple, frozenset)):
        yield from const
    else:
        yield const


def parses_options_only(function: Any) -> bool:
    """Whether it parses a command line, and what is no option of it goes nowhere."""
    import dis

    code = getattr(function, "__code__", None)
    if code is None or "parse_known_args" not in code.co_names:
        return False
    steps = list(dis.get_instructions(code))
    added = [
        _text_in(steps[index + 1])
        for index, step in enumerate(steps[:-1])
        if step.opname in ("LOAD_METHOD", "LOAD_ATTR") and step.argval == "add_argument"
    ]
    return bool(added) and all(one is not None and one.startswith("-") for one in added)
