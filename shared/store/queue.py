"""The queue and its figures. The collection holds only tests that wait, so its size is the length of the queue, known
without a count.

Ranks are reserved with two atomic writes per user, so any number of schedulers agree on one order (`domain.fairness`
says what a rank is). Each priority is a line of its own: were there one virtual time for all, a user's urgent test,
granted at once although its rank is high, would put everybody who comes after it behind all that this user has waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.errors import BulkWriteError

from shared.domain.fairness import ranks
from shared.ids import TestId, UserId
from shared.store.batch import GroupCommit
from shared.store.connect import Database, quick
from shared.store.documents import Document, QueueEntry

_DUPLICATE_KEY: Final = 11000
_ORDER: Final = [("priority", DESCENDING), ("rank", ASCENDING), ("_id", ASCENDING)]
_ORDER_INDEX: Final = "order_user"
_META: Final = "queue"
RECENT: Final = 100
"""So many waits and holds are remembered, the last ones."""
LATELY: Final = timedelta(minutes=10)
"""What is older says nothing about how the queue moves now."""


class Spell(NamedTuple):
    """How long a test waited for its slot, or held it, and when that was over."""

    at: datetime
    seconds: float


class Figures(NamedTuple):
    """The queue at a glance."""

    pending: int
    oldest: datetime | None
    average_wait_s: float | None
    """None where no slot was granted lately."""


class Standing(NamedTuple):
    """Where a test stands in the order of service: by priority, highest first, then by rank, then by its id."""

    priority: int
    rank: float
    test_id: TestId

    @classmethod
    def of(cls, entry: QueueEntry) -> Standing:
        return cls(entry.priority, entry.rank, entry.id)


class Queue:
    """The tests that wait for a slot."""

    def __init__(self, database: Database) -> None:
        # Lost in a crash, an entry is put back by the sweep and a rank is given twice: neither is worth a wait.
        self._entries = quick(database, "queue")
        self._meta = quick(database, "meta")
        self._users = quick(database, "queue_users")
        self._insert = GroupCommit("enqueue", self._insert_all)
        self._delete = GroupCommit("dequeue", self._delete_all)

    async def reserve(self, user: UserId, priority: int, count: int, *, weight: float = 1.0) -> list[float]:
        """Ranks for the next `count` tests of this user with this priority, no rank given twice."""
        place = f"{user}/{priority}"
        state, end = await asyncio.gather(
            self._meta.find_one({"_id": _META}, {"served": 1}), self._advance(place, count / weight)
        )
        virtual_now = float((state or {}).get("served", {}).get(str(priority), 0.0))
        if end - count / weight < virtual_now:
            # The user was away. Up to what is served now, and then a step further: two simple operators instead of
            # one expression that only MongoDB has.
            await self._users.update_one({"_id": place}, {"$max": {"last_rank": virtual_now}})
            end = await self._advance(place, count / weight)
        return ranks(virtual_now=end - count / weight, last_rank=None, count=count, weight=weight)

    async def _advance(self, place: str, by: float) -> float:
        after = await self._users.find_one_and_update(
            {"_id": place}, {"$inc": {"last_rank": by}}, upsert=True, return_document=ReturnDocument.AFTER
        )
        assert after is not None
        return float(after["last_rank"])

    async def add(self, entry: QueueEntry) -> None:
        """Puts a test in. Harmless when it is in already."""
        await self._insert(entry)

    async def remove(self, test: TestId) -> None:
        """Takes a test out. Harmless when it is out already."""
        await self._delete(test)

    async def head(self, limit: int, *, without: Collection[UserId] = ()) -> list[QueueEntry]:
        """The next tests in the order of service, those of some users left out."""
        if without:
            # Bounds for the first field let the others be told from the keys: of what is left out no document is read.
            where = {"priority": {"$gte": 0}, "user_id": {"$nin": sorted(without)}}
            cursor = self._entries.find(where, hint=_ORDER_INDEX)
        else:
            cursor = self._entries.find({})
        return [QueueEntry.model_validate(found) async for found in cursor.sort(_ORDER).limit(limit)]

    async def behind(self, place: Standing | None, limit: int) -> list[QueueEntry]:
        """At most `limit` tests behind this place, whoever stands there now; the next ones where it is None."""
        if place is None:
            return await self.head(limit)
        same = {"priority": place.priority, "rank": {"$gte": place.rank}}  # for the bounds of the index
        beyond = [{"rank": {"$gt": place.rank}}, {"rank": place.rank, "_id": {"$gt": place.test_id}}]
        found = await self._ordered({**same, "$or": beyond}, limit)
        if len(found) < limit:
            found += await self._ordered({"priority": {"$lt": place.priority}}, limit - len(found))
        return found

    async def _ordered(self, where: Document, limit: int) -> list[QueueEntry]:
        cursor = self._entries.find(where, hint=_ORDER_INDEX).sort(_ORDER).limit(limit)
        return [QueueEntry.model_validate(found) async for found in cursor]

    async def granted(self, ranks: Mapping[int, float], waits: Sequence[Spell]) -> None:
        """Moves the virtual time on to the rank that was granted last, and remembers how long the granted ones
        had waited."""
        await self._meta.update_one(
            {"_id": _META},
            {
                "$max": {f"served.{priority}": rank for priority, rank in ranks.items()},
                "$push": {"recent_waits": _last(waits)},
            },
            upsert=True,
        )

    async def released(self, holds: Sequence[Spell]) -> None:
        """Remembers how long slots were held."""
        await self._meta.update_one({"_id": _META}, {"$push": {"recent_holds": _last(holds)}}, upsert=True)

    async def recent_holds(self) -> list[Spell]:
        """How long slots were held, the last ones of them."""
        return _spells(await self._meta.find_one({"_id": _META}, {"recent_holds": 1}), "recent_holds")

    async def figures(self, now: datetime) -> Figures:
        """Length, oldest entry and average wait of late, at the same cost whatever the length."""
        pending = await self._entries.estimated_document_count()
        oldest = await self._entries.find_one({}, {"enqueued_at": 1}, sort=[("enqueued_at", ASCENDING)])
        state = await self._meta.find_one({"_id": _META}, {"recent_waits": 1})
        waits = [spell.seconds for spell in _spells(state, "recent_waits") if spell.at > now - LATELY]
        return Figures(
            pending if oldest else 0,
            oldest["enqueued_at"] if oldest else None,
            sum(waits) / len(waits) if waits else None,
        )

    async def position(self, test: TestId) -> int | None:
        """1 for the test that is next;

        None for one that does not wait. Counts what is ahead: meant for one user looking at one test."""
        found = await self._entries.find_one({"_id": test})
        if found is None:
            return None
        return await self.ahead(Standing.of(QueueEntry.model_validate(found))) + 1

    async def ahead(self, place: Standing) -> int:
        """How many tests stand before this place. Counts their keys in the index."""
        same = {"priority": place.priority}
        return await self._entries.count_documents(
            {
                "$or": [
                    {"priority": {"$gt": place.priority}},
                    {**same, "rank": {"$lt": place.rank}},
                    {**same, "rank": place.rank, "_id": {"$lt": place.test_id}},
                ]
            }
        )

    async def pending_of(self, user: UserId) -> int:
        """How many tests of this user wait."""
        return await self._entries.count_documents({"user_id": user})

    async def missing(self, tests: Iterable[TestId]) -> set[TestId]:
        """Those of `tests` that are not in the queue."""
        wanted = set(tests)
        cursor = self._entries.find({"_id": {"$in": list(wanted)}}, {"_id": 1})
        return wanted - {found["_id"] async for found in cursor}

    async def _insert_all(self, entries: Sequence[QueueEntry]) -> Sequence[Exception | None]:
        try:
            await self._entries.insert_many([entry.model_dump(by_alias=True) for entry in entries], ordered=False)
        except BulkWriteError as error:
            if any(problem["code"] != _DUPLICATE_KEY for problem in error.details["writeErrors"]):
                raise
        return [None] * len(entries)

    async def _delete_all(self, tests: Sequence[TestId]) -> Sequence[Exception | None]:
        await self._entries.delete_many({"_id": {"$in": list(tests)}})
        return [None] * len(tests)


def _last(spells: Sequence[Spell]) -> Document:
    return {"$each": [{"at": spell.at, "s": spell.seconds} for spell in spells], "$slice": -RECENT}


def _spells(state: Document | None, name: str) -> list[Spell]:
    return [Spell(found["at"], found["s"]) for found in (state or {}).get(name, [])]
