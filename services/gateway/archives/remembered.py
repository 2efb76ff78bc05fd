"""The content of handed-in files, remembered for a moment.

Who downloads a project asks for its files one by one, and the store has them in one piece only."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

from services.gateway.ports import StoredFiles
from shared.ids import UserId

MOST: Final = 32 << 20
"""Bytes."""
LASTS_S: Final = 30.0
"""After that what was removed from the store is gone here, too."""


class _Known(NamedTuple):
    data: bytes
    until: float


class Remembered:
    """Reads through to the store: once for those that ask for the same at the same time."""

    def __init__(self, store: StoredFiles, *, most: int = MOST, lasts_s: float = LASTS_S) -> None:
        self._store = store
        self._most = most
        self._lasts_s = lasts_s
        self._known: OrderedDict[tuple[UserId, str], _Known] = OrderedDict()
        self._turns: WeakValueDictionary[tuple[UserId, str], asyncio.Lock] = WeakValueDictionary()

    async def read(self, user: UserId, digest: str) -> bytes | None:
        """The files' bytes in one piece; None where nothing is stored under this digest (any more)."""
        name = user, digest
        turn = self._turns.setdefault(name, asyncio.Lock())
        async with turn:
            now = asyncio.get_running_loop().time()
            while self._known and next(iter(self._known.values())).until <= now:
                self._known.popitem(last=False)
            if name in self._known:
                return self._known[name].data
            data = await self._store.read(user, digest)
            if data is not None:
                self._known[name] = _Known(data, now + self._lasts_s)
                while sum(len(known.data) for known in self._known.values()) > self._most:
                    self._known.popitem(last=False)
            return data
