"""The call of the entry point."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.plan import Plan, QueryNotAccepted
from services.orchestrator.harness.src.shown_answer import log_answer
from services.orchestrator.harness.src.yields import (
    collected,
    collected_async,
    consume_inside,
    is_async_stream,
    is_stream,
)

if TYPE_CHECKING:
    from typing import Any

ENDS = (str, dict, list, tuple, int, float, bool)  # what gives nothing piece by piece, as most answers


def call_entry(plan: Plan, loop: Any) -> object:
    """Makes the call; iterates or completes what it gives back. Raises QueryNotAccepted where Python refuses the call
    itself, as the signature was not what the function said, and where nobody has looked at the query. `loop`: an
    AgentLoop."""
    value = _called(plan, loop)
    said = plan.unheard() if plan.unheard else ""
    if said:
        log_answer(value, loop)
        raise QueryNotAccepted(said)
    return value


def _called(plan: Plan, loop: Any) -> object:
    if plan.command_line is not None:
        sys.argv[1:] = plan.command_line
    try:
        value = plan.function(*plan.args, **plan.kwargs)
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is None:  # no frame but this one
            raise QueryNotAccepted(f"{plan.call} is not accepted: {error}.") from None
        raise
    if value is None or any(type(value) is one for one in ENDS):
        return value
    if hasattr(type(value), "__await__") or is_async_stream(value):
        value = loop.complete(_consume(value))
    return collected(value, loop) if is_stream(value) else value


async def _consume(value: Any) -> object:
    """In the loop that the agent's clients belong to."""
    for _ in range(10):  # a coroutine may give a coroutine, or a task
        if hasattr(type(value), "__await__"):
            value = await value
    if await consume_inside(value):
        return value
    return await collected_async(value) if is_async_stream(value) else value
