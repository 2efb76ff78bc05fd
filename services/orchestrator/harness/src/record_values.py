"""Models, dataclasses and messages of the agent's own, made of the query."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.jsontext import from_json
from services.orchestrator.harness.src.naming import type_name
from services.orchestrator.harness.src.parameters import Absent
from services.orchestrator.harness.src.query_names import QUERY_NAMES, plain_name

if TYPE_CHECKING:
    from typing import Any


class NotThatType(Exception):
    """The query is no value of the type; the message says what it should be, as in "text like `true`"."""


def json_object(query: str) -> dict[str, Any] | None:
    value = json_value(query)
    return value if isinstance(value, dict) else None


def json_value(query: str) -> Any:
    """None, too, where it is no JSON."""
    if query.lstrip()[:1] not in '{[tfn-0123456789"':
        return None
    try:
        return from_json(query)
    except (ValueError, RecursionError):
        return None


def resolved(annotation: str, scope: Any) -> object:
    """What a late annotation stands for; Absent where its names are not there (imported for type checkers only)."""
    try:
        return eval(annotation, dict(scope))  # the agent's own words, in the agent's own process
    except Exception:
        return Absent


def stripped(annotation: Any) -> Any:
    """Without what says nothing about the value: Annotated, Any, type variables, Required, the name of a NewType."""
    for _ in range(8):
        if annotation is object or type(annotation).__name__ in ("TypeVar", "ParamSpec"):
            return Absent
        if getattr(annotation, "__module__", None) == "typing" and repr(annotation) == "typing.Any":
            return Absent
        if hasattr(annotation, "__metadata__"):
            annotation = annotation.__origin__
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation
    return Absent


def members_of(annotation: Any) -> list[Any] | None:
    """Of a union, however it is written."""
    if type(annotation).__name__ in ("UnionType", "_UnionGenericAlias", "Union"):
        return list(annotation.__args__)
    return None


def field_for_text(required: list[str], names: list[str]) -> str | None:
    """The field that a text goes to: the only one that is required, or the only one with a usual name."""
    if len(required) == 1:
        return required[0]
    usual = [name for name in names if plain_name(name) in QUERY_NAMES]
    return usual[0] if not required and usual else None


def says_text(annotation: Any) -> bool:
    inner = getattr(annotation, "__forward_arg__", annotation)
    if inner in (str, "str") or stripped(inner) is Absent:
        return True
    return any(stripped(member) is str for member in members_of(inner) or ())


def fields_of(kind: Any) -> dict[str, tuple[bool, Any]] | None:
    """name: (required, annotation) of pydantic models and dataclasses; None for other classes."""
    fields = getattr(kind, "model_fields", None)
    if isinstance(fields, dict) and hasattr(kind, "model_validate"):
        return {name: (field.is_required(), field.annotation) for name, field in fields.items()}
    fields = getattr(kind, "__fields__", None)
    if isinstance(fields, dict) and hasattr(kind, "parse_obj"):
        return {name: (bool(field.required), field.outer_type_) for name, field in fields.items()}
    fields = getattr(kind, "__dataclass_fields__", None)
    if isinstance(fields, dict):
        absent = sys.modules["dataclasses"].MISSING
        return {
            name: (field.default is absent and field.default_factory is absent, field.type)
            for name, field in fields.items()
            if field.init
        }
    return None


def record_value(kind: Any, fields: dict[str, tuple[bool, Any]], query: str) -> tuple[object, str]:
    value = json_object(query)
    if value is not None:
        made = made_of(kind, value)
        if value and _has_taken_nothing(made, fields, value):
            raise NotThatType(f"a JSON object with some of {', '.join(list(fields)[:10])} for {type_name(kind)}")
        return made, f"{kind.__name__}(**json(query))"
    key = field_for_text([name for name, (required, _) in fields.items() if required], list(fields))
    if key is not None and says_text(fields[key][1]):
        return made_of(kind, {key: query}), f"{kind.__name__}({key}=query)"
    names = [name for name, (required, _) in fields.items() if required] or list(fields)
    example = ", ".join(f'"{name}": ...' for name in names[:5])
    raise NotThatType(f"a JSON object for {type_name(kind)}, such as {{{example}}}")


def _has_taken_nothing(made: Any, fields: dict[str, tuple[bool, Any]], value: dict[str, Any]) -> bool:
    """Whether a record of defaults was made, and what it was made of passed over."""
    for name in ("model_fields_set", "__fields_set__"):  # pydantic knows; aliases and validators have had their say
        known = getattr(made, name, None)
        if isinstance(known, set):
            return not known
    return value.keys().isdisjoint(fields)


def made_of(kind: Any, data: dict[str, Any]) -> object:
    """A model or a dataclass from JSON data. Raises NotThatType with what does not fit."""
    try:
        for name in ("model_validate", "parse_obj"):
            if hasattr(kind, name):
                return getattr(kind, name)(data)
        scope = vars(sys.modules.get(kind.__module__, kind))
        values = {}
        for name, value in data.items():
            hint = kind.__dataclass_fields__[name].type if name in kind.__dataclass_fields__ else None
            hint = resolved(hint, scope) if isinstance(hint, str) else hint
            nested = isinstance(value, dict) and hasattr(hint, "__dataclass_fields__")
            values[name] = made_of(hint, value) if nested else value
        return kind(**values)
    except NotThatType:
        raise
    except Exception as error:  # what the agent's own class says about it
        raise NotThatType(f"a JSON object that {type_name(kind)} takes ({str(error)[:300]})") from None


def message_of(kind: Any, query: str) -> object | None:
    """A message of somebody who asks, where the class is one that frameworks have."""
    if hasattr(kind, "from_user"):  # haystack
        return kind.from_user(query)  # type: ignore[no-any-return]
    if kind.__module__.partition(".")[0] == "langchain_core" and hasattr(kind, "content"):
        from importlib import import_module

        return import_module("langchain_core.messages").HumanMessage(content=query)  # type: ignore[no-any-return]
    return None
