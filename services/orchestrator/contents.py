"""The content of the files that go into a task: read from the store when it is launched.

What was read lately is remembered, because tests of one project tend to follow one another."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final
from weakref import WeakValueDictionary

from services.orchestrator.ports import Bundle, LaunchFailed, LaunchUnsettled, StoredFiles, TaskSpec
from shared.domain.failure import FailureCode
from shared.ids import UserId
from shared.store.connect import StoreError

MOST_REMEMBERED: Final = 64 << 20
"""Bytes."""


class Contents:
    """Reads what was handed in."""

    def __init__(self, store: StoredFiles, *, most_remembered: int = MOST_REMEMBERED) -> None:
        self._store = store
        self._most = most_remembered
        self._known: OrderedDict[tuple[UserId, str], bytes] = OrderedDict()
        self._size = 0
        self._turns: WeakValueDictionary[tuple[UserId, str], asyncio.Lock] = WeakValueDictionary()

    async def of(self, spec: TaskSpec) -> bytes:
        """The content of the project's files and then of the inputs, in one piece. Raises LaunchFailed where it was
        removed, LaunchUnsettled where the store does not answer."""
        pieces = [await self._read(spec.user_id, bundle) for bundle in (spec.project, spec.inputs) if bundle]
        return b"".join(pieces)

    async def _read(self, user: UserId, bundle: Bundle) -> bytes:
        name = user, bundle.digest
        turn = self._turns.setdefault(name, asyncio.Lock())
        async with turn:  # launches of one project come together: one of them reads
            if name in self._known:
                self._known.move_to_end(name)
                return self._known[name]
            return await self._fetched(name, sum(file.size for file in bundle.files))

    async def _fetched(self, name: tuple[UserId, str], size: int) -> bytes:
        try:
            data = await self._store.read(*name)
        except StoreError as error:
            raise LaunchUnsettled(FailureCode.CONTEXT_UNAVAILABLE, f"The store does not answer: {error!r}") from error
        if data is None or len(data) != size:
            raise LaunchFailed(
                FailureCode.CONTEXT_UNAVAILABLE,
                "The files of this test can no longer be had: they were removed from the store. Hand them in again.",
            )
        if len(data) <= self._most:
            self._known[name] = data
            self._size += len(data)
            while self._size > self._most:
                self._size -= len(self._known.popitem(last=False)[1])
        return data
