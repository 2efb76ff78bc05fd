import asyncio
from datetime import timedelta

import pytest

from shared.store.connect import Database
from shared.store.keys import PREFIX, ApiKeys, hash_of, new_secret
from tests.support.samples import ALICE, NOW


@pytest.fixture
def keys(database: Database) -> ApiKeys:
    return ApiKeys(database)


async def test_a_key_is_found_by_its_secret_and_the_secret_is_not_stored(keys: ApiKeys, database: Database) -> None:
    secret = new_secret()
    added = await keys.add(secret, user=ALICE, role="admin", now=NOW, expires_at=NOW + timedelta(days=1))
    assert await keys.find(secret) == added
    assert (added.user_id, added.role, added.expires_at) == (ALICE, "admin", NOW + timedelta(days=1))
    assert added.hash == hash_of(secret)
    assert secret not in str(await database["api_keys"].find().to_list())


async def test_an_unknown_key_is_none(keys: ApiKeys) -> None:
    assert await keys.find(new_secret()) is None
    assert await keys.find("") is None


async def test_the_same_key_added_twice_is_one_key(keys: ApiKeys, database: Database) -> None:
    secret = new_secret()
    added = await asyncio.gather(*(keys.add(secret, user=ALICE, role="user", now=NOW) for _ in range(20)))
    assert len({key.key_id for key in added}) == 1
    assert await database["api_keys"].count_documents({}) == 1


def test_secrets_are_long_and_differ() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(secret.startswith(PREFIX) and len(secret) >= len(PREFIX) + 43 for secret in secrets)
