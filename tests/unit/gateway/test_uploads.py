"""How many uploads may be on their way at once, and how much they may hold."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.gateway.archives import intake as module
from services.gateway.archives.archive import Limits
from services.gateway.archives.intake import MOST_UPLOADS, Intake, Keeping
from services.gateway.errors import Busy, TooManyUploads
from shared.clock import SystemClock
from tests.support.archive_bytes import zipped
from tests.support.samples import ALICE, BOB
from tests.support.until import until

LIMITS = Limits("an upload", 10, 1 << 20)


class Store:
    """Holds nothing and takes everything."""

    async def use(self, *_: Any) -> None:
        return None

    async def used(self, _: str) -> int:
        return 0

    async def put(self, *_: Any, **__: Any) -> None:
        return None


def new() -> Intake:
    store: Any = Store()
    return Intake(store, SystemClock(), Keeping(LIMITS, LIMITS, 90, 1 << 30))


async def pieces(*content: bytes, until_set: asyncio.Event | None = None) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece
    if until_set is not None:
        await until_set.wait()


async def test_a_user_has_only_so_many_uploads_under_way() -> None:
    intake, end = new(), asyncio.Event()
    data = zipped({"a.py": "x"})
    async with asyncio.TaskGroup() as group:
        for _ in range(MOST_UPLOADS):
            group.create_task(intake.upload(pieces(data, until_set=end), ALICE))
        await until(lambda: intake._received_bytes == MOST_UPLOADS * len(data))
        with pytest.raises(TooManyUploads):
            await intake.upload(pieces(data), ALICE)
        assert (await intake.upload(pieces(data), BOB)).files
        end.set()
    assert (await intake.upload(pieces(data), ALICE)).files


async def test_all_uploads_together_hold_only_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    intake, end = new(), asyncio.Event()
    data = zipped({"a.py": "x"})
    monkeypatch.setattr(module, "MOST_RECEIVED", 2 * len(data) - 1)
    async with asyncio.TaskGroup() as group:
        group.create_task(intake.upload(pieces(data, until_set=end), ALICE))
        await until(lambda: intake._received_bytes == len(data))
        with pytest.raises(Busy):
            await intake.upload(pieces(data), BOB)
        end.set()
    assert (await intake.upload(pieces(data), BOB)).files
