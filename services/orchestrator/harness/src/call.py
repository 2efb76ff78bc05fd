"""The call of the entry point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.answers import jsonable, unwrap
from services.orchestrator.harness.src.binding import Plan, QueryNotAccepted
from services.orchestrator.harness.src.jsontext import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any


def call_entry(plan: Plan, complete: Callable[[Coroutine[Any, Any, object]], object]) -> object:
    """Makes the call; iterates or completes what it gives back. Raises QueryNotAccepted where Python refuses the call
    itself, as the signature was not what the function said."""
    try:
        value = plan.function(*plan.args, **plan.kwargs)
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is None:  # no frame but this one
            raise QueryNotAccepted(f"{plan.call} is not accepted: {error}.") from None
        raise
    if hasattr(type(value), "__await__") or type(value).__name__ == "async_generator":
        return complete(_consume(value))
    if type(value).__name__ == "generator":
        return _iterated(value)
    return value


async def _consume(value: Any) -> object:
    if hasattr(type(value), "__await__"):
        value = await value
    if type(value).__name__ == "async_generator":
        values: list[object] = []
        async for item in value:
            values.append(_shown(item, len(values)))
        return _joined(values)
    if type(value).__name__ == "generator":
        return _iterated(value)
    return value


def _iterated(generator: Any) -> object:
    """What the generator returns is the answer; where it returns nothing, all that it yielded."""
    values: list[object] = []
    while True:
        try:
            item = next(generator)
        except StopIteration as end:
            return _joined(values) if end.value is None else end.value
        values.append(_shown(item, len(values)))


def _shown(item: Any, index: int) -> object:
    """A yield is a log line."""
    value = jsonable(unwrap(item), f"answer[{index}]")
    print(value if isinstance(value, str) else to_json(value), flush=True)
    return value


def _joined(values: list[object]) -> object:
    if values and all(isinstance(value, str) for value in values):
        return "".join(value for value in values if isinstance(value, str))
    return values
