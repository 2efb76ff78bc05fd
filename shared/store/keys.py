"""API keys. Only their SHA-256 is kept: the keys are 256 random bits, so a slow hash would add nothing."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Final, NamedTuple

from pymongo import DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from shared.ids import UserId, new_key_id
from shared.store.connect import Database, quick
from shared.store.documents import ApiKey, Document

PREFIX: Final = "assay_"
SHOWN: Final = len(PREFIX) + 4
"""Characters of a key that lists show. The 236 bits behind them are enough to keep."""


class Revoked(NamedTuple):
    """A key that works no more, of several the newest, and how many were revoked just now."""

    key: ApiKey
    ended: int


def new_secret() -> str:
    """A new key, to be shown once."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(secret.encode()).hexdigest()


class ApiKeys:
    """The collection of API keys."""

    def __init__(self, database: Database) -> None:
        self._keys = database["api_keys"]
        self._quick = quick(database, "api_keys")

    async def find(self, secret: str) -> ApiKey | None:
        """The key, whatever its state; None for one that was never made."""
        found = await self._keys.find_one({"_id": hash_of(secret)})
        return ApiKey.model_validate(found) if found else None

    async def get(self, key_id: str) -> ApiKey | None:
        """The key with this public id, whatever its state."""
        found = await self._keys.find_one({"key_id": key_id})
        return ApiKey.model_validate(found) if found else None

    async def add(
        self,
        secret: str,
        *,
        user: UserId,
        role: str,
        now: datetime,
        expires_at: datetime | None = None,
        name: str = "",
    ) -> ApiKey:
        """Stores the hash of `secret`. Harmless when that key is there already."""
        key = ApiKey(
            hash=hash_of(secret),
            key_id=new_key_id(),
            user_id=user,
            name=name,
            prefix=secret[:SHOWN] if secret.startswith(PREFIX) else "",
            role=role,
            created_at=now,
            expires_at=expires_at,
        )
        try:
            await self._keys.insert_one(key.model_dump(by_alias=True))
        except DuplicateKeyError:
            found = await self.find(secret)
            assert found is not None
            return found
        return key

    async def page(
        self, *, user: UserId | None, ended: bool, now: datetime, before: str | None, limit: int
    ) -> list[ApiKey]:
        """At most `limit` keys, newest first, older than the key `before`; those that work no more where `ended`."""
        where: Document = {}
        if not ended:
            where = {"revoked_at": None, "$or": [{"expires_at": None}, {"expires_at": {"$gt": now}}]}
        if user is not None:
            where["user_id"] = user
        if before is not None:
            where["key_id"] = {"$lt": before}
        cursor = self._keys.find(where).sort("key_id", DESCENDING).limit(limit)
        return [ApiKey.model_validate(found) async for found in cursor]

    async def revoke(self, key_id: str, now: datetime) -> Revoked | None:
        """Ends a key; None where there is none. One that was revoked before keeps its time."""
        found = await self._keys.find_one_and_update(
            {"key_id": key_id, "revoked_at": None},
            {"$set": {"revoked_at": now}},
            return_document=ReturnDocument.AFTER,
        )
        if found is not None:
            return Revoked(ApiKey.model_validate(found), 1)
        key = await self.get(key_id)
        return Revoked(key, 0) if key else None

    async def revoke_all(self, user: UserId, now: datetime) -> Revoked | None:
        """Ends all keys of a user; None where there never was one."""
        done = await self._keys.update_many({"user_id": user, "revoked_at": None}, {"$set": {"revoked_at": now}})
        newest = await self._keys.find_one(
            {"user_id": user, "revoked_at": {"$ne": None}}, sort=[("key_id", DESCENDING)]
        )
        return Revoked(ApiKey.model_validate(newest), done.modified_count) if newest else None

    async def used(self, key: ApiKey, at: datetime) -> None:
        """Notes when the key was used. Not worth waiting for the disk."""
        await self._quick.update_one({"_id": key.hash}, {"$max": {"last_used_at": at}})
