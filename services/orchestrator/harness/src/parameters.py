"""The parameters of what is called, as Python itself would fill them.

A plain function is read without `inspect`, whose import costs more than most agents take; all else is asked of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


POSITIONAL_ONLY, POSITIONAL_OR_KEYWORD, VAR_POSITIONAL, KEYWORD_ONLY, VAR_KEYWORD = range(5)  # as inspect counts them
TAKES_VAR_POSITIONAL, TAKES_VAR_KEYWORD = 0x04, 0x08  # flags of a code object
MOST_WRAPPED = 50  # decorators around one function
LONGEST_DEFAULT = 40  # characters that a default has in a signature that is shown


class Absent:
    """In the place of a default or an annotation that is not there."""


class Parameter:
    """One parameter."""

    __slots__ = ("annotation", "default", "kind", "name")

    def __init__(self, name: str, kind: int, default: object = Absent, annotation: object = Absent) -> None:
        self.name = name
        self.kind = kind
        self.default = default
        self.annotation = annotation

    def __repr__(self) -> str:
        return f"<parameter {self.name}>"

    @property
    def variadic(self) -> bool:
        return self.kind in (VAR_POSITIONAL, VAR_KEYWORD)

    @property
    def required(self) -> bool:
        return self.default is Absent and not self.variadic

    @property
    def positional(self) -> bool:
        return self.kind in (POSITIONAL_ONLY, POSITIONAL_OR_KEYWORD)


def parameters_of(target: Any) -> list[Parameter] | None:
    """What a call of it may hand over, without what is bound already; None where nobody knows (code in C).

    A decorator that takes anything (`*args, **kwargs`) has the parameters of what it wraps; one with parameters of its
    own has those, whatever it says that it wraps: they are what Python will check.
    """
    if type(target) is BoundMethod and type(target.__func__) is PlainFunction:
        own = _own_parameters(target.__func__)
        if own is not None and own and own[0].positional:
            return own[1:]
        if own is not None and own and own[0].kind == VAR_POSITIONAL:
            return own
    for _ in range(MOST_WRAPPED):
        if type(target) is not PlainFunction:
            break
        own = _own_parameters(target)
        if own is not None:
            return own
        if "__signature__" in target.__dict__:
            break
        target = target.__wrapped__
    return _inspected(target)


PlainFunction: Any = type(parameters_of)
BoundMethod: Any = type(Parameter("x", 0).__repr__)


def _own_parameters(function: Any) -> list[Parameter] | None:
    """None where it says that its signature is that of something else, and takes anything."""
    if "__signature__" in function.__dict__:
        return None
    own = read_parameters(function)
    if "__wrapped__" in function.__dict__ and _takes_anything(own):
        return None
    return own


def _takes_anything(own: Sequence[Parameter]) -> bool:
    """Hands on what it gets, beside options of its own: `(*args, langsmith_extra=None, **kwargs)`."""
    variadic = [one.kind for one in own if one.variadic]
    rest = [one for one in own if not one.variadic]
    return (variadic == [VAR_POSITIONAL, VAR_KEYWORD] and not any(one.positional or one.required for one in rest)) or (
        bool(variadic) and not rest
    )


def read_parameters(function: Any) -> list[Parameter]:
    """Of a plain function, as `inspect.signature(function, follow_wrapped=False)` has them."""
    code, annotations = function.__code__, function.__annotations__
    names = code.co_varnames
    count, only = code.co_argcount, code.co_posonlyargcount
    defaults = function.__defaults__ or ()
    first_default = count - len(defaults)
    found = []
    for index, name in enumerate(names[:count]):
        default = defaults[index - first_default] if index >= first_default else Absent
        kind = POSITIONAL_ONLY if index < only else POSITIONAL_OR_KEYWORD
        found.append(Parameter(name, kind, default, annotations.get(name, Absent)))
    last = count + code.co_kwonlyargcount
    if code.co_flags & TAKES_VAR_POSITIONAL:
        found.append(Parameter(names[last], VAR_POSITIONAL, Absent, annotations.get(names[last], Absent)))
    keyword_defaults = function.__kwdefaults__ or {}
    for name in names[count:last]:
        default = keyword_defaults.get(name, Absent)
        found.append(Parameter(name, KEYWORD_ONLY, default, annotations.get(name, Absent)))
    if code.co_flags & TAKES_VAR_KEYWORD:
        name = names[last + bool(code.co_flags & TAKES_VAR_POSITIONAL)]
        found.append(Parameter(name, VAR_KEYWORD, Absent, annotations.get(name, Absent)))
    return found


def _inspected(target: Any) -> list[Parameter] | None:
    import inspect

    try:
        signature = inspect.signature(target)
    except Exception:  # nobody knows, or an object of the agent does anything when asked
        return None
    empty = inspect.Parameter.empty
    return [
        Parameter(
            one.name,
            int(one.kind),
            Absent if one.default is empty else one.default,
            Absent if one.annotation is empty else one.annotation,
        )
        for one in signature.parameters.values()
    ]


def shown_signature(parameters: Sequence[Parameter] | None) -> str:
    """As Python writes it, without annotations: `(query, *, depth=2)`. Empty where it is not known."""
    if parameters is None:
        return ""
    parts: list[str] = []
    star = False
    for index, one in enumerate(parameters):
        before = parameters[index - 1].kind if index else None
        if before == POSITIONAL_ONLY != one.kind:
            parts.append("/")
        star |= one.kind == VAR_POSITIONAL
        if one.kind == KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        prefix = {VAR_POSITIONAL: "*", VAR_KEYWORD: "**"}.get(one.kind, "")
        parts.append(f"{prefix}{one.name}{'' if one.default is Absent else '=' + _shown_default(one.default)}")
    if parameters and parameters[-1].kind == POSITIONAL_ONLY:
        parts.append("/")
    return f"({', '.join(parts)})"


def _shown_default(value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # an object of the agent may do anything when asked
        return "..."
    return text if len(text) <= LONGEST_DEFAULT and "\n" not in text else "..."
