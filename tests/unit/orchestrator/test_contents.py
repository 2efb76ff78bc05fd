"""What launches remember of the files that they read."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from services.orchestrator.contents import Contents
from services.orchestrator.ports import Bundle, TaskSpec
from services.orchestrator.specification import specification
from shared.domain.lifecycle import State
from shared.ids import UserId
from shared.store.documents import StoredFile
from tests.support.samples import execution, task


class Stored:
    """A store that answers late, and counts how often it is asked."""

    def __init__(self) -> None:
        self.reads: list[str] = []

    async def read(self, user: UserId, digest: str) -> bytes | None:
        self.reads.append(digest)
        await asyncio.sleep(0)
        return digest.encode()


def spec(digest: str) -> TaskSpec:
    test = execution(State.BUILDING)
    whole = specification(test.model_copy(update={"task": task(test.id, 1)}))
    return replace(whole, project=Bundle(digest, (StoredFile(path="a", size=len(digest), sha256=""),)))


async def test_launches_of_one_project_that_come_together_read_it_once_and_remember_it() -> None:
    stored = Stored()
    contents = Contents(stored, most_remembered=8)
    assert await asyncio.gather(*(contents.of(spec("five!")) for _ in range(9))) == [b"five!"] * 9
    assert await contents.of(spec("five!")) == b"five!"
    assert stored.reads == ["five!"]


async def test_what_was_read_longest_ago_is_forgotten_first() -> None:
    stored = Stored()
    contents = Contents(stored, most_remembered=8)
    for digest in ("aaaa", "bbbb", "aaaa", "cccc", "aaaa", "bbbb"):
        await contents.of(spec(digest))
    assert stored.reads == ["aaaa", "bbbb", "cccc", "bbbb"]
