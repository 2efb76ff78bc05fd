"""The tests as people look for them: by filter and order, in pages, at a cost that does not grow with their number.

One index gives the candidates in the order of the list, the rest of the filter is looked at in the documents. Of these
a call reads MOST_LOOKED_AT at the most for each stretch of the list: a page may be short, and the next one goes on
where it stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from shared.ids import TestId
from shared.store.connect import Database
from shared.store.documents import Document, Execution
from shared.store.executions import BASIC, WHOLE
from shared.store.listing import RUN_MS, Leg, Order, Place, Wanted, Way, before, behind, legs, sort, span, ways
from shared.store.sealing import NOT_OPENED, Seals

MOST_LOOKED_AT: Final = 400
"""Documents. 1,000,000 stored tests, cache of 0.25 GiB: see `docs/performance.md`."""
FIRST_LOOK: Final = 100
_ALL: Final = 1 << 31
"""As `$limit`: without one, the rest of the filter would move in front, and the index be read by another condition."""
MOST_COUNTED: Final = 200
"""Where several indexes would do, so many of each one's entries are counted to find the one with the fewest."""


class Found(NamedTuple):
    """One page, and where the next one begins; None where there is nothing more."""

    tests: list[Execution]
    places: list[Place]
    """Of each test: where a page begins that goes on behind it."""
    next: Place | None


class History:
    """The collection of tests, for looking and not for changing."""

    def __init__(self, database: Database, seals: Seals = NOT_OPENED, *, most_looked_at: int = MOST_LOOKED_AT) -> None:
        self._seals = seals
        self._collection = database["executions"]
        self._most_looked_at = most_looked_at

    async def page(
        self, wanted: Wanted, order: Order, after: Place | None, limit: int, *, whole: bool = False
    ) -> Found:
        """At most `limit` tests behind `after`; without code, answers and history unless `whole`."""
        stretches = legs(wanted, order)
        tests: list[Execution] = []
        places: list[Place] = []
        for number in range(after.leg if after else 0, len(stretches)):
            here = after if after is not None and after.leg == number else None
            left = limit - len(tests)
            found, stop = await self._read(wanted, stretches[number], here, left or 1, whole=whole and left > 0)
            if not left and (found or stop):  # the page was full: this leg only shows that there is more
                return Found(tests, places, places[-1])
            tests += found[:left]
            places += [_place(test)._replace(leg=number) for test in found[:left]]
            if stop is not None:
                return Found(tests, places, stop._replace(leg=number))
        return Found(tests, places, None)

    async def count(self, wanted: Wanted, limit: int | None = None) -> int:
        """How many there are, at most `limit`. Looks at each of them: a figure for a question that is asked rarely."""
        stretches = legs(wanted, Order.NEWEST)
        if not stretches:
            return 0
        (leg,) = stretches
        way = await self._way(wanted, leg)
        where = _all_of(way.match, way.rest, span(wanted))
        more: dict[str, Any] = {"limit": limit} if limit else {}
        return await self._collection.count_documents(where, hint=way.by, **more)

    async def _way(self, wanted: Wanted, leg: Leg) -> Way:
        """The way with the fewest candidates, as far as a short count can tell."""
        first, *others = ways(wanted, leg)
        if not others or not first.rest:
            return first
        # By run time the others need their tests sorted, so they must be known to be few.
        possible = others if leg.by_run_time else [first, *others]
        counts = await asyncio.gather(*(self._few(wanted, way) for way in possible))
        # Of equals the last one: what is asked for by name says more than the state.
        fewest, _, way = min(zip(counts, range(0, -len(possible), -1), possible, strict=True))
        return first if leg.by_run_time and fewest == MOST_COUNTED else way

    async def _few(self, wanted: Wanted, way: Way) -> int:
        ids = {key: value for key, value in span(wanted).items() if key == "_id"}
        return await self._collection.count_documents(way.match | ids, hint=way.by, limit=MOST_COUNTED)

    async def _read(
        self, wanted: Wanted, leg: Leg, after: Place | None, limit: int, *, whole: bool
    ) -> tuple[list[Execution], Place | None]:
        """At most `limit` tests, and where to go on in this leg; None where it is at its end."""
        way = await self._way(wanted, leg)
        if not way.rest:
            tests = await self._matching(wanted, leg, way, after, limit + 1, whole=whole)
            return tests[:limit], _place(tests[limit - 1]) if len(tests) > limit else None
        # The database reads all candidates that it may before it looks at the first one: so first a few.
        few = min(FIRST_LOOK, self._most_looked_at)
        tests = await self._matching(wanted, leg, way, after, limit + 1, look=few, whole=whole)
        end = None
        if len(tests) <= limit:
            # First where the look ends, then what is in it: tests come and leave between two reads.
            end = await self._last_looked_at(wanted, leg, way, after, self._most_looked_at)
            tests = await self._matching(wanted, leg, way, after, limit + 1, end=end, whole=whole)
        return (tests, end) if len(tests) <= limit else (tests[:limit], _place(tests[limit - 1]))

    async def _matching(
        self,
        wanted: Wanted,
        leg: Leg,
        way: Way,
        after: Place | None,
        limit: int,
        *,
        end: Place | None = None,
        look: int = _ALL,
        whole: bool,
    ) -> list[Execution]:
        """At most `limit` tests among the next `look` candidates, or among those up to `end`."""
        steps = _candidates(wanted, leg, way, after, end)
        if way.rest:
            steps += [{"$limit": look}, {"$match": way.rest}]
        steps += [{"$limit": limit}, {"$project": WHOLE if whole else BASIC}]
        cursor = await self._collection.aggregate(steps, hint=way.by)
        return [Execution.model_validate(await self._seals.open(found)) async for found in cursor]

    async def _last_looked_at(self, wanted: Wanted, leg: Leg, way: Way, after: Place | None, look: int) -> Place | None:
        """Where a look at the candidates ended; None where it has seen all of them."""
        steps = _candidates(wanted, leg, way, after)
        steps += [
            {"$skip": look - 1},
            {"$limit": 1},
            {"$project": {"_id": 1, RUN_MS: 1} if leg.by_run_time else {"_id": 1}},
        ]
        cursor = await self._collection.aggregate(steps, hint=way.by)
        found: Sequence[Document] = [one async for one in cursor]
        if not found:
            return None
        run_ms: float | None = found[0].get("result", {}).get("metrics", {}).get("run_ms")
        if leg.by_run_time and run_ms is None:  # only such that did not run follow, and these are of the next leg
            return None
        return Place(0, TestId(found[0]["_id"]), run_ms)


def _candidates(
    wanted: Wanted, leg: Leg, way: Way, after: Place | None, end: Place | None = None
) -> list[Mapping[str, Any]]:
    """What the index gives, in the order of the leg: behind one place, up to another one."""
    bounds = [*(behind(leg, after) if after is not None else []), *(before(leg, end) if end is not None else [])]
    where = _all_of(way.match, span(wanted), *bounds)
    return [{"$match": where}, {"$sort": sort(leg)}]


def _all_of(*conditions: Document) -> Document:
    given = [condition for condition in conditions if condition]
    return {"$and": given} if given else {}


def _place(test: Execution) -> Place:
    return Place(0, test.id, test.result.metrics.run_ms if test.result else None)
