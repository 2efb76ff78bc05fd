"""Follows how the queue stands: one look at the store a second for all who watch here, however many they are.

What is told is the newest look: a client that is slow, or has just been told something, misses what was between.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import structlog

from assay.v1 import queue_service_pb2
from services.gateway.errors import ShuttingDown
from services.gateway.queue.status import QueueSight, QueueStatus
from shared.background import background
from shared.ids import UserId

log = structlog.get_logger()

LOOK_S: Final = 1.0
"""How often the store is looked at, and how often a client is told something at most."""


class _Watcher:
    """One client's side: the newest look that it was not told of."""

    def __init__(self, user: UserId) -> None:
        self.user = user
        self._sight: QueueSight | None = None
        self._something = asyncio.Event()
        self._closing = asyncio.Event()

    def see(self, sight: QueueSight) -> None:
        self._sight = sight
        self._something.set()

    def close(self) -> None:
        self._closing.set()
        self._something.set()

    async def rest(self, seconds: float) -> None:
        """Waits so long, and less where the gateway goes down."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    async def sight(self) -> QueueSight:
        """The newest look, as soon as there is one. Raises ShuttingDown."""
        await self._something.wait()
        if self._closing.is_set() or self._sight is None:
            raise ShuttingDown
        self._something.clear()
        return self._sight


class QueueWatch:
    """WatchQueue."""

    def __init__(self, queue: QueueStatus, *, look_s: float = LOOK_S) -> None:
        self._queue = queue
        self._look_s = look_s
        self._watchers: set[_Watcher] = set()
        self._somebody = asyncio.Event()
        self._open = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The queue can be watched."""
        self._open = True
        async with background(self._look_on()):
            try:
                yield
            finally:
                self.close()

    def close(self) -> None:
        """Ends every stream with ShuttingDown, and lets none begin."""
        self._open = False
        for watcher in self._watchers:
            watcher.close()

    @property
    def watched(self) -> int:
        """How many watch."""
        return len(self._watchers)

    async def watch(self, user: UserId) -> AsyncGenerator[queue_service_pb2.QueueStatus]:
        """How the queue stands now, then whenever anything but the time has changed. Raises ShuttingDown."""
        if not self._open:
            raise ShuttingDown
        with self._watching(user) as watcher:
            shown = await self._queue.look([user])
            while True:
                told = time.monotonic()
                yield shown.status(user)
                # The client may have been slow to take it: then there is nothing to wait for.
                await watcher.rest(told + self._look_s - time.monotonic())
                shown = await _change(watcher, shown)

    @contextmanager
    def _watching(self, user: UserId) -> Iterator[_Watcher]:
        watcher = _Watcher(user)
        self._watchers.add(watcher)
        self._somebody.set()
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
            if not self._watchers:
                self._somebody.clear()

    async def _look_on(self) -> None:
        while True:
            await self._somebody.wait()
            try:
                sight = await self._queue.look({watcher.user for watcher in self._watchers})
            except Exception as error:  # noqa: BLE001 - the store is away; streams stay, and the next look finds out
                log.warning("queue_not_looked_at", error=repr(error))
            else:
                for watcher in self._watchers:
                    watcher.see(sight)
            await asyncio.sleep(self._look_s)


async def _change(watcher: _Watcher, shown: QueueSight) -> QueueSight:
    """The next look that is another than what is shown. One that began before that, or before this client came, is not
    newer."""
    user = watcher.user
    while True:
        sight = await watcher.sight()
        if sight.at > shown.at and user in sight.pending and _figures(sight, user) != _figures(shown, user):
            return sight


def _figures(sight: QueueSight, user: UserId) -> queue_service_pb2.QueueStatus:
    status = sight.status(user)
    status.ClearField("time")
    return status
