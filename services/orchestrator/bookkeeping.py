"""Keeps the counters of usage and cost: what was handed in, what ended and how, what it took, what it costs.

One orchestrator at a time does it, for all. The books say who, and what to do again after a crash
(`shared.store.books`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple

import structlog

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
UNREADABLE_AGAIN: Final = timedelta(hours=1)
"""What cannot be counted is tried again then: it may be of a newer version, and the bookkeeper with it."""
LOOK_ALL: Final = 30
"""Every so many rounds, and in the first one, an open batch of a predecessor is looked for though nothing is due."""


class _Due(NamedTuple):
    """What is to be counted, and what cannot be: collection, document and why."""

    entries: list[Entry]
    unreadable: list[tuple[str, Document, Exception]]


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
        due = await self._due()
        if not any(due) and not look:
            return
        now = self._clock.now()
        left_open = await self._books.take(self._owner, now, now + HOLD)
        if left_open is None:
            return
        if left_open.number:
            log.info("open_batch_counted", number=left_open.number, entries=len(left_open.entries))
            await self._count(left_open)
            due = await self._due()
        while any(due):
            await self._put_off(due.unreadable)
            if due.entries:
                batch = await self._books.begin(self._owner, due.entries)
                if batch is None or not await self._count(batch):
                    return  # somebody else keeps the books now, or all of it has moved on: the next round looks again
            due = await self._due()

    async def _due(self) -> _Due:
        now = self._clock.now()
        tests = await self._books.due(now - SETTLING, LOG_PATIENCE, LIMIT)
        packages = await self._books.due_packages(now - SETTLING, LIMIT)
        if tests:
            COUNTING_LAG.set((now - tests[0]["books"]["due"]).total_seconds())
        elif not packages:
            COUNTING_LAG.set(0)
        due = _Due([], [])
        for collection, documents, read in ((TESTS, tests, self._of_test), (PACKAGES, packages, self._of_package)):
            for document in documents:
                try:
                    due.entries.append(read(document))
                except Exception as error:  # noqa: BLE001 - whatever is wrong with one of them holds up no other
                    due.unreadable.append((collection, document, error))
        return due

    async def _put_off(self, unreadable: Iterable[tuple[str, Document, Exception]]) -> None:
        until = self._clock.now() + UNREADABLE_AGAIN
        for collection, document, error in unreadable:
            reason = repr(error)[:500]
            log.error("not_counted", id=document["_id"], error=reason, again_at=until)
            await self._books.put_off(collection, document, until, reason)

    def _of_test(self, document: Document) -> Entry:
        test = Execution.model_validate(document)
        before = test.books.counted if test.books else ""
        put: dict[str, Any] = {}
        if before in {"", IN}:  # else it has its cost, by the prices of that time
            charge = charge_of(test, self._prices, self._charged)
            if charge is not None:
                put["cost"] = charge._asdict()
        entry = Entry(TESTS, test.id, before, counted_as(test.state), put)
        list(_of_run(entry, test))  # what goes wrong does so now, and not in an open batch
        return entry

    def _of_package(self, document: Document) -> Entry:
        """By what was noted each time it was made: of an earlier generation, the document has nothing else."""
        books = document["books"]
        made: dict[int, Document] = {int(generation): facts for generation, facts in books.get("made", {}).items()}
        after = str(max(made, default=document["generation"]))
        facts = [made[generation] for generation in sorted(made)]
        entry = Entry(PACKAGES, document["_id"], books.get("counted", ""), after, {}, books["due"], facts)
        list(self._of_storage(entry, document, {}))
        return entry

    async def _count(self, batch: Batch) -> bool:
        """Marks, counts and closes; whether anything of the batch still stood."""
        await self._books.mark(batch)
        members = await self._books.members(batch)
        labels = await self._books.labels(
            one["test_id"] for (collection, _), one in members.items() if collection == PACKAGES
        )
        made: list[Counted] = []
        for entry in batch.entries:
            if (document := members.get((entry.collection, entry.id))) is None:
                continue
            try:
                made += self._changes(entry, document, labels)
            except Exception as error:  # noqa: BLE001 - another version opened the batch; it is closed all the same
                reason, again = repr(error)[:500], self._clock.now() + UNREADABLE_AGAIN
                log.error("not_counted", id=entry.id, error=reason, again_at=again)
                await self._books.take_back(batch.number, entry, again, reason)
        found = merged(made)
        for counter, reason in (await self._books.count(batch.number, found)).items():
            log.error("counter_not_changed", counter=counter, number=batch.number, error=reason[:500])
        await self._books.close(self._owner, batch.number)
        COUNTED.inc(len(members))
        return bool(members)

    def _changes(self, entry: Entry, document: Document, labels: Mapping[str, list[str]]) -> list[Counted]:
        if entry.collection == PACKAGES:
            return list(self._of_storage(entry, document, labels))
        return list(_of_run(entry, Execution.model_validate(document)))

    def _of_storage(self, entry: Entry, document: Document, labels: Mapping[str, list[str]]) -> Iterator[Counted]:
        user, agent, found = document["user_id"], document["agent_id"], labels.get(document["test_id"], [])
        for made in entry.made:
            charge = for_object(self._prices, made["size"], made["expires_at"] - made["ready_at"])
            yield from stored(user, agent, found, made["ready_at"], charge)


def _of_run(entry: Entry, test: Execution) -> Iterator[Counted]:
    # By the entry, and not by where it stands: it may have been archived a moment ago.
    return changes(facts_of(test, entry.put.get("cost")), entry.before, entry.after)
