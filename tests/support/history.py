"""What tests of lists, the archive, statistics and reports ask of a gateway, and the ends of time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from assay.v1 import test_service_pb2 as pb
from services.orchestrator.bookkeeping import Bookkeeping
from shared.domain.pricing import Prices
from shared.store.books import Books
from tests.support.gateway import Client, Stage, now

FIRST, LAST = -62_135_596_800, 253_402_300_799
"""The first and the last second of the years 1 to 9999, as a Timestamp has them."""
LONGEST = 315_576_000_000
"""Seconds of the longest Duration."""
FAILURE = {"code": "AGENT_EXCEPTION", "stage": "run", "message": "KeyError: 'city'", "hint": "h"}


async def listed(client: Client, **filters: Any) -> list[str]:
    """Ids of the first page."""
    more = {name: filters.pop(name) for name in ("order", "page_size") if name in filters}
    page = await client.call("ListTests", pb.ListTestsRequest(filter=pb.TestFilter(**filters), **more))
    return [test.id for test in page.tests]


async def turned(client: Client, request: pb.ListTestsRequest) -> list[str]:
    """Ids of all pages."""
    seen: list[str] = []
    while True:
        page = await client.call("ListTests", request)
        seen += [test.id for test in page.tests]
        request.page_token = page.next_page_token
        if not request.page_token:
            return seen


async def counted(stage: Stage) -> None:
    """The bookkeeper's round, a while later."""

    class Later:
        def now(self) -> datetime:
            return now() + timedelta(minutes=5)

    books = Books(stage.others.database)
    await Bookkeeping(books, Later(), owner="one", prices=Prices(), charged=frozenset({"scripted"})).round()


async def run_with(stage: Stage, client: Client, run_ms: float, **spec: Any) -> str:
    """A test that ran for so long."""
    test = await client.submit(agent_id="shop", agent_name="Shop", **spec)
    await stage.others.started(test.id)
    await stage.others.completed(test.id)
    metrics = {"run_ms": run_ms, "build_ms": run_ms / 2, "peak_memory_bytes": 1000}
    await stage.others.database["executions"].update_one({"_id": test.id}, {"$set": {"result.metrics": metrics}})
    return str(test.id)
