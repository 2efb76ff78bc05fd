"""Follows where a test stands: at once, then each move, and its place while it waits, until it has ended."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from assay.v1 import test_pb2, test_service_pb2
from services.gateway import translate
from services.gateway.caller import Caller
from services.gateway.fetch import fetch
from services.gateway.ports import Tests
from services.gateway.queue.places import Places
from services.gateway.streams.live import Live
from shared.domain.lifecycle import ENDED, State
from shared.store.documents import Execution

PLACE_S: Final = 1.0
"""How often the place of a waiting test is looked at."""
_DRIFT: Final = timedelta(seconds=2)

_CURRENT: Final = test_service_pb2.WATCH_EVENT_CURRENT
_STATE: Final = test_service_pb2.WATCH_EVENT_STATE_CHANGED
_QUEUE: Final = test_service_pb2.WATCH_EVENT_QUEUE_MOVED
_CANCEL: Final = test_service_pb2.WATCH_EVENT_CANCEL_REQUESTED


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the client knows."""

    execution: Execution
    place: test_pb2.QueuePlace | None

    def change_to(self, execution: Execution) -> test_service_pb2.WatchEvent.ValueType | None:
        """Why `execution` is worth a message; None where it is not newer."""
        if len(execution.history) > len(self.execution.history):
            return _STATE
        if len(execution.history) == len(self.execution.history) and (
            execution.cancel is not None and self.execution.cancel is None
        ):
            return _CANCEL
        return None


class Watch:
    """WatchTest."""

    def __init__(self, tests: Tests, live: Live, places: Places) -> None:
        self._tests = tests
        self._live = live
        self._places = places

    async def watch(self, test_id: str, view: int, caller: Caller) -> AsyncIterator[test_service_pb2.WatchTestResponse]:
        """Ends after the message with the last state. Raises NoSuchTest, ShuttingDown."""
        execution = await fetch(self._tests, caller, test_id)
        view = view or translate.RESULT
        shown = _Shown(execution, await self._place(execution))
        yield _message(execution, view, shown.place, _CURRENT)
        if execution.state in ENDED:
            return
        async with self._live.following(execution.id, execution.user_id, lines=False) as follower:
            looked = time.monotonic()
            while shown.execution.state not in ENDED:
                queued = shown.execution.state is State.QUEUED
                sight = (await follower.news(PLACE_S if queued else None)).sight
                if sight is not None and (event := shown.change_to(sight.execution)) is not None:
                    shown = _Shown(sight.execution, await self._place(sight.execution))
                    yield _message(shown.execution, view, shown.place, event)
                elif queued and time.monotonic() - looked >= PLACE_S:
                    looked = time.monotonic()
                    place = await self._place(shown.execution)
                    if place is not None and (shown.place is None or moved(shown.place, place)):
                        shown = _Shown(shown.execution, place)
                        yield _message(shown.execution, view, place, _QUEUE)

    async def _place(self, execution: Execution) -> test_pb2.QueuePlace | None:
        return await self._places.of(execution.id) if execution.state is State.QUEUED else None


def moved(before: test_pb2.QueuePlace, after: test_pb2.QueuePlace) -> bool:
    """Whether it is worth a message: another position, an estimate that is there now or is not any more, or one that is
    off by more than 2 s and a fifth. It drifts a little at every look."""
    if after.position != before.position:
        return True
    if not after.HasField("estimated_wait") or not before.HasField("estimated_wait"):
        return after.HasField("estimated_wait") != before.HasField("estimated_wait")
    was, now = before.estimated_wait.ToTimedelta(), after.estimated_wait.ToTimedelta()
    return abs(now - was) > max(_DRIFT, was / 5)


def _message(
    execution: Execution,
    view: int,
    place: test_pb2.QueuePlace | None,
    event: test_service_pb2.WatchEvent.ValueType,
) -> test_service_pb2.WatchTestResponse:
    return test_service_pb2.WatchTestResponse(test=translate.api_test(execution, view, place=place), event=event)
