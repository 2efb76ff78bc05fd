"""The deployment packages: asked for, made by one packager at a time, read, and removed after their time.

Every change of state is one compare-and-set that carries the event that tells of it. Who lost the race is told so; what
an owner has made whose claim was taken over meanwhile is not taken from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from shared.domain.packages import PackageState
from shared.errors import Conflict
from shared.events.base import Event
from shared.events.letter import Letter
from shared.ids import PackageId, TestId, UserId
from shared.store import outbox
from shared.store.connect import Database, quick
from shared.store.documents import Document
from shared.store.outbox import Outbox
from shared.store.package_documents import Package, PackageClaim, PackageFile

REMEMBERED: Final = 32
"""Request ids that are kept with a package, newest last."""
_NEVER: Final = {"outbox": 0}
_BRIEF: Final = {"outbox": 0, "files": 0}
_NEW_GENERATION: Final = dict.fromkeys(
    ("ready_at", "expires_at", "key", "size", "sha256", "content_hash", "service_name", "files", "failure"), ""
)


class RequestKeyTaken(Conflict):
    """The request id belongs to another package."""


class Requested(NamedTuple):
    """What asking for a package answers: the package, and whether this call stored it."""

    package: Package
    created: bool


class Kept(NamedTuple):
    """How many packages lie in the bucket, and their size in bytes."""

    packages: int
    size: int


class Made(NamedTuple):
    """What is stored of a package that was made."""

    key: str
    size: int
    sha256: str
    content_hash: str
    service_name: str
    files: Sequence[PackageFile]
    ready_at: datetime
    expires_at: datetime


class Packages:
    """The collection of packages."""

    def __init__(self, database: Database, told: Callable[[Sequence[Letter]], None]) -> None:
        self._collection = database["packages"]
        self._quick = quick(database, "packages")
        self._outbox = Outbox(database, "packages")
        self._told = told
        """Called with the events of a write that succeeded, so that they are published at once."""

    # -- asking for one

    async def request(self, package: Package, telling: Event) -> Requested:
        """Stores a new package with the event that tells of it; the same test and options give the one there is.

        Raises RequestKeyTaken where a request id of it belongs to another package of the user."""
        letter = _letter(telling, package.id, package.traceparent)
        document = package.model_dump(by_alias=True, exclude_none=True)
        document["outbox"] = [outbox.entry(letter, telling.at)]
        try:
            await self._collection.insert_one(document)
        except DuplicateKeyError:
            found = await self._collection.find_one(
                {"test_id": package.test_id, "options_hash": package.options_hash}, _NEVER
            )
            if found is None:  # it is the request id that is taken
                raise RequestKeyTaken from None
            return Requested(Package.model_validate(found), created=False)
        self._told([letter])
        return Requested(package, created=True)

    async def of_request(self, user: UserId, request_key: str) -> Package | None:
        """The package that this user asked for with this request id."""
        found = await self._collection.find_one({"user_id": user, "request_keys": request_key}, _NEVER)
        return Package.model_validate(found) if found else None

    async def remember(self, package: PackageId, request_key: str) -> bool:
        """Keeps a request id with a package; False where it belongs to another one already."""
        try:
            await self._collection.update_one(
                {"_id": package, "request_keys": {"$ne": request_key}},
                {"$push": {"request_keys": {"$each": [request_key], "$slice": -REMEMBERED}}},
            )
        except DuplicateKeyError:
            return False
        return True

    async def renew(
        self, package: Package, *, at: datetime, claim: PackageClaim, telling: Sequence[Event], traceparent: str
    ) -> Package | None:
        """Begins the next generation of a package that expired or failed; None where it is not as it was any more."""
        return await self._change(
            {"_id": package.id, "state": package.state, "generation": package.generation},
            {
                "$set": {
                    "state": PackageState.GENERATING,
                    "generation": package.generation + 1,
                    "requested_at": at,
                    "claim": claim.model_dump(),
                    "deaths": 0,
                    "traceparent": traceparent,
                },
                "$unset": _NEW_GENERATION,
            },
            telling,
            package.id,
            traceparent,
        )

    # -- making it

    async def claim(
        self, package: PackageId, claim: PackageClaim, now: datetime, *, died: bool = True
    ) -> Package | None:
        """Takes a package up that nobody makes, or whose maker has gone silent (or is ours, from before a restart);
        None where it is not GENERATING, or somebody is at it. A maker that has gone silent has `died`, if anything."""
        wanted: Document = {"_id": package, "state": PackageState.GENERATING}
        taken = {"$set": {"claim": claim.model_dump()}}
        free = await self._change({**wanted, "claim.owner": ""}, taken)
        if free is not None:
            return free
        silent = {"$or": [{"claim.until": {"$lt": now}}, {"claim.owner": claim.owner}]}
        return await self._change({**wanted, **silent}, {**taken, "$inc": {"deaths": int(died)}})

    async def prolong(self, packages: Iterable[PackageId], owner: str, until: datetime) -> None:
        """Prolongs a packager's claims in one write."""
        await self._quick.update_many(
            {"_id": {"$in": list(packages)}, "claim.owner": owner}, {"$set": {"claim.until": until}}
        )

    async def postpone(self, package: Package, until: datetime) -> None:
        """Gives a claim back; the package is tried again at `until`."""
        await self._collection.update_one(
            _claimed(package), {"$set": {"claim": PackageClaim(until=until).model_dump()}}
        )

    async def ready(self, package: Package, made: Made, telling: Event) -> bool:
        """GENERATING to READY; False where the claim was lost."""
        fields = made._asdict() | {"files": [file.model_dump() for file in made.files], "state": PackageState.READY}
        fields["books.due"] = made.ready_at
        # Kept apart until it is counted: the next generation forgets the rest.
        fields[f"books.made.{package.generation}"] = {name: fields[name] for name in ("size", "ready_at", "expires_at")}
        return await self._finish(package, fields, telling)

    async def failed(self, package: Package, failure: Document, telling: Event) -> bool:
        """GENERATING to FAILED; False where the claim was lost."""
        return await self._finish(package, {"state": PackageState.FAILED, "failure": failure}, telling)

    # -- afterwards

    async def expire(self, package: Package, telling: Event) -> bool:
        """READY to EXPIRED; False where it was made again, or somebody else said so."""
        changed = await self._change(
            {"_id": package.id, "state": PackageState.READY, "generation": package.generation},
            {"$set": {"state": PackageState.EXPIRED}},
            [telling],
            package.id,
            package.traceparent,
        )
        return changed is not None

    async def count_download(self, package: PackageId) -> int | None:
        """Counts one download; how many there were, or None where there is no such package."""
        found = await self._collection.find_one_and_update(
            {"_id": package}, {"$inc": {"downloads": 1}}, {"downloads": 1}, return_document=ReturnDocument.AFTER
        )
        return int(found["downloads"]) if found else None

    # -- reading

    async def get(self, package: PackageId) -> Package | None:
        """The package with everything but its outbox."""
        found = await self._collection.find_one({"_id": package}, _NEVER)
        return Package.model_validate(found) if found else None

    async def still_made(self, packages: Iterable[PackageId]) -> set[PackageId]:
        """Those of `packages` that are GENERATING."""
        wanted = {"_id": {"$in": list(packages)}, "state": PackageState.GENERATING}
        return {found["_id"] async for found in self._collection.find(wanted, {"_id": 1})}

    async def page(
        self,
        *,
        user_id: UserId | None,
        test_id: TestId | None,
        agent_id: str,
        states: frozenset[PackageState],
        now: datetime,
        before: PackageId | None,
        limit: int,
    ) -> list[Package]:
        """At most `limit` packages without their files, newest first, older than the package `before`.

        States as they are at `now`: one that is READY and whose time is over counts as EXPIRED."""
        where: Document = _standing_in(states, now)
        if user_id is not None:
            where["user_id"] = user_id
        if test_id is not None:
            where["test_id"] = test_id
        if agent_id:
            where["agent_id"] = agent_id
        if before is not None:
            where["_id"] = {"$lt": before}
        cursor = self._collection.find(where, _BRIEF).sort("_id", DESCENDING).limit(limit)
        return [Package.model_validate(found) async for found in cursor]

    async def kept(self) -> Kept:
        """What there is of packages now, added up from an index alone."""
        cursor = await self._collection.aggregate(
            [
                {"$match": {"state": PackageState.READY}},
                {"$group": {"_id": None, "count": {"$sum": 1}, "size": {"$sum": "$size"}}},
            ],
            hint="stored",
        )
        found = await cursor.to_list()
        return Kept(found[0]["count"], found[0]["size"]) if found else Kept(0, 0)

    # -- looking for work without an event

    async def unmade(self, now: datetime, limit: int) -> list[PackageId]:
        """Packages that nobody makes and whose time to be tried has come, the longest waiting first."""
        cursor = (
            self._collection.find({"claim.until": {"$lt": now}}, {"_id": 1}).sort("claim.until", ASCENDING).limit(limit)
        )
        return [found["_id"] async for found in cursor]

    async def claimed_by(self, owner: str, limit: int) -> list[PackageId]:
        """Packages that this packager has claimed."""
        return [found["_id"] async for found in self._collection.find({"claim.owner": owner}, {"_id": 1}).limit(limit)]

    async def over(self, now: datetime, limit: int) -> list[Package]:
        """Packages whose time is over, and nobody has said so; the oldest first."""
        wanted = {"state": PackageState.READY, "expires_at": {"$lte": now}}
        cursor = self._collection.find(wanted, _BRIEF).sort("expires_at", ASCENDING).limit(limit)
        return [Package.model_validate(found) async for found in cursor]

    # -- the outbox (shared.bus.relay.Outboxes)

    async def clear(self, sent: Sequence[tuple[str, str]]) -> None:
        """Removes published events from their documents."""
        await self._outbox.clear(sent)

    async def unsent(self, before: datetime, limit: int) -> list[Letter]:
        """Events that were written before `before` and are still there."""
        return await self._outbox.unsent(before, limit)

    # --

    async def _finish(self, package: Package, fields: dict[str, Any], telling: Event) -> bool:
        changed = await self._change(
            _claimed(package), {"$set": fields, "$unset": {"claim": ""}}, [telling], package.id, package.traceparent
        )
        return changed is not None

    async def _change(
        self,
        where: Document,
        update: Document,
        telling: Sequence[Event] = (),
        package: PackageId | None = None,
        traceparent: str = "",
    ) -> Package | None:
        letters = [_letter(event, package or "", traceparent) for event in telling]
        if letters:
            entries = [outbox.entry(letter, event.at) for letter, event in zip(letters, telling, strict=True)]
            update = {**update, "$push": {"outbox": {"$each": entries}}}
        found = await self._collection.find_one_and_update(where, update, _NEVER, return_document=ReturnDocument.AFTER)
        if found is None:
            return None
        self._told(letters)
        return Package.model_validate(found)


def _letter(event: Event, package: str, traceparent: str) -> Letter:
    return Letter.of(event, traceparent, holder=package)


def _claimed(package: Package) -> Document:
    assert package.claim is not None
    return {"_id": package.id, "state": PackageState.GENERATING, "claim.token": package.claim.token}


def _standing_in(states: frozenset[PackageState], now: datetime) -> Document:
    over: Document = {"state": PackageState.READY, "expires_at": {"$lte": now}}
    stored: Document = {"state": {"$in": sorted(states)}}
    ready, expired = PackageState.READY in states, PackageState.EXPIRED in states
    if expired and not ready:
        return {"$or": [stored, over]}
    if ready and not expired:
        return {**stored, "$nor": [over]}
    return stored
