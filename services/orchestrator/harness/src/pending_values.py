"""Values that are not there at once: coroutines, futures, asynchronous streams, and what a stream has given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.kinds import UNFIT, part
from services.orchestrator.harness.src.table_values import EachOfAStream, Later

if TYPE_CHECKING:
    from typing import Any

DEEP = 4  # levels of lists and dictionaries in a piece of a stream


def of_coroutine(value: Any) -> Later:
    """And everything else that can be awaited."""

    def get(loop: Any) -> object:
        return UNFIT if loop is None else loop.complete(_awaited(value))

    return Later(get)


async def _awaited(value: Any) -> object:
    return await value


def never_awaited(value: Any) -> str:
    name = part(value, "__qualname__")
    value.close()
    return f"[a coroutine that was not awaited: {name}]"


def of_future(value: Any) -> object:
    """Of asyncio or concurrent.futures: what is in it, waited for where that is not there yet."""
    if value.done():
        problem = value.exception()
        return value.result() if problem is None else problem
    if not hasattr(type(value), "get_loop"):
        return Later(lambda _: value.result())

    def get(_: Any) -> object:
        loop = value.get_loop()
        return UNFIT if loop.is_running() or loop.is_closed() else loop.run_until_complete(value)

    return Later(get)


def of_stream(value: Any) -> EachOfAStream:
    return EachOfAStream(value)


async def all_awaited(value: Any, deep: int = DEEP) -> Any:
    """What it gives, and in lists, tuples and dictionaries what their members give."""
    for _ in range(10):  # a coroutine may give a coroutine, or a task
        if not hasattr(type(value), "__await__"):
            break
        value = await value
    if deep and type(value) in (list, tuple):
        return [await all_awaited(one, deep - 1) for one in value]
    if deep and type(value) is dict:
        return {key: await all_awaited(one, deep - 1) for key, one in value.items()}
    return value


class Collected:
    """What an agent gave piece by piece: as plain data already, with the notes on it."""

    def __init__(self, plain: object, answering: Any, usage: object = None) -> None:
        self.plain = plain
        self.answering = answering
        self.usage = usage  # what the last piece that knew said of tokens
