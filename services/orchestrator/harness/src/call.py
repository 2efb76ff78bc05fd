"""The call of the entry point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.answers import jsonable, unwrap
from services.orchestrator.harness.src.jsontext import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any


def call_entry(
    entry: Callable[..., Any], query: str, complete: Callable[[Coroutine[Any, Any, object]], object]
) -> object:
    """Calls it with the query, or with nothing if it takes nothing; iterates or completes what it gives back."""
    value = entry(query) if takes_an_argument(entry) else entry()
    if hasattr(type(value), "__await__") or type(value).__name__ == "async_generator":
        return complete(_consume(value))
    if type(value).__name__ == "generator":
        return _joined([_shown(item, index) for index, item in enumerate(value)])
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
        return _joined([_shown(item, index) for index, item in enumerate(value)])
    return value


def takes_an_argument(entry: Any) -> bool:
    if not hasattr(entry, "__code__") and not hasattr(entry, "__func__"):
        entry = entry.__call__
    function = getattr(entry, "__func__", entry)
    bound = function is not entry
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code = getattr(function, "__code__", None)
    if code is None:  # written in C, or something rarer: the usual is to take the query
        return True
    return bool(code.co_argcount > bound or code.co_flags & 0x04)  # 0x04: *args


def _shown(item: Any, index: int) -> object:
    """A yield is a log line."""
    value = jsonable(unwrap(item), f"answer[{index}]")
    print(value if isinstance(value, str) else to_json(value), flush=True)
    return value


def _joined(values: list[object]) -> object:
    if values and all(isinstance(value, str) for value in values):
        return "".join(value for value in values if isinstance(value, str))
    return values
