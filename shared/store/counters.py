"""The counters of usage and cost, as they are read. `books.py` keeps them."""

from __future__ import annotations

import asyncio
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from pydantic import Field
from pymongo.asynchronous.client_session import AsyncClientSession

from shared.domain.distribution import Distribution
from shared.domain.lifecycle import ENDED, State
from shared.domain.pricing import Charge
from shared.domain.usage import EVERYBODY, IN, CounterName, Kind
from shared.ids import TestId, UserId
from shared.store.books import META, TESTS, counter_id
from shared.store.connect import Database
from shared.store.documents import Cost, Document, Part

_LIVE: Final = [state for state in State if state not in ENDED]
_AT_ONCE: Final = 64
"""Counters that are parsed in one go, at 0.16 ms each; then other calls have their turn."""


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


class _OpenBatch(NamedTuple):
    """What the bookkeeper is at: marked in the tests, perhaps, and not in all counters yet."""

    number: int
    tests: dict[str, tuple[str, str]]
    """How each was counted and is to be, by its id."""


_COUNTED: Final = {
    Grouping.DAY: Kind.DAY,
    Grouping.USER: Kind.DAY,
    Grouping.AGENT: Kind.AGENT_DAY,
    Grouping.LABEL: Kind.LABEL_DAY,
}
"""Which counters are added up."""
_NAMED: Final = {Grouping.DAY: "start", Grouping.USER: "user", Grouping.AGENT: "key", Grouping.LABEL: "key"}
"""Which field of theirs names the row."""
_SUMS_OF_ROWS: Final[Document] = {name: {"$sum": f"${name}"} for name in Charge._fields}


class Counters:
    """Reads counters: as many as the answer has steps or rows, however many tests there are."""

    def __init__(self, database: Database) -> None:
        self._client = database.client
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
        sums: Document = {name: {"$sum": f"$cost.{name}"} for name in Charge._fields}
        order: Document = {"_id": 1} if by is Grouping.DAY else {"all": -1, "tests": -1, "_id": 1}
        (found,) = await (
            await self._counters.aggregate(
                [
                    {"$match": where},
                    {"$group": {"_id": f"${_NAMED[by]}", "tests": {"$sum": "$tests"}, **sums}},
                    {
                        "$facet": {
                            "rows": [
                                {"$set": {"all": {"$add": [f"${name}" for name in Charge._fields]}}},
                                {"$match": {"$or": [{"tests": {"$gt": 0}}, {"all": {"$gt": 0}}]}},
                                {"$sort": order},
                                {"$limit": most},
                            ],
                            "total": [{"$group": {"_id": None, "tests": {"$sum": "$tests"}} | _SUMS_OF_ROWS}],
                        }
                    },
                ]
            )
        ).to_list()
        total = found["total"][0] if found["total"] else {}
        return Costs([_row(one, label) for one in found["rows"]], _row(total, label))

    async def agent(self, user: str, agent_id: str, test: TestId | None = None) -> AgentSums:
        """How the tests of an agent went, as of one moment, and whether the end of this test is counted in it."""
        async with self._client.start_session(snapshot=True) as session:
            name = counter_id(CounterName(Kind.AGENT, user, None, agent_id))
            found = await self._counters.find_one({"_id": name}, session=session)
            if found is None:
                return AgentSums(None, includes=False)
            counter = Counter.model_validate(found)
            if test is None:
                return AgentSums(counter, includes=False)
            marked = (await self._tests.find_one({"_id": test}, {"books": 1}, session=session) or {}).get("books", {})
            if marked.get("counted", IN) == IN:
                return AgentSums(counter, includes=False)
            batch = await self._open_batch(session)
            before, _ = batch.tests.get(test, (State.COMPLETED, ""))
            is_next = marked.get("batch") == batch.number and before in {"", IN} and counter.batch < batch.number
            return AgentSums(counter, includes=not is_next)

    async def totals(self, user: UserId | None) -> dict[State, int]:
        """How many tests are in each state at one moment: ended ones by the counter, what it is about to be told and
        what is due, the others one by one, since they are few."""
        scope: Document = {"user_id": user} if user is not None else {}
        async with self._client.start_session(snapshot=True) as session:
            name = counter_id(CounterName(Kind.TOTAL, user or EVERYBODY, None))
            found = await self._counters.find_one({"_id": name}, session=session) or {}
            totals = {state: int(found.get(state, 0)) for state in ENDED}

            def moved(before: str, after: str) -> None:
                if after not in {"", IN}:
                    totals[State(after)] += 1
                if before not in {"", IN}:
                    totals[State(before)] -= 1

            batch = await self._open_batch(session)
            if batch.number > found.get("batch", 0):
                marked = {"_id": {"$in": list(batch.tests)}, "books.batch": batch.number, **scope}
                async for test in self._tests.find(marked, {"_id": 1}, session=session):
                    moved(*batch.tests[test["_id"]])
            due = {"books.due": {"$exists": True}, "state": {"$in": sorted(ENDED)}, **scope}
            fields = {"state": 1, "books.counted": 1}
            async for test in self._tests.find(due, fields, session=session).hint("books"):
                moved(test["books"].get("counted", ""), test["state"])
            for state in _LIVE:
                hint = "user_state" if scope else "state_newest"
                totals[state] = await self._tests.count_documents(scope | {"state": state}, hint=hint, session=session)
        return totals

    async def _open_batch(self, session: AsyncClientSession) -> _OpenBatch:
        fields = {"number": 1} | {f"entries.{name}": 1 for name in ("collection", "id", "before", "after")}
        found = await self._meta.find_one({"_id": META}, fields, session=session) or {}
        tests = {
            entry["id"]: (entry["before"], entry["after"])
            for entry in found.get("entries") or []
            if entry["collection"] == TESTS
        }
        return _OpenBatch(found.get("number", 0) if tests else 0, tests)


def _row(found: Document, label: str) -> Row:
    key = found.get("_id") or ""
    if isinstance(key, datetime):
        key = f"{key:%Y-%m-%d}"
    elif label:
        key = key.removeprefix(f"{label}=")
    return Row(key, int(found.get("tests", 0)), Charge(*(float(found.get(name, 0)) for name in Charge._fields)))
