"""Another master key: wraps the data keys that older ones have wrapped with the first one of now. No value changes.
And the first key at all: seals what was stored before there was one.

What is left to do is found in the store, so both may be broken off at any moment and go on where they were; tests that
come and are read meanwhile do not mind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from pymongo import ASCENDING, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection

from shared.domain.facets import of_word, words
from shared.domain.masterkeys import DataKey
from shared.errors import AssayError
from shared.store.connect import Database
from shared.store.documents import Document
from shared.store.sealing import Seals

BATCH: Final = 500
_KEY: Final = "input.sealed.key"
_WRAPPED: Final = "input.sealed.wrapped"


class Rotated(NamedTuple):
    """How many tests have their data key wrapped anew, and how many are left, by the key that is missing."""

    done: int
    left: dict[str, int]
    why: dict[str, str]


class _Batch:
    """Changes of tests, written many at a time; `told` hears how many are done after each full batch."""

    def __init__(self, tests: AsyncCollection[Document], told: Callable[[int], None]) -> None:
        self.done = 0
        self._tests = tests
        self._told = told
        self._writes: list[UpdateOne] = []

    async def add(self, write: UpdateOne) -> None:
        self._writes.append(write)
        if len(self._writes) >= BATCH:
            await self.write()
            self._told(self.done)

    async def write(self) -> None:
        """What has come together."""
        if self._writes:
            writes, self._writes = self._writes, []
            self.done += (await self._tests.bulk_write(writes, ordered=False)).modified_count


async def rotate(database: Database, seals: Seals, *, told: Callable[[int], None] = lambda _: None) -> Rotated:
    """Wraps anew whatever another key than the first has wrapped. `told` hears how many are done."""
    tests = database["executions"]
    batch = _Batch(tests, told)
    left: dict[str, int] = {}
    why: dict[str, str] = {}
    for by in sorted(await tests.distinct(_KEY, {_KEY: {"$exists": True}})):
        if by == seals.first:
            continue
        known: dict[bytes, DataKey | AssayError] = {}
        # What is written leaves the range that the index is read in: nothing is met twice.
        async for found in tests.find({_KEY: by}, {_KEY: 1, _WRAPPED: 1}).hint("sealed_by").batch_size(BATCH):
            wrapped: bytes = found["input"]["sealed"]["wrapped"]
            if wrapped not in known:
                known[wrapped] = await _rewrapped(seals, wrapped, by)
            key = known[wrapped]
            if isinstance(key, AssayError):
                left[by], why[by] = left.get(by, 0) + 1, str(key)
                continue
            as_read = {"_id": found["_id"], _WRAPPED: wrapped}
            await batch.add(UpdateOne(as_read, {"$set": {_KEY: key.by, _WRAPPED: key.wrapped}}))
        await batch.write()
    return Rotated(batch.done, left, why)


async def seal_old(database: Database, seals: Seals, *, told: Callable[[int], None] = lambda _: None) -> int:
    """Seals the tests that were stored without a key, and takes the words of their queries out of what they are found
    by; how many. Reads all tests once. Raises AssayError where there is no key for it."""
    tests = database["executions"]
    batch = _Batch(tests, told)
    fields = {"input.query": 1, "input.env": 1, "input.name": 1, "request_hash": 1}
    async for found in tests.find({_KEY: None}, fields).sort("_id", ASCENDING).batch_size(BATCH):
        given = found["input"]
        hidden = set(words(given.get("query", ""))).difference(words(given.get("name", "")))
        await seals.seal(found)
        put = {f"input.{name}": given[name] for name in ("query", "env", "sealed")}
        update: dict[str, object] = {"$set": {**put, "request_hash": found["request_hash"]}}
        if seals.hides_words and hidden:
            update["$pull"] = {"facets": {"$in": [of_word(word) for word in sorted(hidden)]}}
        await batch.add(UpdateOne({"_id": found["_id"], _KEY: None}, update))
    await batch.write()
    return batch.done


async def _rewrapped(seals: Seals, wrapped: bytes, by: str) -> DataKey | AssayError:
    try:
        return await seals.rewrapped(wrapped, by)
    except AssayError as error:
        return error
