"""The books: which tests the counters do not know yet as they stand, and the batch in which they get to know them.

Every submission and every end puts `books.due` into the test's own document, in the same write. A bookkeeper, one at a
time, takes some of these into a numbered batch, marks each with the number, and only then changes counters; a counter
takes each number once. So a crash at any point is made good by doing the same batch again, and nothing is counted
twice or left out (ADR 22).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from pymongo import ASCENDING, ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from shared.domain.lifecycle import ENDED
from shared.domain.usage import IN, Change, CounterName
from shared.store.connect import Database
from shared.store.documents import RESULT_DETAILS, Document

_DUPLICATE_KEY: Final = 11000
_REFUSALS: Final = frozenset({2, 9, 14, 28, 40, 121, 10334, 17419})
"""What is wrong with one change, or with the counter it is for, and stays so: a sum that overflows or is no number, a
document that grows too large (MongoDB, error_codes.yml). Anything else may pass."""
META: Final = "books"
"""The `_id` of the one document in `meta` that says who is the bookkeeper and which batch is open."""
_TEST: Final = {
    "outbox": 0,
    "facets": 0,
    "input.agent_code": 0,
    "input.project": 0,
    "input.inputs": 0,
    "output_files": 0,
    "input.dockerfile": 0,
    "input.env": 0,
    "input.query": 0,
    "input.sealed": 0,
    "failure.agent_error": 0,
    **dict.fromkeys(RESULT_DETAILS, 0),
}
"""What is left out: nothing of it is counted, and most of a document's size is in it."""
_PACKAGE: Final = {"outbox": 0, "files": 0}
_SETTLED: Final = dict.fromkeys(("books.due", "books.made", "books.unreadable"), "")
"""What a mark takes away."""
TESTS: Final = "executions"
PACKAGES: Final = "packages"


class Entry(NamedTuple):
    """One line of a batch: a test or a package, how it was counted and how it is to be."""

    collection: str
    id: str
    before: str
    after: str
    put: Document
    """Fields of its document that are set with the mark."""
    due: datetime | None = None
    """Of a package: since when it is due. Made once more since then, it is not marked."""
    made: Sequence[Document] = ()
    """Of a package: `size`, `ready_at` and `expires_at` of each time it was made that is not counted yet."""


class Batch(NamedTuple):
    """What is counted together. Numbers grow by one."""

    number: int
    entries: list[Entry]


class Books:
    """The due entries of both collections, and the one batch that may be open."""

    def __init__(self, database: Database) -> None:
        # Every step waits for the majority before the next one, as `connected` has it: a batch that was closed is never
        # done again, so nothing of it may be taken back by a failover.
        self._meta = database["meta"]
        self._tests = database[TESTS]
        self._packages = database[PACKAGES]
        self._counters = database["counters"]

    async def due(self, before: datetime, patience: timedelta, limit: int) -> list[Document]:
        """Tests that were due before `before`, longest first, with what the counters must know of them.

        One that has ended and whose output still comes in is left for `patience`: log data is charged, too."""
        where = {
            "books.due": {"$lt": before},
            "$or": [
                {"logs.ended": True},
                {"state": {"$nin": sorted(ENDED)}},
                {"books.due": {"$lt": before - patience}},
            ],
        }
        cursor = self._tests.find(where, _TEST).sort("books.due", ASCENDING).limit(limit)
        return [found async for found in cursor]

    async def due_packages(self, before: datetime, limit: int) -> list[Document]:
        """Packages that were made, likewise."""
        cursor = self._packages.find({"books.due": {"$lt": before}}, _PACKAGE).sort("books.due", ASCENDING).limit(limit)
        return [found async for found in cursor]

    async def put_off(self, collection: str, found: Document, until: datetime, reason: str) -> None:
        """One that cannot be counted is due again at `until`; not if it has become due for something else since."""
        await (self._tests if collection == TESTS else self._packages).update_one(
            {"_id": found["_id"], "books.due": found["books"]["due"]},
            {"$set": {"books.due": until, "books.unreadable": reason}},
        )

    async def take_back(self, number: int, entry: Entry, until: datetime, reason: str) -> None:
        """One that was marked with this batch and cannot be counted is due again at `until`, as if it was not."""
        again: Document = {"books.due": until, "books.unreadable": reason}
        gone = {"books.batch": ""}
        if entry.before:
            again["books.counted"] = entry.before
        else:
            gone["books.counted"] = ""
        for before, facts in enumerate(reversed(entry.made)):  # the last one is of the generation that was counted
            again[f"books.made.{int(entry.after) - before}"] = facts
        await (self._tests if entry.collection == TESTS else self._packages).update_one(
            {"_id": entry.id, "books.batch": number}, {"$set": again, "$unset": gone}
        )

    async def labels(self, tests: Iterable[str]) -> dict[str, list[str]]:
        """The labels of these tests: what a package is counted under."""
        cursor = self._tests.find({"_id": {"$in": list(tests)}}, {"labels": 1})
        return {found["_id"]: found.get("labels", []) async for found in cursor}

    async def take(self, owner: str, now: datetime, until: datetime) -> Batch | None:
        """Makes `owner` the bookkeeper until then, and says which batch its predecessor left open (number 0: none).

        None where somebody else is the bookkeeper."""
        try:
            found = await self._meta.find_one_and_update(
                {"_id": META, "$or": [{"owner": owner}, {"until": {"$lt": now}}]},
                {"$set": {"owner": owner, "until": until}, "$setOnInsert": {"number": 0}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError:  # it is there, and somebody else's
            return None
        assert found is not None
        open_entries = found.get("entries")
        return Batch(found["number"] if open_entries else 0, [_entry(entry) for entry in open_entries or []])

    async def begin(self, owner: str, entries: Sequence[Entry]) -> Batch | None:
        """Opens a batch; None where `owner` is not the bookkeeper any more, or one is open."""
        found = await self._meta.find_one_and_update(
            {"_id": META, "owner": owner, "entries": None},
            {"$inc": {"number": 1}, "$set": {"entries": [entry._asdict() for entry in entries]}},
            {"number": 1},
            return_document=ReturnDocument.AFTER,
        )
        return Batch(found["number"], list(entries)) if found else None

    async def mark(self, batch: Batch) -> None:
        """Marks what still stands as the batch has it. What has moved on since stays due, for a later batch."""
        for name, collection in ((TESTS, self._tests), (PACKAGES, self._packages)):
            writes = [_marking(entry, batch.number) for entry in batch.entries if entry.collection == name]
            if writes:
                await collection.bulk_write(writes, ordered=False)

    async def members(self, batch: Batch) -> dict[tuple[str, str], Document]:
        """What was marked, by collection and id: the batch as it is, whoever marked it."""
        found: dict[tuple[str, str], Document] = {}
        for name, collection, without in ((TESTS, self._tests, _TEST), (PACKAGES, self._packages, _PACKAGE)):
            ids = [entry.id for entry in batch.entries if entry.collection == name]
            if ids:
                cursor = collection.find({"_id": {"$in": ids}, "books.batch": batch.number}, without)
                found |= {(name, one["_id"]): one async for one in cursor}
        return found

    async def count(self, number: int, changes: Mapping[CounterName, Change]) -> dict[str, str]:
        """Changes the counters, each once for this number, however often and by however many it is asked for.

        Returns those that refused, by id with the reason: asked again, they would again."""
        if not changes:
            return {}
        names = list(changes)
        try:
            await self._counters.bulk_write([_counting(number, name, changes[name]) for name in names], ordered=False)
        except BulkWriteError as error:
            # A counter that has this number or a later one cannot be made anew.
            problems = [one for one in error.details["writeErrors"] if one["code"] != _DUPLICATE_KEY]
            if error.details["writeConcernErrors"] or any(one["code"] not in _REFUSALS for one in problems):
                raise
            return {counter_id(names[one["index"]]): one["errmsg"] for one in problems}
        return {}

    async def close(self, owner: str, number: int) -> None:
        """The batch is done. Harmless when repeated."""
        await self._meta.update_one({"_id": META, "owner": owner, "number": number}, {"$unset": {"entries": ""}})


def counter_id(name: CounterName) -> str:
    """The `_id` of a counter. The key comes last, since it may hold any character."""
    start = f"{name.start:%Y-%m-%dT%H}" if name.start else ""
    return f"{name.kind}|{name.user}|{start}|{name.key}"


def _entry(stored: Document) -> Entry:
    """Without what another version has noted beside."""
    return Entry(**{name: stored[name] for name in Entry._fields if name in stored})


def _marking(entry: Entry, number: int) -> UpdateOne:
    where: dict[str, Any] = {"_id": entry.id, "books.counted": entry.before or None}
    if entry.collection == PACKAGES:
        where["books.due"] = entry.due
    else:
        # Not if it has ended or was archived since it was read: the mark would take away that this is due.
        where["state"] = {"$nin": sorted(ENDED)} if entry.after == IN else entry.after
    return UpdateOne(
        where,
        {"$set": {"books.counted": entry.after, "books.batch": number, **entry.put}, "$unset": _SETTLED},
    )


def _counting(number: int, name: CounterName, change: Change) -> UpdateOne:
    named = {"kind": name.kind.value, "user": name.user, "start": name.start, "key": name.key}
    update: Document = {"$set": {"batch": number, **change.put}, "$setOnInsert": named}
    for operator, fields in (("$inc", change.add), ("$min", change.low), ("$max", change.high)):
        if fields:
            update[operator] = fields
    return UpdateOne({"_id": counter_id(name), "batch": {"$lt": number}}, update, upsert=True)
