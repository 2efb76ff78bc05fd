"""Whether what a call hands over is looked at: a query that no code reads has not arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.advice import listed, with_members
from services.orchestrator.harness.src.code_reading import innermost, never_read, parses_options_only, uses_of
from services.orchestrator.harness.src.keywords import keywords_for
from services.orchestrator.harness.src.parameters import VAR_KEYWORD, VAR_POSITIONAL, Parameter, shown_signature
from services.orchestrator.harness.src.payload import keys_asked_in_vain
from services.orchestrator.harness.src.plan import Plan, QueryNotAccepted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any


def plan_of_variadic(
    function: Callable[..., Any], name: str, parameters: Sequence[Parameter], target: Parameter, query: str
) -> Plan:
    """For what takes anything: by position, or where the code looks for keywords only, by keyword."""
    if target.kind == VAR_POSITIONAL:
        code = innermost(function)
        keywords = next((one for one in parameters if one.kind == VAR_KEYWORD), None)
        if code is None or keywords is None or uses_of(code, target.name).any or not uses_of(code, keywords.name).any:
            return Plan(function, (query,), call=f"{name}(query)")
        target = keywords
    found = keywords_for(function, target.name, query)
    if isinstance(found, list):
        raise QueryNotAccepted(
            f"{name}{shown_signature(parameters)} cannot take the query: of **{target.name} it reads "
            f"{listed(found)}, and none of that is the query. {with_members(found)}"
        )
    return Plan(function, (), found[0], call=f"{name}({found[1]})")


def that_is_read(plan: Plan, shown: str) -> Plan:
    """Raises QueryNotAccepted where the call would put something into `*args` or `**kwargs` that no code reads."""
    place = never_read(plan.function, len(plan.args), plan.kwargs)
    if place:
        raise QueryNotAccepted(
            f"{shown} cannot take the query: {plan.call} would put it into {place}, which never reads that. Hand on "
            "what is given, as in return function(*args, **kwargs), or name another entry point."
        )
    return plan


def must_be_parsed(function: Callable[..., Any], parameter: str, shown: str) -> None:
    code = innermost(function)
    if code is None:
        return
    why = ""
    if not uses_of(code, parameter).any:
        why = f"its code never reads {parameter}"
    elif parses_options_only(code):
        why = "it parses options only (parse_known_args), and passes over all else"
    if why:
        raise QueryNotAccepted(
            f"{shown} cannot take the query: {why}. Parse it with an argument for the query, as in "
            f'parser.add_argument("query") and parser.parse_args({parameter}), or run the file as a script '
            "(-e __main__)."
        )


def must_be_asked_for(function: Callable[..., Any], parameter: str, value: Iterable[str], shown: str) -> None:
    said = asked_in_vain(shown, keys_asked_in_vain(function, parameter, value), value)
    if said:
        raise QueryNotAccepted(said)


def asked_in_vain(shown: str, asked: Sequence[str], given: Iterable[str]) -> str:
    if not asked:
        return ""
    return (
        f"{shown} did not take the query: it reads {listed(asked[:10])} of its object, which has "
        f"{listed(sorted(given)[:10])}. {with_members(asked)}"
    )
