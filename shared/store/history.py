"""The tests as people look for them: by filter and order, in pages, at a cost that does not grow with their number.

One index gives the candidates in the order of the list, the rest of the filter is looked at in the documents. Of these
a call reads MOST_LOOKED_AT at the most: a page may be short, and the next one goes on where it stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from shared.ids import TestId
from shared.store.connect import Database
from shared.store.documents import Document, Execution
from shared.store.executions import BASIC, WHOLE
from shared.store.listing import RUN_MS, Leg, Order, Place, Wanted, Way, behind, legs, sort, span, ways

MOST_LOOKED_AT: Final = 1_000
"""Documents. 1,000,000 stored tests, cache of 0.25 GiB: see `docs/performance.md`."""
MOST_COUNTED: Final = 400
"""Where several indexes would do, so many of each one's entries are counted to find the one with the fewest."""


class Found(NamedTuple):
    """One page, and where the next one begins; None where there is nothing more."""

    tests: list[Execution]
    next: Place | None


class History:
    """The collection of tests, for looking and not for changing."""

    def __init__(self, database: Database) -> None:
        self._collection = database["executions"]

    async def page(
        self, wanted: Wanted, order: Order, after: Place | None, limit: int, *, whole: bool = False
    ) -> Found:
        """At most `limit` tests behind `after`; without code, answers and history unless `whole`."""
        stretches = legs(wanted, order)
        tests: list[Execution] = []
        last: Place | None = None
        for number in range(after.leg if after else 0, len(stretches)):
            here = after if after is not None and after.leg == number else None
            left = limit - len(tests)
            found, stop = await self._read(wanted, stretches[number], here, left or 1, whole=whole and left > 0)
            if not left and (found or stop):  # the page was full: this leg only shows that there is more
                return Found(tests, last)
            tests += found[:left]
            if stop is not None:
                return Found(tests, stop._replace(leg=number))
            if tests:
                last = Place(number, tests[-1].id, _run_ms(tests[-1]))
        return Found(tests, None)

    async def count(self, wanted: Wanted, limit: int | None = None) -> int:
        """How many there are, at most `limit`. Looks at each of them: a figure for a question that is asked rarely."""
        (leg,) = legs(wanted, Order.NEWEST)
        way = await self._way(wanted, leg)
        where = _all_of(way.match, way.rest, span(wanted))
        more: dict[str, Any] = {"limit": limit} if limit else {}
        return await self._collection.count_documents(where, hint=way.by, **more)

    async def _way(self, wanted: Wanted, leg: Leg) -> Way:
        """The way with the fewest candidates, as far as a short count can tell."""
        possible = ways(wanted, leg)
        if len(possible) > 1 and possible[0].rest:
            counts = await asyncio.gather(*(self._candidates(wanted, way) for way in possible))
            # Of equals the last one: what is asked for by name says more than the state.
            return min(zip(counts, range(0, -len(possible), -1), possible, strict=True))[2]
        return possible[0]

    async def _candidates(self, wanted: Wanted, way: Way) -> int:
        ids = {key: value for key, value in span(wanted).items() if key == "_id"}
        return await self._collection.count_documents(way.match | ids, hint=way.by, limit=MOST_COUNTED)

    async def _read(
        self, wanted: Wanted, leg: Leg, after: Place | None, limit: int, *, whole: bool
    ) -> tuple[list[Execution], Place | None]:
        """At most `limit` tests, and where to go on in this leg; None where it is at its end."""
        way = await self._way(wanted, leg)
        candidates = _all_of(way.match, span(wanted), *(behind(leg, after) if after is not None else []))
        steps: list[Mapping[str, Any]] = [{"$match": candidates}, {"$sort": sort(leg)}]
        if way.rest:
            steps += [{"$limit": MOST_LOOKED_AT}, {"$match": way.rest}]
        steps += [{"$limit": limit + 1}, {"$project": WHOLE if whole else BASIC}]
        cursor = await self._collection.aggregate(steps, hint=way.by)
        tests = [Execution.model_validate(found) async for found in cursor]
        if len(tests) > limit:
            last = tests[limit - 1]
            return tests[:limit], Place(0, last.id, _run_ms(last))
        return tests, await self._last_looked_at(candidates, leg, way) if way.rest else None

    async def _last_looked_at(self, candidates: Document, leg: Leg, way: Way) -> Place | None:
        """Where the look at the candidates ended; None where it has seen all of them."""
        cursor = await self._collection.aggregate(
            [
                {"$match": candidates},
                {"$sort": sort(leg)},
                {"$skip": MOST_LOOKED_AT - 1},
                {"$limit": 1},
                {"$project": {"_id": 1, RUN_MS: 1} if leg.by_run_time else {"_id": 1}},
            ],
            hint=way.by,
        )
        found: Sequence[Document] = [one async for one in cursor]
        if not found:
            return None
        run_ms: float | None = found[0].get("result", {}).get("metrics", {}).get("run_ms")
        return Place(0, TestId(found[0]["_id"]), run_ms)


def _all_of(*conditions: Document) -> Document:
    given = [condition for condition in conditions if condition]
    return {"$and": given} if given else {}


def _run_ms(test: Execution) -> float | None:
    return test.result.metrics.run_ms if test.result else None
