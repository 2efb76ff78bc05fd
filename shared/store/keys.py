"""API keys. Only their SHA-256 is kept: the keys are 256 random bits, so a slow hash would add nothing."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Final

from pymongo.errors import DuplicateKeyError

from shared.ids import UserId, new_key_id
from shared.store.connect import Database
from shared.store.documents import ApiKey

PREFIX: Final = "assay_"


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

    async def find(self, secret: str) -> ApiKey | None:
        """The key, whatever its state; None for one that was never made."""
        found = await self._keys.find_one({"_id": hash_of(secret)})
        return ApiKey.model_validate(found) if found else None

    async def add(
        self, secret: str, *, user: UserId, role: str, now: datetime, expires_at: datetime | None = None
    ) -> ApiKey:
        """Stores the hash of `secret`. Harmless when that key is there already."""
        key = ApiKey(
            hash=hash_of(secret), key_id=new_key_id(), user_id=user, role=role, created_at=now, expires_at=expires_at
        )
        try:
            await self._keys.insert_one(key.model_dump(by_alias=True))
        except DuplicateKeyError:
            found = await self.find(secret)
            assert found is not None
            return found
        return key
