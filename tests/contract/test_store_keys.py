import asyncio
from datetime import timedelta
from typing import Any

import pytest

from shared.ids import UserId
from shared.store.connect import Database
from shared.store.documents import ApiKey
from shared.store.keys import PREFIX, ApiKeys, hash_of, new_secret
from tests.support.samples import ALICE, BOB, NOW

LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def keys(database: Database) -> ApiKeys:
    return ApiKeys(database)


async def test_a_key_is_found_by_its_secret_and_the_secret_is_not_stored(keys: ApiKeys, database: Database) -> None:
    secret = new_secret()
    added = await keys.add(secret, user=ALICE, role="admin", now=NOW, expires_at=NOW + timedelta(days=1), name="ci")
    assert await keys.find(secret) == added
    assert (added.user_id, added.role, added.expires_at) == (ALICE, "admin", NOW + timedelta(days=1))
    assert (added.name, added.prefix) == ("ci", secret[:10])
    assert await keys.get(added.key_id) == added
    assert added.hash == hash_of(secret)
    assert secret not in str(await database["api_keys"].find().to_list())


async def test_an_unknown_key_is_none(keys: ApiKeys) -> None:
    assert await keys.find(new_secret()) is None
    assert await keys.find("") is None
    assert await keys.get("key_" + "0" * 32) is None


async def test_the_same_key_added_twice_is_one_key(keys: ApiKeys, database: Database) -> None:
    secret = new_secret()
    added = await asyncio.gather(*(keys.add(secret, user=ALICE, role="user", now=NOW) for _ in range(20)))
    assert len({key.key_id for key in added}) == 1
    assert await database["api_keys"].count_documents({}) == 1


def test_secrets_are_long_and_differ() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(secret.startswith(PREFIX) and len(secret) >= len(PREFIX) + 43 for secret in secrets)


async def made(keys: ApiKeys, user: UserId = ALICE, **more: Any) -> ApiKey:
    return await keys.add(new_secret(), user=user, role="user", now=NOW, **more)


async def ids(
    keys: ApiKeys, *, user: UserId | None = None, ended: bool = False, before: str | None = None
) -> list[str]:
    return [key.key_id for key in await keys.page(user=user, ended=ended, now=LATER, before=before, limit=2)]


async def test_keys_are_listed_newest_first_in_pages_of_one_user_or_all(keys: ApiKeys) -> None:
    first, bobs, third, fourth = [await made(keys, user) for user in (ALICE, BOB, ALICE, ALICE)]
    assert await ids(keys) == [fourth.key_id, third.key_id]
    assert await ids(keys, before=third.key_id) == [bobs.key_id, first.key_id]
    assert await ids(keys, before=first.key_id) == []
    assert await ids(keys, user=ALICE, before=third.key_id) == [first.key_id]
    assert await ids(keys, user=BOB) == [bobs.key_id]


async def test_keys_that_work_no_more_are_listed_only_when_asked_for(keys: ApiKeys) -> None:
    works = await made(keys, expires_at=LATER + timedelta(seconds=1))
    expired, revoked = await made(keys, expires_at=LATER), await made(keys)
    await keys.revoke(revoked.key_id, NOW)
    assert await ids(keys) == [works.key_id]
    assert await ids(keys, ended=True) == [revoked.key_id, expired.key_id]


async def test_a_key_is_revoked_once_and_keeps_its_time(keys: ApiKeys) -> None:
    key, other = await made(keys), await made(keys)
    done = await asyncio.gather(*(keys.revoke(key.key_id, NOW + timedelta(seconds=place)) for place in range(10)))
    assert sum(one.ended for one in done if one) == 1
    assert len({one.key.revoked_at for one in done if one}) == 1
    again = await keys.revoke(key.key_id, LATER)
    assert again is not None
    assert (again.ended, again.key.revoked_at != LATER) == (0, True)
    untouched = await keys.get(other.key_id)
    assert untouched is not None
    assert untouched.revoked_at is None
    assert await keys.revoke("key_" + "0" * 32, NOW) is None


async def test_all_keys_of_a_user_are_revoked_and_nobody_elses(keys: ApiKeys) -> None:
    before, _, newest, bobs = [await made(keys, user) for user in (ALICE, ALICE, ALICE, BOB)]
    await keys.revoke(before.key_id, NOW)
    done = await keys.revoke_all(ALICE, LATER)
    assert done is not None
    assert (done.ended, done.key.key_id, done.key.revoked_at) == (2, newest.key_id, LATER)
    again = await keys.revoke_all(ALICE, LATER)
    assert again is not None
    assert again.ended == 0
    first = await keys.get(before.key_id)
    assert first is not None
    assert first.revoked_at == NOW
    assert await ids(keys) == [bobs.key_id]
    assert await keys.revoke_all(UserId("nobody"), NOW) is None


async def test_the_last_use_never_goes_back(keys: ApiKeys) -> None:
    key = await made(keys)
    assert key.last_used_at is None
    for at in (NOW, LATER, NOW):
        await keys.used(key, at)
    found = await keys.get(key.key_id)
    assert found is not None
    assert found.last_used_at == LATER
