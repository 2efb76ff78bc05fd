"""Waiting with a deadline: a test asks for what it wants to see, never for time to pass."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.002, 0.05


@overload
async def until(condition: Callable[[], Awaitable[T]], *, timeout: float = ..., what: str = ...) -> T: ...
@overload
async def until(condition: Callable[[], T], *, timeout: float = ..., what: str = ...) -> T: ...
async def until(condition: Callable[[], Any], *, timeout: float = 10.0, what: str = "") -> Any:
    """Calls `condition` (plain or async) until it returns something true, and returns that.

    An AssertionError raised by it counts as "not yet"; everything else is raised at once. After `timeout` seconds it
    fails with what was waited for, the last value and the last assertion.
    """
    deadline = time.monotonic() + timeout
    pause, calls, doubt = FIRST_PAUSE_S, 0, ""
    while True:
        calls += 1
        try:
            answer = condition()
            value = await answer if inspect.isawaitable(answer) else answer
            if value:
                return value
            doubt = f"last value: {value!r}"
        except AssertionError as error:
            doubt = f"last assertion: {error}"
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout} s: {what or _source(condition)} ({calls} looks; {doubt})")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE_S)


def _source(condition: Callable[..., object]) -> str:
    try:
        return " ".join(inspect.getsource(condition).split())
    except (OSError, TypeError):
        return getattr(condition, "__qualname__", repr(condition))
