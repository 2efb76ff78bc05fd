"""What agents left in their output folders: the files of a test as one piece, cut so that each part fits a document.

Stored before the move that ends the test, under the attempt that ends it: what an attempt stored that did not end its
test is never read, and the database removes it when its time is over.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from bson.binary import Binary
from pydantic import Field
from pymongo import ReplaceOne

from shared.ids import TestId
from shared.store.connect import Database
from shared.store.documents import Part

PART_BYTES: Final = 4 * 1024 * 1024


class ArtifactPart(Part):
    """One part of what a test left. `_id` is `<test>:<attempt>:<n>`."""

    id: str = Field(alias="_id")
    test_id: TestId
    attempt: int
    n: int
    """From 0 on. Every part but the last has PART_BYTES."""
    data: bytes
    expires_at: datetime


class Artifacts:
    """The collection of output files."""

    def __init__(self, database: Database, *, part_bytes: int = PART_BYTES) -> None:
        self._collection = database["artifacts"]
        self._part = part_bytes

    async def put(self, test: TestId, attempt: int, data: bytes, expires_at: datetime) -> None:
        """Stores what this attempt left. Harmless when repeated."""
        for n, start in enumerate(range(0, len(data), self._part)):
            part: dict[str, object] = {
                "_id": _id(test, attempt, n),
                "test_id": test,
                "attempt": attempt,
                "n": n,
                "data": Binary(data[start : start + self._part]),
                "expires_at": expires_at,
            }
            # One at a time: together they would not fit a message.
            await self._collection.bulk_write([ReplaceOne({"_id": part["_id"]}, part, upsert=True)])

    async def read(self, test: TestId, attempt: int, within: range) -> AsyncIterator[bytes]:
        """The bytes of the piece in `within`, part by part; fewer where they were removed meanwhile."""
        if not within:
            return
        for n in range(within.start // self._part, (within.stop - 1) // self._part + 1):
            found = await self._collection.find_one({"_id": _id(test, attempt, n)}, {"data": 1})
            if found is None:
                return
            begins = n * self._part
            yield bytes(found["data"])[max(0, within.start - begins) : within.stop - begins]


def _id(test: TestId, attempt: int, n: int) -> str:
    return f"{test}:{attempt}:{n}"
