"""Keeps the counters of usage and cost: what was handed in, what ended and how, what it took, what it costs.

One orchestrator at a time does it, for all. The books say who, and what to do again after a crash
(`shared.store.books`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from itertools import chain
from typing import Any, Final

import structlog
from pydantic import ValidationError

from services.orchestrator.bill import charge_of, facts_of
from services.orchestrator.metrics import COUNTED, COUNTING_LAG
from services.orchestrator.ports import Accounts
from shared.clock import Clock
from shared.domain.pricing import Prices, for_object
from shared.domain.usage import IN, Change, CounterName, changes, counted_as, merged, stored
from shared.store.books import PACKAGES, TESTS, Batch, Entry
from shared.store.documents import Document, Execution

log = structlog.get_logger()

Counted = tuple[CounterName, Change]

SETTLING: Final = timedelta(seconds=1)
"""A short test has ended by then and is counted once, instead of as handed in first."""
LOG_PATIENCE: Final = timedelta(seconds=60)
HOLD: Final = timedelta(seconds=30)
LIMIT: Final = 200
LOOK_ALL: Final = 30
"""Every so many rounds, and in the first one, an open batch of a predecessor is looked for though nothing is due."""


class Bookkeeping:
    """From the documents to the counters."""

    def __init__(self, books: Accounts, clock: Clock, *, owner: str, prices: Prices, charged: frozenset[str]) -> None:
        self._books = books
        self._clock = clock
        self._owner = owner
        self._prices = prices
        self._charged = charged
        self._rounds = 0

    async def round(self) -> None:
        """Counts everything that is due now."""
        look = self._rounds % LOOK_ALL == 0
        self._rounds += 1
        entries = await self._due()
        if not entries and not look:
            return
        now = self._clock.now()
        left_open = await self._books.take(self._owner, now, now + HOLD)
        if left_open is None:
            return
        if left_open.number:
            log.info("open_batch_counted", number=left_open.number, entries=len(left_open.entries))
            await self._count(left_open)
            entries = await self._due()
        while entries:
            batch = await self._books.begin(self._owner, entries)
            if batch is None or not await self._count(batch):
                return  # somebody else keeps the books now, or all of it has moved on: the next round looks again
            entries = await self._due()

    async def _due(self) -> list[Entry]:
        now = self._clock.now()
        tests = await self._books.due(now - SETTLING, LOG_PATIENCE, LIMIT)
        packages = await self._books.due_packages(now - SETTLING, LIMIT)
        if tests:
            COUNTING_LAG.set((now - tests[0]["books"]["due"]).total_seconds())
        elif not packages:
            COUNTING_LAG.set(0)
        return [
            *(entry for entry in map(self._of_test, tests) if entry is not None),
            *(
                Entry(PACKAGES, one["_id"], one["books"].get("counted", ""), str(one["generation"]), {})
                for one in packages
            ),
        ]

    def _of_test(self, document: Document) -> Entry | None:
        try:
            test = Execution.model_validate(document)
        except ValidationError as error:  # one that nobody can read keeps the others from nothing
            log.error("test_not_counted", test_id=document["_id"], error=str(error)[:200])
            return None
        before = test.books.counted if test.books else ""
        put: dict[str, Any] = {}
        if before in {"", IN}:  # else it has its cost, by the prices of that time
            charge = charge_of(test, self._prices, self._charged)
            if charge is not None and test.result is not None:
                put["result.cost"] = charge._asdict()
        return Entry(TESTS, test.id, before, counted_as(test.state), put)

    async def _count(self, batch: Batch) -> bool:
        """Marks, counts and closes; whether anything of the batch still stood."""
        await self._books.mark(batch)
        members = await self._books.members(batch)
        labels = await self._books.labels(
            one["test_id"] for (collection, _), one in members.items() if collection == PACKAGES
        )
        found = merged(
            chain.from_iterable(
                self._changes(entry, members[entry.collection, entry.id], labels)
                for entry in batch.entries
                if (entry.collection, entry.id) in members
            )
        )
        await self._books.count(batch.number, found)
        await self._books.close(self._owner, batch.number)
        COUNTED.inc(len(members))
        return bool(members)

    def _changes(self, entry: Entry, document: Document, labels: Mapping[str, list[str]]) -> Iterable[Counted]:
        if entry.collection == TESTS:
            # By the batch, and not by where it stands: it may have been archived a moment ago.
            facts = facts_of(Execution.model_validate(document), entry.put.get("result.cost"))
            return changes(facts, entry.before, entry.after)
        made, until = document["ready_at"], document["expires_at"]
        charge = for_object(self._prices, document["size"], until - made)
        found = labels.get(document["test_id"], [])
        return stored(document["user_id"], document["agent_id"], found, made, charge)
