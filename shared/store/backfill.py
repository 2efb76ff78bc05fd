"""What earlier versions did not write into tests and this one needs: written afterwards, once.

Before 0.2 tests had no facets, by which lists find them, and were not in the books, from which usage, cost and totals
come. Run it when the last service of the earlier version has ended; it is harmless when repeated.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import structlog
from pydantic import ValidationError
from pymongo import UpdateOne

from shared.store.connect import Database
from shared.store.documents import Document, Execution

log = structlog.get_logger()

BATCH: Final = 500
_NOT_NEEDED: Final = {"outbox": 0, "input.agent_code": 0, "input.env": 0, "history": 0, "result.response_json": 0}


async def backfill(database: Database, now: datetime) -> int:
    """Fills in facets and marks as due for the counters; how many tests it did. One that cannot be read is left."""
    tests = database["executions"]
    filled = 0
    writes: list[UpdateOne] = []
    async for found in tests.find({"facets": None}, _NOT_NEEDED).hint("facets").batch_size(BATCH):
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
    if writes:
        await tests.bulk_write(writes)
    if filled:
        log.info("tests_backfilled", count=filled)
    return filled


def _facets(found: Document) -> list[str] | None:
    try:
        return Execution.model_validate(found).facets()
    except ValidationError as error:
        log.error("test_not_backfilled", test_id=found["_id"], error=str(error)[:200])
        return None
