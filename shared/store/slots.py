"""Capacity: one document per unit of it. Taking one is a compare-and-set, so no number of schedulers can overbook."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from pymongo import UpdateMany
from pymongo.errors import BulkWriteError

from shared.ids import TestId, UserId
from shared.store.connect import Database, quick
from shared.store.documents import Document, Slot

_DUPLICATE_KEY: Final = 11000
_META: Final = "capacity"
_FREE: Final = {"test_id": None, "retired": None}


class Occupancy(NamedTuple):
    """How much of the capacity is in use. `running` may exceed `capacity` for a while after it was lowered."""

    running: int
    capacity: int


class Slots:
    """The units of capacity."""

    def __init__(self, database: Database) -> None:
        # A take waits for the majority: one that a failover rolled back would let two tests have one slot. A release
        # that is lost, the sweep repeats.
        self._durable = database["slots"]
        self._slots = quick(database, "slots")
        self._meta = quick(database, "meta")

    async def ensure(self, capacity: int) -> None:
        """Makes the slots that the settings ask for, where the settings have changed since they were last applied.

        A capacity that was set at run time is kept over a restart with the same settings."""
        applied = await self._meta.find_one_and_update({"_id": _META}, {"$set": {"configured": capacity}}, upsert=True)
        if applied is None or applied["configured"] != capacity or await self._slots.find_one({}, {"_id": 1}) is None:
            await self.resize(capacity)

    async def resize(self, capacity: int) -> None:
        """Adds slots, or removes free ones above `capacity`; one in use is not given out again once it is released."""
        try:
            await self._slots.insert_many(
                [{"_id": number, "test_id": None} for number in range(capacity)], ordered=False
            )
        except BulkWriteError as error:
            if any(problem["code"] != _DUPLICATE_KEY for problem in error.details["writeErrors"]):
                raise
        await self._slots.update_many({"_id": {"$lt": capacity}, "retired": True}, {"$unset": {"retired": ""}})
        await self._slots.update_many({"_id": {"$gte": capacity}}, {"$set": {"retired": True}})
        await self._slots.delete_many({"_id": {"$gte": capacity}, "test_id": None})

    async def free(self) -> int:
        """How many slots are free."""
        return await self._slots.count_documents(_FREE)

    async def take(self, *, test: TestId, user: UserId, attempt: int, now: datetime) -> int | None:
        """Takes a free slot for one attempt of a test; its number, or None where none is free."""
        found = await self._durable.find_one_and_update(
            _FREE,
            {"$set": {"test_id": test, "user_id": user, "attempt": attempt, "since": now}},
            {"_id": 1},
        )
        return found["_id"] if found else None

    async def release_all(self, holders: Sequence[tuple[TestId, int]]) -> int:
        """Frees all that these attempts hold in one round trip; the number of slots that became free."""
        return await self._set_free([{"test_id": test, "attempt": {"$lte": attempt}} for test, attempt in holders])

    async def give_back(self, slots: Sequence[Slot]) -> int:
        """Frees just these slots, where the same attempt still holds them; the number of slots that became free."""
        return await self._set_free(
            [{"_id": slot.id, "test_id": slot.test_id, "attempt": slot.attempt} for slot in slots]
        )

    async def _set_free(self, wanted: Sequence[Document]) -> int:
        if not wanted:
            return 0
        free = {"$set": {"test_id": None, "user_id": None, "attempt": 0, "since": None}}
        result = await self._slots.bulk_write([UpdateMany(where, free) for where in wanted], ordered=False)
        return result.modified_count

    async def taken(self) -> list[Slot]:
        """The slots in use. There are never more than the capacity, so this is small."""
        cursor = self._slots.find({"test_id": {"$ne": None}})
        return [Slot.model_validate(found) async for found in cursor]

    async def occupancy(self) -> Occupancy:
        """Slots in use and in all."""
        slots = [found async for found in self._slots.find({}, {"test_id": 1, "retired": 1})]
        return Occupancy(
            sum(1 for slot in slots if slot["test_id"]), sum(1 for slot in slots if not slot.get("retired"))
        )
