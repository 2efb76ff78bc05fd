"""How many files of a user may be on their way at once."""

import asyncio
from contextlib import AsyncExitStack, aclosing
from typing import Any

import pytest

from assay.v1 import test_service_pb2 as pb
from services.gateway.archives.download import MOST_AT_ONCE, Downloads
from services.gateway.archives.remembered import Remembered
from services.gateway.caller import Caller
from services.gateway.errors import TooManyDownloads
from shared.domain.files import join
from shared.store.documents import ArchiveRef, Execution, Input, StoredFile
from tests.support.samples import ALICE, BOB, execution

FILES = join({"a.bin": b"x" * 100})


class Store:
    """One test and its files, whoever asks."""

    def __init__(self, test: Execution) -> None:
        self.test = test
        self.reads = 0

    async def get(self, test_id: str) -> Execution:
        return self.test

    async def read(self, user: str, digest: str) -> bytes:
        self.reads += 1
        await asyncio.sleep(0)
        return FILES.data


async def test_a_user_has_only_so_many_downloads_under_way() -> None:
    files = [StoredFile(**file._asdict()) for file in FILES.files]
    test = execution(input=Input(agent_code="x", inputs=ArchiveRef(digest=FILES.digest, files=files)))
    store: Any = Store(test)
    downloads = Downloads(store, store, store)
    request = pb.DownloadFileRequest(test_id=test.id, kind=pb.FILE_KIND_INPUT, path="a.bin")
    alice, admin = Caller(ALICE), Caller(BOB, admin=True)
    async with AsyncExitStack() as stack:
        for _ in range(MOST_AT_ONCE):
            under_way = await stack.enter_async_context(aclosing(downloads.download(request, alice)))  # type: ignore[type-var]
            assert (await anext(under_way)).file.path == "a.bin"
        with pytest.raises(TooManyDownloads):
            await anext(downloads.download(request, alice))
        assert (await anext(downloads.download(request, admin))).file.size == 100
    assert [message.data async for message in downloads.download(request, alice)] == [b"", FILES.data]


async def test_files_that_are_asked_for_one_by_one_are_read_once() -> None:
    store: Any = Store(execution())
    files = Remembered(store)
    assert await asyncio.gather(*(files.read(ALICE, FILES.digest) for _ in range(20))) == [FILES.data] * 20
    assert store.reads == 1
    await files.read(BOB, FILES.digest)
    assert store.reads == 2  # one user's digest opens nothing of another's


async def test_what_is_remembered_has_a_bound_and_an_end() -> None:
    store: Any = Store(execution())
    for files in (Remembered(store, most=10), Remembered(store, lasts_s=0)):
        store.reads = 0
        assert [await files.read(ALICE, FILES.digest) for _ in range(2)] == [FILES.data] * 2
        assert store.reads == 2
