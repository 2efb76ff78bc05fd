"""Follows one feed at the gateway, and takes it up again where it was when the gateway was away. Knows no socket."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Final, Protocol

import grpc.aio

from services.console.errors import Problem, problem_of
from services.console.events.feeds import Feed
from services.console.events.messages import Event, events, is_last
from services.console.events.metrics import REOPENED

FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 10.0
PASSING: Final = frozenset({"ABORTED", "DEADLINE_EXCEEDED", "INTERNAL", "RESOURCE_EXHAUSTED", "UNAVAILABLE", "UNKNOWN"})
"""Codes after which the same feed may work in a moment."""


class Call(Protocol):
    """A stream of messages from the gateway, read one at a time."""

    def __aiter__(self) -> AsyncIterator[Any]: ...
    def cancel(self) -> object: ...


Open = Callable[[Feed, int], Call]
"""Opens a feed after a position."""
Pause = Callable[[int], float]
"""Seconds to wait after so many failures in a row."""


class SessionOver(Exception):
    """The gateway does not take the caller's key or token any more."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def growing(failures: int) -> float:
    """Doubles up to 10 s; between half and all of it, so that tabs spread out."""
    ceiling: float = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(failures - 1, 10))
    return ceiling * (0.5 + random.random() / 2)


async def followed(feed: Feed, position: int, open_call: Open, *, pause: Pause = growing) -> AsyncGenerator[Event]:
    """The events of a feed after `position`, until an `end` or an `error` that does not pass. Raises SessionOver.

    The next message is read when the event before was taken: who reads slowly slows the gateway, too."""
    failures = 0
    again = position > 0
    while True:
        call = open_call(feed, position)
        complete = False
        try:
            async for message in call:
                failures = 0
                for event in events(feed.kind, message, position, again=again):
                    position = event.position
                    yield event
                again = False
                complete = is_last(message)
            if complete or feed.kind == "test":  # a watch of a test ends with its last state
                yield Event("end", {}, position)
                return
            problem = Problem("UNAVAILABLE", "The gateway ended the stream early.")
        except grpc.aio.AioRpcError as error:
            problem = problem_of(error)
            if problem.dead:
                raise SessionOver(problem) from error
            if problem.code not in PASSING:
                yield Event("error", problem.body, position, retry=False)
                return
        finally:
            call.cancel()
        failures += 1
        again = True
        wait_s = max(pause(failures), (problem.retry_after_ms or 0) / 1000 if failures > 1 else 0.0)
        yield Event("error", problem.body | {"retryAfterMs": round(wait_s * 1000)}, position, retry=True)
        await asyncio.sleep(wait_s)
        REOPENED.inc()
