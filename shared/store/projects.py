"""The files that users hand in with their tests: a project, inputs. Once for each user and digest, as one piece.

Whoever uses them moves their end on; what nobody has used for its time the database removes by itself. One user's
digest opens nothing of another's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from bson.binary import Binary
from pydantic import Field
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from shared.domain.files import Listed, stored_size
from shared.ids import UserId
from shared.store.connect import Database
from shared.store.documents import ArchiveRef, Document, Part, StoredFile

MOST_BYTES: Final = 15 * 1024 * 1024
"""MongoDB: a document has at most 16 MiB."""


class StoredProject(Part):
    """Files with their content. `_id` is `<user>:<digest>`."""

    id: str = Field(alias="_id")
    user_id: UserId
    digest: str
    files: list[StoredFile]
    size: int
    """Bytes that count for the user's share (shared.domain.files.stored_size)."""
    data: bytes
    """The files' bytes, one behind the other in the order of `files`."""
    created_at: datetime
    expires_at: datetime


class Projects:
    """The collection of handed-in files."""

    def __init__(self, database: Database) -> None:
        self._collection = database["projects"]

    async def put(
        self, user: UserId, digest: str, files: Sequence[Listed], data: bytes, *, now: datetime, expires_at: datetime
    ) -> None:
        """Stores these files, at most MOST_BYTES of them. Harmless when repeated: a later end stays."""
        kept: Document = {
            "user_id": user,
            "digest": digest,
            "files": [_stored(file).model_dump() for file in files],
            "size": stored_size(files),
            "data": Binary(data),
            "created_at": now,
        }
        for last_try in (False, True):
            try:
                await self._collection.update_one(
                    {"_id": _id(user, digest)},
                    {"$setOnInsert": kept, "$max": {"expires_at": expires_at}},
                    upsert=True,
                )
            except DuplicateKeyError:  # somebody stored the same at this moment; now there is one to update
                if last_try:
                    raise
            else:
                return

    async def use(self, user: UserId, digest: str, expires_at: datetime) -> ArchiveRef | None:
        """What is stored under this digest, kept until `expires_at` at least; None where nothing is."""
        found = await self._collection.find_one_and_update(
            {"_id": _id(user, digest)},
            {"$max": {"expires_at": expires_at}},
            {"digest": 1, "files": 1},
            return_document=ReturnDocument.AFTER,
        )
        return ArchiveRef.model_validate(found) if found else None

    async def listed(self, user: UserId, digest: str) -> ArchiveRef | None:
        """What is stored under this digest; None where nothing is."""
        found = await self._collection.find_one({"_id": _id(user, digest)}, {"digest": 1, "files": 1})
        return ArchiveRef.model_validate(found) if found else None

    async def read(self, user: UserId, digest: str) -> bytes | None:
        """The files' bytes in one piece; None where nothing is stored under this digest (any more)."""
        found = await self._collection.find_one({"_id": _id(user, digest)}, {"data": 1})
        return bytes(found["data"]) if found else None

    async def used(self, user: UserId) -> int:
        """Bytes that are stored for this user."""
        sums = await self._collection.aggregate(
            [
                {"$match": {"user_id": user}},
                {"$group": {"_id": None, "size": {"$sum": "$size"}}},
            ]
        )
        return sum([int(one["size"]) async for one in sums])


def _id(user: UserId, digest: str) -> str:
    return f"{user}:{digest}"


def _stored(file: Listed) -> StoredFile:
    return StoredFile(path=file.path, size=file.size, sha256=file.sha256, executable=file.executable)
