"""Capacity: one document per unit of it. Taking one is a compare-and-set, so no number of schedulers can overbook.

How many there are meant to be, and whether the queue is paused, lies in one document (`meta`, "capacity"). Whoever took
a slot reads it before using the slot: so after a pause or a lower capacity was written nobody uses a slot that he
should not, whatever the slots themselves look like at that moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from pymongo import ASCENDING, UpdateMany
from pymongo.errors import BulkWriteError

from shared.ids import TestId, UserId
from shared.store.connect import Database, quick
from shared.store.documents import Document, Slot

_DUPLICATE_KEY: Final = 11000
_META: Final = "capacity"
_FREE: Final = {"test_id": None, "retired": None}
_IN_USE: Final = {"test_id": {"$ne": None}}


class Occupancy(NamedTuple):
    """How much of the capacity is in use. `running` may exceed `capacity` for a while after it was lowered."""

    running: int
    capacity: int


class Pool(NamedTuple):
    """The slots as they are meant to be."""

    capacity: int
    paused_at: datetime | None = None
    """When, by whom and why it was paused last; `None` and empty where it is not paused."""
    paused_by: str = ""
    pause_reason: str = ""

    @property
    def paused(self) -> bool:
        """Whether no slot may be taken."""
        return self.paused_at is not None


class Slots:
    """The units of capacity."""

    def __init__(self, database: Database) -> None:
        # A take waits for the majority: one that a failover rolled back would let two tests have one slot. A release
        # that is lost, the sweep repeats.
        self._durable = database["slots"]
        self._slots = quick(database, "slots")
        self._meta = database["meta"]

    async def ensure(self, configured: int) -> None:
        """Makes the slots that the settings ask for, where the settings have changed since they were last applied.

        A capacity that was set at run time, 0 too, is kept over a restart with the same settings. Whoever dies in
        between has the next start do the same: each write decides for itself, and has capacity and setting in it."""
        both = {"configured": configured, "capacity": configured}
        await self._meta.update_one({"_id": _META}, {"$setOnInsert": both}, upsert=True)
        await self._meta.update_one({"_id": _META, "configured": {"$nin": [None, configured]}}, {"$set": both})
        made = await self._made()  # an earlier version did not write the capacity, and a pause alone does not
        await self._meta.update_one(
            {"_id": _META, "capacity": None}, {"$set": {"configured": configured, "capacity": made or configured}}
        )
        # A capacity that an admin has set before any scheduler was started.
        await self._meta.update_one({"_id": _META, "configured": None}, {"$set": {"configured": configured}})
        await self.agree()

    async def resize(self, capacity: int) -> None:
        """Adds slots, or removes free ones above `capacity`; one in use is not given out again once it is released."""
        await self._meta.update_one({"_id": _META}, {"$set": {"capacity": capacity}}, upsert=True)
        await self.agree()

    async def pause(self, at: datetime, by: str, reason: str) -> None:
        """When this returns no slot is taken any more. Of several pauses the last one is remembered: when it was, who
        it was and why belong together."""
        update = {"paused_at": at, "paused_by": by, "pause_reason": reason}
        await self._meta.update_one({"_id": _META}, {"$set": update}, upsert=True)

    async def resume(self) -> None:
        """Slots are taken again."""
        over = {"paused_at": "", "paused_by": "", "pause_reason": ""}
        await self._meta.update_one({"_id": _META}, {"$unset": over})

    async def pool(self) -> Pool:
        """How many slots there are meant to be, and whether they may be taken."""
        found = await self._meta.find_one({"_id": _META}) or {}
        capacity = found.get("capacity")
        return Pool(
            await self._made() if capacity is None else capacity,
            found.get("paused_at"),
            found.get("paused_by", ""),
            found.get("pause_reason", ""),
        )

    async def agree(self) -> None:
        """Makes the slots what they are meant to be. Harmless when repeated, and when others do it at the same time."""
        capacity = (await self.pool()).capacity
        while True:
            await self._make(capacity)
            now = (await self.pool()).capacity
            if now == capacity:
                return
            capacity = now  # somebody has changed it, and what we did may have undone some of his work

    async def free(self) -> int | None:
        """How many slots are free; None while the queue is paused."""
        return None if (await self.pool()).paused else await self._slots.count_documents(_FREE)

    async def take(self, *, test: TestId, user: UserId, attempt: int, now: datetime) -> int | None:
        """Takes a free slot for one attempt of a test; its number, or None where there is none to be had."""
        found = await self._durable.find_one_and_update(
            _FREE,
            {"$set": {"test_id": test, "user_id": user, "attempt": attempt, "since": now}},
            {"_id": 1},
        )
        if found is None:
            return None
        number: int = found["_id"]
        pool = await self.pool()
        if pool.paused or number >= pool.capacity:
            await self.give_back([Slot(id=number, test_id=test, attempt=attempt)])
            return None
        return number

    async def release_all(self, holders: Sequence[tuple[TestId, int]]) -> int:
        """Frees all that these attempts hold in one round trip; the number of slots that became free."""
        return await self._set_free([{"test_id": test, "attempt": {"$lte": attempt}} for test, attempt in holders])

    async def give_back(self, slots: Sequence[Slot]) -> int:
        """Frees just these slots, where the same attempt still holds them; the number of slots that became free."""
        return await self._set_free(
            [{"_id": slot.id, "test_id": slot.test_id, "attempt": slot.attempt} for slot in slots]
        )

    async def taken(self) -> list[Slot]:
        """The slots in use. There are never more than the capacity, so this is small."""
        return [Slot.model_validate(found) async for found in self._slots.find(_IN_USE)]

    async def held_longest(self, limit: int) -> list[Slot]:
        """At most `limit` slots in use, the one that was taken first at the front."""
        cursor = self._slots.find(_IN_USE).sort([("since", ASCENDING), ("_id", ASCENDING)]).limit(limit)
        return [Slot.model_validate(found) async for found in cursor]

    async def holders(self) -> Counter[UserId]:
        """How many slots each user has in use."""
        cursor = self._slots.find(_IN_USE, {"user_id": 1, "_id": 0})
        return Counter([found["user_id"] async for found in cursor])

    async def held_by(self, user: UserId) -> int:
        """How many slots this user has in use."""
        return await self._slots.count_documents({"user_id": user})

    async def occupancy(self) -> Occupancy:
        """Slots in use and in all."""
        slots = [found async for found in self._slots.find({}, {"test_id": 1, "retired": 1})]
        return Occupancy(
            sum(1 for slot in slots if slot["test_id"]), sum(1 for slot in slots if not slot.get("retired"))
        )

    async def _made(self) -> int:
        return await self._slots.count_documents({"retired": None})

    async def _make(self, capacity: int) -> None:
        if await self._slots.count_documents({"_id": {"$lt": capacity}}) < capacity:
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

    async def _set_free(self, wanted: Sequence[Document]) -> int:
        if not wanted:
            return 0
        free = {"$set": {"test_id": None, "user_id": None, "attempt": 0, "since": None}}
        result = await self._slots.bulk_write([UpdateMany(where, free) for where in wanted], ordered=False)
        return result.modified_count
