"""What users hand in and what agents leave, on a real MongoDB."""

import asyncio
import os
from datetime import UTC, datetime, timedelta

from shared.domain.files import cut, join
from shared.ids import UserId, new_test_id
from shared.store.artifacts import Artifacts
from shared.store.connect import Database
from shared.store.projects import Projects

ALICE, BOB = UserId("alice"), UserId("bob")
NOW = datetime(2026, 5, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=90)
FILES = join({"b.py": b"two", "a.py": b"one", "empty": b""}, ["b.py"])


async def test_files_come_back_as_they_were_stored(database: Database) -> None:
    store = Projects(database)
    await store.put(ALICE, FILES.digest, FILES.files, FILES.data, now=NOW, expires_at=LATER)
    ref = await store.listed(ALICE, FILES.digest)
    data = await store.read(ALICE, FILES.digest)
    assert ref is not None
    assert data is not None
    assert dict(cut(ref.files, data)) == {"a.py": b"one", "b.py": b"two", "empty": b""}
    assert [file.path for file in ref.files if file.executable] == ["b.py"]


async def test_a_digest_opens_nothing_of_another_user(database: Database) -> None:
    store = Projects(database)
    await store.put(ALICE, FILES.digest, FILES.files, FILES.data, now=NOW, expires_at=LATER)
    assert await store.read(BOB, FILES.digest) is None
    assert await store.listed(BOB, FILES.digest) is None
    assert await store.use(BOB, FILES.digest, LATER) is None
    assert await store.used(BOB) == 0


async def test_the_end_only_moves_on(database: Database) -> None:
    store = Projects(database)
    for end in (NOW + timedelta(days=1), LATER, NOW + timedelta(days=2)):
        await store.put(ALICE, FILES.digest, FILES.files, FILES.data, now=NOW, expires_at=end)
    assert await store.use(ALICE, FILES.digest, NOW) is not None
    found = await database["projects"].find_one({})
    assert found is not None
    assert found["expires_at"] == LATER
    assert await store.used(ALICE) == 6 + 3 * 256 + len("a.pyb.pyempty")


async def test_many_store_the_same_at_once(database: Database) -> None:
    store = Projects(database)
    await asyncio.gather(
        *(store.put(ALICE, FILES.digest, FILES.files, FILES.data, now=NOW, expires_at=LATER) for _ in range(20))
    )
    assert await database["projects"].count_documents({}) == 1


async def test_outputs_are_read_from_anywhere_in_the_piece(database: Database) -> None:
    store, test = Artifacts(database, part_bytes=1000), new_test_id()
    data = os.urandom(3500)
    await store.put(test, 2, data, LATER)
    await store.put(test, 2, data, LATER)
    assert await database["artifacts"].count_documents({}) == 4
    for within in (range(3500), range(10), range(990, 1010), range(999, 3001), range(3499, 3500), range(1000, 2000)):
        read = b"".join([part async for part in store.read(test, 2, within)])
        assert read == data[within.start : within.stop]
    assert [part async for part in store.read(test, 1, range(10))] == []
    assert [part async for part in store.read(test, 2, range(5, 5))] == []


async def test_the_database_removes_both_by_itself(database: Database) -> None:
    for name in ("projects", "artifacts"):
        index = (await database[name].index_information())["expiry"]
        assert index["expireAfterSeconds"] == 0
