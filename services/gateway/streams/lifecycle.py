"""From when to when streams may be opened, and the tasks that they need meanwhile. Knows nothing of what they tell."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Protocol

from services.gateway.errors import ShuttingDown
from shared.background import background


class Side(Protocol):
    """One client's side of a stream."""

    def close(self) -> None:
        """The gateway is going down."""
        ...


class Streams(ABC):
    """Streams of one kind, all those of this gateway."""

    def __init__(self) -> None:
        self._tasks: asyncio.TaskGroup | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Streams can be opened. Calls have ended when this does."""
        async with background(*self._work()) as tasks:
            self._tasks = tasks
            try:
                yield
            finally:
                self.close()
                self._end()

    def close(self) -> None:
        """Ends every stream with ShuttingDown, and lets none begin."""
        self._tasks = None
        for side in self._sides():
            side.close()

    def _owner(self) -> asyncio.TaskGroup:
        """Where tasks begin for a stream that is opened. Raises ShuttingDown."""
        if self._tasks is None:
            raise ShuttingDown
        return self._tasks

    @abstractmethod
    def _sides(self) -> Iterable[Side]:
        """Everybody who has a stream open."""

    def _work(self) -> Iterable[Coroutine[object, object, None]]:
        """What goes on all the time."""
        return ()

    def _end(self) -> None:  # noqa: B027 - not all have such
        """Ends the tasks that were begun for streams."""
