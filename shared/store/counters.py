"""The counters of usage and cost, as they are read. `books.py` keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import Field

from shared.domain.distribution import Distribution
from shared.domain.lifecycle import ENDED, State
from shared.domain.usage import EVERYBODY, IN, CounterName, Kind
from shared.ids import UserId
from shared.store.books import counter_id
from shared.store.connect import Database
from shared.store.documents import Cost, Document, Part

_LIVE: Final = [state for state in State if state not in ENDED]


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


class Counters:
    """Reads counters: as many as the answer has steps or rows, however many tests there are."""

    def __init__(self, database: Database) -> None:
        self._counters = database["counters"]
        self._tests = database["executions"]

    async def steps(self, kind: Kind, user: str, since: datetime, before: datetime) -> list[Counter]:
        """The counters of one user, or EVERYBODY, by hour or day; empty ones are not there."""
        return await self._found({"kind": kind.value, "user": user, "start": {"$gte": since, "$lt": before}})

    async def of_users(self, since: datetime, before: datetime) -> list[Counter]:
        """The days of every user."""
        found = await self._found({"kind": Kind.DAY.value, "start": {"$gte": since, "$lt": before}})
        return [counter for counter in found if counter.user != EVERYBODY]

    async def agent(self, user: str, agent_id: str) -> Counter | None:
        """How the tests of an agent went."""
        found = await self._counters.find_one({"_id": counter_id(CounterName(Kind.AGENT, user, None, agent_id))})
        return Counter.model_validate(found) if found else None

    async def totals(self, user: UserId | None) -> dict[State, int]:
        """How many tests are in each state, now: ended ones by the counter and what that does not know yet, the others
        one by one, since they are few."""
        scope: Document = {"user_id": user} if user is not None else {}
        found = await self._counters.find_one({"_id": counter_id(CounterName(Kind.TOTAL, user or EVERYBODY, None))})
        totals = {state: int((found or {}).get(state, 0)) for state in ENDED}
        due = {"books.due": {"$exists": True}, "state": {"$in": sorted(ENDED)}, **scope}
        async for test in self._tests.find(due, {"state": 1, "books.counted": 1}).hint("books"):
            totals[State(test["state"])] += 1
            before = test.get("books", {}).get("counted", IN)
            if before != IN:
                totals[State(before)] -= 1
        for state in _LIVE:
            hint = "user_state" if scope else "state_newest"
            totals[state] = await self._tests.count_documents(scope | {"state": state}, hint=hint)
        return totals

    async def _found(self, where: dict[str, Any]) -> list[Counter]:
        documents: Sequence[Document] = [one async for one in self._counters.find(where).sort("start", 1)]
        return [Counter.model_validate(one) for one in documents]
