"""The query as the value that a parameter asks for: by its annotation, else by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.parameters import Absent, Parameter
from services.orchestrator.harness.src.query_names import HANDLER_NAMES, MESSAGES_NAMES, OBJECT_NAMES, plain_name
from services.orchestrator.harness.src.record_values import json_object, resolved, stripped
from services.orchestrator.harness.src.typed_values import messages_value, typed_value

if TYPE_CHECKING:
    from typing import Any


def value_for(parameter: Parameter, query: str, scope: Any, *, as_object: bool = False) -> tuple[object, str]:
    """The value to hand over, and how it is written in a call. `scope` is what the names of annotations are looked up
    in; `as_object` asks for what a payload is. Raises NotThatType."""
    name = plain_name(parameter.name)
    annotation = parameter.annotation
    if annotation is str or annotation == "str":
        return query, "query"
    if isinstance(annotation, str):
        annotation = resolved(annotation, scope)
    if annotation is not Absent and (annotation := stripped(annotation)) is not Absent:
        return typed_value(annotation, name, query)
    if as_object or name in HANDLER_NAMES:
        value = json_object(query)
        return ({"prompt": query}, '{"prompt": query}') if value is None else (value, "json(query)")
    if name in MESSAGES_NAMES:
        return messages_value(query)
    if name in OBJECT_NAMES and (value := json_object(query)) is not None:
        return value, "json(query)"
    return query, "query"
