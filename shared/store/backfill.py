"""What earlier versions did not write into tests and this one needs: written afterwards, once.

Before 0.2 tests had no facets, by which lists find them, and were not in the books, from which usage, cost and totals
come. Only tests that have ended are touched: one that still runs may yet be ended by a service of the earlier version,
which tells the books nothing. So it is run when the last of these has ended; it is harmless when repeated.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

import structlog
from pydantic import ValidationError
from pymongo import UpdateOne
from pymongo.asynchronous.collection import AsyncCollection

from shared.domain.lifecycle import ENDED
from shared.store.connect import Database
from shared.store.documents import Document, Execution

log = structlog.get_logger()

BATCH: Final = 500
_PATIENCE_S: Final = 10
_NOT_NEEDED: Final = {"outbox": 0, "input.agent_code": 0, "input.env": 0, "history": 0, "result.response_json": 0}


async def backfill(database: Database, now: datetime, *, most_due: int | None = None) -> int:
    """Fills in facets and marks as due for the counters; how many tests it did. One that cannot be read is left.

    `most_due`: waits while so many are due, since totals look at each of these; not where nobody counts them."""
    tests = database["executions"]
    filled = 0
    writes: list[UpdateOne] = []
    ended = {"facets": None, "state": {"$in": sorted(ENDED)}}
    async for found in tests.find(ended, _NOT_NEEDED).hint("facets").batch_size(BATCH):
        new = _facets(found)
        if new is None:
            continue
        # Not where the books know it by now, and before the facets: who dies in between finds it again.
        writes.append(UpdateOne({"_id": found["_id"], "books": None}, {"$set": {"books": {"due": now}}}))
        writes.append(UpdateOne({"_id": found["_id"]}, {"$set": {"facets": new}}))
        filled += 1
        if len(writes) >= 2 * BATCH:
            await tests.bulk_write(writes)
            writes = []
            if most_due is not None:
                await _room(tests, most_due)
    if writes:
        await tests.bulk_write(writes)
    if filled:
        log.info("tests_backfilled", count=filled)
    return filled


async def _room(tests: AsyncCollection[Document], most_due: int) -> None:
    last, waited = None, 0
    while (due := await tests.count_documents({"books.due": {"$exists": True}}, hint="books")) > most_due:
        waited = 0 if last is None or due < last else waited + 1
        if waited == _PATIENCE_S:
            return
        last = due
        await asyncio.sleep(1)


def _facets(found: Document) -> list[str] | None:
    try:
        return Execution.model_validate(found).facets()
    except ValidationError as error:
        log.error("test_not_backfilled", test_id=found["_id"], error=str(error)[:200])
        return None
