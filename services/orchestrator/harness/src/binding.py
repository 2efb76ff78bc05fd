"""How the query gets into a call: from parameters to arguments, or the reason why it cannot.

Pure: nothing of an agent runs here but the classes that its annotations name. A query is never dropped: there is a
plan in which a parameter gets it, or QueryNotAccepted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.advice import instead, listed
from services.orchestrator.harness.src.arrival import (
    asked_in_vain,
    must_be_asked_for,
    must_be_parsed,
    plan_of_variadic,
    that_is_read,
)
from services.orchestrator.harness.src.parameters import (
    POSITIONAL_ONLY,
    VAR_KEYWORD,
    VAR_POSITIONAL,
    Parameter,
    shown_signature,
)
from services.orchestrator.harness.src.payload import Payload, can_be_watched, is_payload, payload_of_text
from services.orchestrator.harness.src.plan import Plan, QueryNotAccepted
from services.orchestrator.harness.src.query_names import HANDLER_NAMES, QUERY_NAMES, plain_name
from services.orchestrator.harness.src.query_values import value_for
from services.orchestrator.harness.src.record_values import NotThatType, json_object

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any


CONTEXT_NAMES = ("context", "ctx", "lambda_context", "request_context", "")  # "" is `_`
SESSION_NAMES = ("session_id", "thread_id", "conversation_id")
HISTORY_NAMES = ("history", "chat_history", "conversation_history", "message_history")
COMMAND_LINE_NAMES = ("argv", "args")  # of `def main(argv=None)`
RANK = {name: rank for rank, name in enumerate(QUERY_NAMES)}


class Place:
    """Where the query goes: the parameter, whether its name is a usual one for it, and what must be given beside."""

    def __init__(self, parameter: Parameter, *, usual: bool, beside: Sequence[Parameter] = ()) -> None:
        self.parameter = parameter
        self.usual = usual
        self.beside = beside


def place_of(parameters: Sequence[Parameter] | None, *, handler: bool = False) -> Place | str:
    """The place for the query, or why there is none. `handler`: a platform calls it with (payload, context)."""
    if parameters is None:  # code in C that does not tell: the usual is to take one thing
        return Place(Parameter("query", POSITIONAL_ONLY), usual=False)
    plain = [one for one in parameters if not one.variadic]
    required = [one for one in plain if one.required]
    usual = [one for one in plain if _is_for_a_query(one)]
    usual.sort(key=lambda one: (not one.required, RANK[plain_name(one.name)]))
    if usual and not (required and not usual[0].required and not all(map(_is_given_by_us, required))):
        return _with_beside(usual[0], plain, usual=True, handler=handler)
    first = [one for one in required if one.positional]
    if len(first) == 1 == len(required):
        return Place(first[0], usual=False)
    if len(first) > 1 and handler:
        return _with_beside(first[0], plain, usual=False, handler=True)
    if len(required) > 1 and len(first) >= 1:
        others = [one for one in required if one is not first[0]]
        if all(plain_name(one.name) in (*SESSION_NAMES, *HISTORY_NAMES) for one in others):
            return _with_beside(first[0], plain, usual=False, handler=False)
    if required:
        if len(required) == 1:
            return f"it has no parameter for it: {required[0].name} is no usual name for what an agent is asked"
        return f"it needs {listed([one.name for one in required])}, and none of them is plainly the query"
    return _without_required(parameters, plain)


def _without_required(parameters: Sequence[Parameter], plain: Sequence[Parameter]) -> Place | str:
    command_line = next((one for one in plain if one.positional and plain_name(one.name) in COMMAND_LINE_NAMES), None)
    if command_line is not None and command_line is plain[0]:
        return Place(command_line, usual=False)
    for one in parameters:
        if one.kind == VAR_POSITIONAL and not any(other.positional for other in plain):
            return Place(one, usual=False)
        if one.kind == VAR_KEYWORD:
            return Place(one, usual=False)
    if not parameters:
        return "it takes nothing"
    return (
        f"it has no parameter for it: {listed([one.name for one in parameters])} is no usual name for what an "
        "agent is asked"
    )


def _is_for_a_query(one: Parameter) -> bool:
    if plain_name(one.name) not in RANK or one.annotation in (bool, "bool"):
        return False
    return one.required or not isinstance(one.default, (bool, int, float))  # a switch or a number is no text


def _is_given_by_us(one: Parameter) -> bool:
    return plain_name(one.name) in (*SESSION_NAMES, *HISTORY_NAMES)


def _with_beside(target: Parameter, plain: Sequence[Parameter], *, usual: bool, handler: bool) -> Place | str:
    """With a context for handlers, a session and an empty history; the reason where more is needed."""
    handler = handler or plain_name(target.name) in HANDLER_NAMES
    beside, missing = [], []
    for one in plain:
        name = plain_name(one.name)
        if one is target:
            continue
        # A context goes to those with a default, too, as platforms do it.
        if (handler and name in CONTEXT_NAMES) or (
            one.required and _is_given_by_us(one)
        ):  # given to those with a default, too, as platforms do
            beside.append(one)
        elif one.required:
            missing.append(one.name)
    if missing:
        return f"it needs {listed(missing)} beside {target.name}, and Assay hands over the query alone"
    return Place(target, usual=usual, beside=beside)


def bind(
    function: Callable[..., Any],
    name: str,
    parameters: Sequence[Parameter] | None,
    query: str | None,
    *,
    scope: Mapping[str, object],
    context: Callable[[], object],
    session: str,
    handler: bool = False,
    as_text: bool = False,
) -> Plan:
    """The call that hands the query over; with None, one without it. Raises QueryNotAccepted.

    `scope` is what annotations are looked up in, `context` makes the object that platforms hand to handlers, `session`
    is the id for those who ask for one; `as_text` says that a handler wants no object."""
    if query is None:
        return _without_query(function, name, parameters, context, session)
    place = place_of(parameters, handler=handler)
    shown = f"{name}{shown_signature(parameters)}"
    if isinstance(place, str):
        spread = _spread(function, name, parameters or (), query)
        if spread is not None:
            return that_is_read(spread, shown)
        raise QueryNotAccepted(f"{shown} cannot take the query: {place}. {instead(name, parameters or ())}")
    target = place.parameter
    if target.variadic:
        return that_is_read(plan_of_variadic(function, name, parameters or (), target, query), shown)
    try:
        value = _value_of(function, target, query, scope, shown, handler=handler, as_text=as_text)
    except NotThatType as problem:
        raise QueryNotAccepted(
            f"{shown} cannot take the query: {target.name} wants {problem}, and the query is not that.",
            "Submit a query of that kind, or let the parameter take text.",
        ) from None
    values = {target.name: value}
    for one in place.beside:
        values[one.name] = _given(one, context, session)
    plan = that_is_read(_filled(function, name, parameters or [target], values), shown)
    if plain_name(target.name) in COMMAND_LINE_NAMES:
        plan.command_line = [query]
    payload: Any = value[0]
    if type(payload) is not str and is_payload(payload) and can_be_watched(function, target.name):
        plan.unheard = lambda: asked_in_vain(shown, payload.unheard(), payload.ours)
    return plan


def _value_of(
    function: Callable[..., Any],
    target: Parameter,
    query: str,
    scope: Mapping[str, object],
    shown: str,
    *,
    handler: bool,
    as_text: bool,
) -> tuple[object, str]:
    """Raises NotThatType, and QueryNotAccepted where the function would not look for it."""
    if not target.required and plain_name(target.name) in COMMAND_LINE_NAMES:
        must_be_parsed(function, target.name, shown)
        return [query], "[query]"
    if as_text:
        return query, "query"
    value, text = value_for(target, query, scope, as_object=handler)
    if (handler or plain_name(target.name) in HANDLER_NAMES) and type(value) is dict and value:
        if value == {"prompt": query}:
            value, text = payload_of_text(function, query)
        must_be_asked_for(function, target.name, value, shown)
        return Payload(value), text
    return value, text


def _given(one: Parameter, context: Callable[[], object], session: str) -> tuple[object, str]:
    name = plain_name(one.name)
    if name in SESSION_NAMES:
        return session, "session"
    return ([], "[]") if name in HISTORY_NAMES else (context(), "context")


def _filled(
    function: Callable[..., Any],
    name: str,
    parameters: Sequence[Parameter],
    values: Mapping[str, tuple[object, str]],
    *,
    query_passed: bool = True,
) -> Plan:
    """By position as long as none is left out, then by keyword."""
    args: list[object] = []
    kwargs: dict[str, object] = {}
    shown: list[str] = []
    skipped: list[Parameter] = []
    for one in parameters:
        if one.variadic or one.name not in values:
            if one.positional:
                skipped.append(one)
            continue
        value, text = values[one.name]
        if one.kind == POSITIONAL_ONLY:
            for other in skipped:  # only a default can be before it
                args.append(other.default)
                shown.append(_text_of(other.default))
            skipped = []
        if one.positional and not skipped:
            args.append(value)
            shown.append(text)
        else:
            kwargs[one.name] = value
            shown.append(f"{one.name}={text}")
    return Plan(function, args, kwargs, call=f"{name}({', '.join(shown)})", query_passed=query_passed)


def _text_of(value: object) -> str:
    return repr(value) if value is None or isinstance(value, (bool, int, float)) else "..."


def _spread(function: Callable[..., Any], name: str, parameters: Sequence[Parameter], query: str) -> Plan | None:
    """A JSON object that has just what a function of several parameters needs."""
    value = json_object(query)
    plain = {one.name: one for one in parameters if not one.variadic}
    if not value or any(one.kind == POSITIONAL_ONLY for one in plain.values()):
        return None
    needed = {one.name for one in plain.values() if one.required}
    if not needed or not needed <= value.keys():
        return None
    if not value.keys() <= plain.keys() and not any(one.kind == VAR_KEYWORD for one in parameters):
        return None
    return Plan(function, (), value, call=f"{name}(**json(query))")


def _without_query(
    function: Callable[..., Any],
    name: str,
    parameters: Sequence[Parameter] | None,
    context: Callable[[], object],
    session: str,
) -> Plan:
    values, missing = {}, []
    for one in parameters or ():
        if not one.required:
            continue
        if plain_name(one.name) in (*CONTEXT_NAMES, *SESSION_NAMES, *HISTORY_NAMES):
            values[one.name] = _given(one, context, session)
        else:
            missing.append(one.name)
    if missing:
        raise QueryNotAccepted(
            f"{name}{shown_signature(parameters)} cannot be called without a query: it needs {listed(missing)}. "
            "Submit the test with a query."
        )
    return _filled(function, name, parameters or (), values, query_passed=False)
