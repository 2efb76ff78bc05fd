"""What to write, for those whose function cannot take the query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.parameters import POSITIONAL_ONLY, Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence


def instead(name: str, parameters: Sequence[Parameter]) -> str:
    """What to write."""
    last = name.rpartition(".")[2]
    keyword_only = any(one.required and not one.positional for one in parameters)
    needed = [one.name for one in parameters if one.required]
    if len(needed) > 1 and not any(one.kind == POSITIONAL_ONLY for one in parameters):
        example = ", ".join(f'"{one}": ...' for one in needed[:5])
        return (
            f"Write a function that takes the query alone, such as def {last}(query), or give the query as a JSON "
            f"object: {{{example}}}."
        )
    if keyword_only:
        return f"Call it query, as in def {last}(*, query), or name another entry point."
    return (
        f"Give it one, as in def {last}(query), name another entry point, or submit without a query (--no-query) "
        "to run it as it is."
    )


def with_members(names: Sequence[str]) -> str:
    """To give the query as an object that has these."""
    example = ", ".join(f'"{one}": ...' for one in names[:5])
    return f"Give the query as a JSON object: {{{example}}}."


def listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
