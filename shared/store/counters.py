"""The counters of usage and cost, as they are read. `books.py` keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple, TypeVar

from pydantic import Field
from pymongo import DESCENDING

from shared.domain.distribution import Distribution
from shared.domain.lifecycle import ENDED, State
from shared.domain.pricing import Charge
from shared.domain.usage import EVERYBODY, IN, CounterName, Kind
from shared.ids import TestId, UserId
from shared.store.books import META, TESTS, counter_id
from shared.store.connect import Database
from shared.store.documents import Cost, Document, Part

R = TypeVar("R")

_LIVE: Final = [state for state in State if state not in ENDED]
_AT_ONCE: Final = 64
"""Counters that are parsed in one go, at 0.16 ms each; then other calls have their turn."""
_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TRIES: Final = 10
"""A batch is begun every two seconds, or one after the other while many tests end; a read takes some milliseconds."""


class Spread(Part):
    """A distribution as it lies in a counter."""

    count: int = 0
    sum: float = 0.0
    least: float | None = None
    most: float | None = None
    buckets: dict[int, int] = Field(default_factory=dict)

    def distribution(self) -> Distribution:
        return Distribution(self.count, self.sum, self.least, self.most, self.buckets)


class Counter(Part):
    """One counter. Which fields it has depends on its kind (`domain.usage`)."""

    kind: Kind
    user: str
    start: datetime | None = None
    key: str = ""
    submitted: int = 0
    completed: int = 0
    failed: int = 0
    timed_out: int = 0
    cancelled: int = 0
    tests: int = 0
    """tests that ended, cancelled ones included"""
    run_ms: Spread = Field(default_factory=Spread)
    queue_ms: Spread = Field(default_factory=Spread)
    build_ms: Spread = Field(default_factory=Spread)
    peak_memory_bytes: Spread = Field(default_factory=Spread)
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Cost = Field(default_factory=Cost)
    agent_name: str = ""
    last_submitted: datetime | None = None
    batch: int = 0
    """the last one that changed it"""


class Grouping(StrEnum):
    """What the rows of a sum of costs are for."""

    DAY = "day"
    USER = "user"
    AGENT = "agent"
    LABEL = "label"


class Row(NamedTuple):
    """What the tests of a day, a user, an agent or a label's value cost together."""

    key: str
    tests: int
    charge: Charge


class Costs(NamedTuple):
    """Some rows, and the sum of all that there are."""

    rows: list[Row]
    total: Row


class AgentSums(NamedTuple):
    """How the tests of an agent went, and whether one of them that was named is in it with its end."""

    counter: Counter | None
    includes: bool


class AgentPlace(NamedTuple):
    """A place in the list of agents: the one after which a page begins, as it was then."""

    last_submitted: datetime
    user: str
    agent_id: str


class _Batch(NamedTuple):
    """The last batch of the bookkeeper."""

    number: int
    tests: dict[str, tuple[str, str]]
    """While it is open, and not in all counters yet: how each test was counted and is to be, by its id."""


_COUNTED: Final = {
    Grouping.DAY: Kind.DAY,
    Grouping.USER: Kind.DAY,
    Grouping.AGENT: Kind.AGENT_DAY,
    Grouping.LABEL: Kind.LABEL_DAY,
}
"""Which counters are added up."""
_NAMED: Final = {Grouping.DAY: "start", Grouping.USER: "user", Grouping.AGENT: "key", Grouping.LABEL: "key"}
"""Which field of theirs names the row."""


class Counters:
    """Reads counters: as many as the answer has steps or rows, however many tests there are."""

    def __init__(self, database: Database) -> None:
        self._counters = database["counters"]
        self._tests = database["executions"]
        self._meta = database["meta"]

    async def steps(self, kind: Kind, user: str, since: datetime, before: datetime) -> list[Counter]:
        """The counters of one user, or EVERYBODY, by hour or day; empty ones are not there."""
        where = {"kind": kind.value, "user": user, "start": {"$gte": since, "$lt": before}}
        found: list[Counter] = []
        async for one in self._counters.find(where).sort("start", 1):
            found.append(Counter.model_validate(one))
            if len(found) % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return found

    async def costs(
        self, by: Grouping, user: str | None, since: datetime, before: datetime, *, label: str = "", most: int
    ) -> Costs:
        """What the days from `since` on, before `before`, cost, added up in the store. Days in order, else the dearest
        first, at most so many rows.

        `user`: one, or None for everybody; by user, these are rows of their own then. `label`: the key of the label."""
        where: Document = {"kind": _COUNTED[by].value, "start": {"$gte": since, "$lt": before}}
        where["user"] = user or ({"$ne": EVERYBODY} if by is Grouping.USER else EVERYBODY)
        if by is Grouping.LABEL:
            where["key"] = {"$gte": f"{label}=", "$lt": f"{label}>"}  # > follows =
        sums: Document = {"tests": {"$sum": "$tests"}} | {name: {"$sum": f"$cost.{name}"} for name in Charge._fields}
        dollars: Document = {"$add": [f"${name}" for name in Charge._fields]}
        rows = self._aggregated(
            {"$match": where},
            {"$group": {"_id": f"${_NAMED[by]}", **sums}},
            {"$project": {**dict.fromkeys(sums, 1), "dollars": dollars}},
            {"$match": {"$or": [{"tests": {"$gt": 0}}, {"dollars": {"$gt": 0}}]}},
            {"$sort": {"_id": 1} if by is Grouping.DAY else {"dollars": -1, "tests": -1, "_id": 1}},
            {"$limit": most},
        )
        total = self._aggregated({"$match": where}, {"$group": {"_id": None, **sums}})
        found, everything = await asyncio.gather(rows, total)
        return Costs([_row(one, label) for one in found], _row(everything[0] if everything else {}, label))

    async def agent(self, user: str, agent_id: str, test: TestId | None = None) -> AgentSums:
        """How the tests of an agent went, and whether the end of this test is counted in it."""
        name = counter_id(CounterName(Kind.AGENT, user, None, agent_id))

        async def read(batch: _Batch) -> AgentSums:
            found = await self._counters.find_one({"_id": name})
            counter = Counter.model_validate(found) if found else None
            if counter is None or test is None:
                return AgentSums(counter, includes=False)
            marked = (await self._tests.find_one({"_id": test}, {"books": 1}) or {}).get("books", {})
            if marked.get("counted", IN) == IN:
                return AgentSums(counter, includes=False)
            before, _ = batch.tests.get(test, (State.COMPLETED, ""))
            is_next = marked.get("batch") == batch.number and before in {"", IN} and counter.batch < batch.number
            return AgentSums(counter, includes=not is_next)

        return await self._within_a_batch(read)

    async def agents(self, user: UserId | None, after: AgentPlace | None, limit: int) -> list[Counter]:
        """At most `limit` agents of a user, or those of every user, the one with the newest test first."""
        where: Document = {"kind": Kind.AGENT.value, "user": user or {"$ne": EVERYBODY}}
        times: Document = {"$gte": _EVER}
        if after is not None:
            name = counter_id(CounterName(Kind.AGENT, after.user, None, after.agent_id))
            # The first condition is for the bounds of the index, the second one for those of the same moment.
            times["$lte"] = after.last_submitted
            same = {"last_submitted": after.last_submitted, "_id": {"$lt": name}}
            where["$or"] = [{"last_submitted": {"$lt": after.last_submitted}}, same]
        where["last_submitted"] = times
        cursor = self._counters.find(where, hint="user_newest" if user else "newest")
        cursor = cursor.sort([("last_submitted", DESCENDING), ("_id", DESCENDING)]).limit(limit)
        return [Counter.model_validate(found) async for found in cursor]

    async def totals(self, user: UserId | None) -> dict[State, int]:
        """How many tests are in each state now: ended ones by the counter, what it is about to be told and what is
        due, the others one by one, since they are few."""
        scope: Document = {"user_id": user} if user is not None else {}
        name = counter_id(CounterName(Kind.TOTAL, user or EVERYBODY, None))
        totals = await self._within_a_batch(lambda batch: self._ended(name, scope, batch))
        for state in _LIVE:
            hint = "user_state" if scope else "state_newest"
            totals[state] = await self._tests.count_documents(scope | {"state": state}, hint=hint)
        return totals

    async def _ended(self, name: str, scope: Document, batch: _Batch) -> dict[State, int]:
        found = await self._counters.find_one({"_id": name}) or {}
        totals = {state: int(found.get(state, 0)) for state in ENDED}

        def moved(before: str, after: str) -> None:
            if after not in {"", IN}:
                totals[State(after)] += 1
            if before not in {"", IN}:
                totals[State(before)] -= 1

        due = {"books.due": {"$exists": True}, "state": {"$in": sorted(ENDED)}, **scope}
        seen: dict[str, str] = {}
        async for test in self._tests.find(due, {"state": 1, "books.counted": 1}).hint("books"):
            seen[test["_id"]] = test["books"].get("counted", "")
            moved(seen[test["_id"]], test["state"])
        if batch.number > found.get("batch", 0):
            marked = {"_id": {"$in": list(batch.tests)}, "books.batch": batch.number, **scope}
            async for test in self._tests.find(marked, {"_id": 1}):
                before, after = batch.tests[test["_id"]]
                if seen.get(test["_id"], after) == after:  # else it was marked after it was seen as due
                    moved(before, after)
        return totals

    async def _within_a_batch(self, read: Callable[[_Batch], Awaitable[R]]) -> R:
        """What `read` says when no new batch was begun meanwhile: then all earlier ones are in the counters, and of the
        open one is known what it is about."""
        left = _TRIES
        while True:
            batch, left = await self._batch(), left - 1
            found = await read(batch)
            if not left or (await self._batch()).number == batch.number:
                return found

    async def _batch(self) -> _Batch:
        fields = {"number": 1} | {f"entries.{name}": 1 for name in ("collection", "id", "before", "after")}
        found = await self._meta.find_one({"_id": META}, fields) or {}
        tests = {
            entry["id"]: (entry["before"], entry["after"])
            for entry in found.get("entries") or []
            if entry["collection"] == TESTS
        }
        return _Batch(found.get("number", 0), tests)

    async def _aggregated(self, *stages: Document) -> list[Document]:
        return await (await self._counters.aggregate(list(stages))).to_list()


def _row(found: Document, label: str) -> Row:
    key = found.get("_id") or ""
    if isinstance(key, datetime):
        key = f"{key:%Y-%m-%d}"
    elif label:
        key = key.removeprefix(f"{label}=")
    return Row(key, int(found.get("tests", 0)), Charge(*(float(found.get(name, 0)) for name in Charge._fields)))
