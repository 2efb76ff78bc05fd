"""Tests as the bookkeeper meets them, on a real store: handed in, ended, put away; and a bookkeeper."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from services.orchestrator.bookkeeping import Bookkeeping
from shared.domain.lifecycle import State
from shared.domain.pricing import Prices
from shared.domain.usage import EVERYBODY, Kind, day
from shared.events.tests import TestArchived, TestCompleted, TestFailed, TestSubmitted
from shared.ids import TestId
from shared.store.books import META, Batch, Books
from shared.store.connect import Database
from shared.store.counters import Counter, Counters
from shared.store.documents import Execution, Metrics, Result
from shared.store.executions import Executions, Move
from tests.support.samples import ALICE, NOW, execution

LATER = NOW + timedelta(hours=1)


class Clock:
    """Stands still unless it is moved."""

    def __init__(self, at: datetime = LATER) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


class Died(Exception):
    """The process is gone."""


class Mortal(Books):
    """Dies after so many writes."""

    def __init__(self, database: Database, writes: int) -> None:
        super().__init__(database)
        self.left = writes

    def _step(self) -> None:
        if self.left == 0:
            raise Died
        self.left -= 1

    async def begin(self, owner: str, entries: Sequence[Any]) -> Batch | None:
        self._step()
        return await super().begin(owner, entries)

    async def mark(self, batch: Batch) -> None:
        self._step()
        await super().mark(Batch(batch.number, batch.entries[: len(batch.entries) // 2]))  # dies in the middle, too
        self._step()
        await super().mark(batch)

    async def count(self, number: int, changes: Any) -> dict[str, str]:
        self._step()
        some = dict(list(changes.items())[: len(changes) // 2])
        await super().count(number, some)
        self._step()
        return await super().count(number, changes)

    async def close(self, owner: str, number: int) -> None:
        self._step()
        await super().close(owner, number)


def keeper(
    database: Database, *, owner: str = "one", books: Books | None = None, clock: Clock | None = None, **more: Any
) -> Bookkeeping:
    options: dict[str, Any] = {"prices": Prices(), "charged": frozenset({"fake"}), **more}
    return Bookkeeping(books or Books(database), clock or Clock(), owner=owner, **options)


async def hand_in(tests: Executions, **given: Any) -> Execution:
    test = execution(**given)
    await tests.submit(test, TestSubmitted(test_id=test.id, user_id=test.user_id, at=test.times.submitted, priority=4))
    return test


async def end(
    tests: Executions,
    test: Execution,
    to: State = State.COMPLETED,
    *,
    at: datetime = NOW + timedelta(minutes=1),
    run_ms: float = 1000.0,
    logs_ended: bool = True,
) -> None:
    """As if it had run, whatever it did before."""
    await tests.change(
        test.id,
        where={},
        set={
            "state": State.RUNNING,
            "attempt": 1,
            "task": {"runtime": "fake", "launch_token": "t", "handle": {"number": 1}},
            "history": [
                {"state": State.BUILDING, "at": at - timedelta(seconds=90), "by": "x", "attempt": 1},
                {"state": State.RUNNING, "at": at - timedelta(seconds=80), "by": "x", "attempt": 1},
            ],
            "logs": {"ended": logs_ended, "bytes": 10**6},
        },
    )
    ids: dict[str, Any] = {"test_id": test.id, "user_id": test.user_id, "attempt": 1, "at": at}
    failed = to is State.FAILED
    failure = {"code": "AGENT_EXCEPTION", "stage": "run", "message": "m", "hint": "h"}
    result = Result(success=not failed, metrics=Metrics(run_ms=run_ms, queue_ms=10, peak_memory_bytes=1000))
    moved = await tests.move(
        Move(
            test_id=test.id,
            source=State.RUNNING,
            attempt=1,
            to=to,
            at=at,
            by="orchestrator",
            telling=(
                TestFailed(**ids, code="AGENT_EXCEPTION", stage="run", message="m")  # type: ignore[arg-type]
                if failed
                else TestCompleted(**ids),
            ),
            set={
                "times.finished": at,
                "result": result.model_dump(exclude_none=True),
                **({"failure": failure} if failed else {}),
            },
        )
    )
    assert moved


async def archive(tests: Executions, test: TestId, source: State = State.COMPLETED) -> None:
    assert await tests.move(
        Move(
            test_id=test,
            source=source,
            attempt=1,
            to=State.ARCHIVED,
            at=LATER,
            by="alice",
            telling=(TestArchived(test_id=test, user_id=ALICE, attempt=1, at=LATER),),
        )
    )


async def today(database: Database, user: str = EVERYBODY) -> Counter:
    found = await Counters(database).steps(Kind.DAY, user, day(NOW), day(NOW) + timedelta(days=1))
    assert len(found) <= 1
    return found[0] if found else Counter(kind=Kind.DAY, user=user)


async def is_closed(database: Database) -> bool:
    """Whether no batch is open."""
    return await database["meta"].count_documents({"_id": META, "entries": {"$exists": True}}) == 0
