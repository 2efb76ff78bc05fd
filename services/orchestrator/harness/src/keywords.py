"""The keyword under which a function of any keywords looks for the query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.code_reading import innermost, texts_in, uses_of
from services.orchestrator.harness.src.query_names import (
    HANDLER_NAMES,
    MESSAGES_NAMES,
    OBJECT_NAMES,
    QUERY_NAMES,
    plain_name,
)
from services.orchestrator.harness.src.record_values import json_object

if TYPE_CHECKING:
    from typing import Any


# These are in code for other reasons, too: `{"role": "user", "content": ...}`.
SAY_LITTLE = frozenset((*HANDLER_NAMES, *MESSAGES_NAMES, *OBJECT_NAMES, "content", "text", "q"))


def keywords_for(function: Any, parameter: str, query: str) -> tuple[dict[str, Any], str] | list[str]:
    """What goes into the `**parameter` of a function, and how that reads: the members of a JSON object, else the text
    under a usual name that the code asks for. Where it asks for others only: these."""
    code = innermost(function)
    uses = None if code is None else uses_of(code, parameter)
    value = json_object(query)
    if value:  # an empty one would be a call without the query
        if uses is not None and not uses.whole and uses.keys and value.keys().isdisjoint(uses.keys):
            return uses.keys
        return value, "**json(query)"
    name = "query"
    if uses is not None:
        usual = [one for one in QUERY_NAMES if one in map(plain_name, uses.keys)]
        if not usual and not uses.whole and uses.keys:
            return uses.keys
        if usual:
            name = next(one for one in uses.keys if plain_name(one) == usual[0])
        elif uses.whole:
            mentioned = texts_in(code)
            name = next((one for one in QUERY_NAMES if one in mentioned and one not in SAY_LITTLE), name)
    return {name: query}, f"{name}=query"
