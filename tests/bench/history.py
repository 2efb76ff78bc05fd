"""Lists over very many stored tests: how long each sort of question takes, on a mongod of its own with a small cache.

The tests are made here, not run: 12 words of query, two labels, a provider, an agent and a user by a long-tailed
chance, 12 % failures. The user who asks owns half of them. The counters of usage and cost are made likewise, as they
are after a month with 200 users, each with tests in every hour, of three agents, with two labels.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice, product
from statistics import median
from typing import Any, Final

from shared.domain.failure import FailureCode, Stage
from shared.domain.lifecycle import State
from shared.domain.pricing import Charge
from shared.domain.usage import EVERYBODY, CounterName, Kind
from shared.ids import TestId, UserId, first_test_id
from shared.store.books import counter_id
from shared.store.connect import Database, connected, provision
from shared.store.counters import Counters, Grouping
from shared.store.documents import (
    Document,
    Execution,
    FailureDoc,
    HistoryEntry,
    Input,
    Metrics,
    ModelSetting,
    Result,
    Times,
)
from shared.store.history import History
from shared.store.listing import Order, Place, Wanted
from tests.bench.figures import Report
from tests.bench.size import Size
from tests.support.servers import running_mongo

FIGURES: Final = ("history_median", "history_slowest", "history_reports")
PAGES: Final = 7
PAGE: Final = 20
BATCH: Final = 2_000
BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
EVERY: Final = timedelta(seconds=0.5)
OWNER: Final = UserId("u1")
SHOWN: Final = frozenset(State) - {State.ARCHIVED}
BAD: Final = frozenset({State.FAILED, State.TIMED_OUT})
PASSED: Final = (State.RUNNING, State.COMPLETED)
VOCABULARY: Final = [f"w{number}" for number in range(20_000)]
DAYS: Final = 30
USERS: Final = 200
DUE: Final = 200
CODE: Final = "def run(query):\n    return query\n" * 20


def questions(begin: datetime, end: datetime) -> dict[str, Wanted]:
    """What people ask for."""
    week = {"submitted_from": max(begin, end - timedelta(days=7)), "submitted_before": end}
    mine: dict[str, dict[str, Any]] = {
        "newest": {},
        "failed": {"states": frozenset({State.FAILED})},
        "archived": {"states": frozenset({State.ARCHIVED})},
        "agent": {"agent_id": "agent1"},
        "failures of an agent last week": {"agent_id": "agent3", "states": BAD, **week},
        "failures of a rare agent": {"agent_id": "agent150", "states": BAD},
        "label": {"labels": (("team", "t1"),)},
        "two labels": {"labels": (("team", "t1"), ("env", "dev"))},
        "failures with a label": {"labels": (("team", "t1"),), "states": BAD},
        "provider": {"provider": "ollama"},
        "failure code": {"failure_code": FailureCode.OUT_OF_MEMORY},
        "failure code of an agent": {"failure_code": FailureCode.OUT_OF_MEMORY, "agent_id": "agent2"},
        "common word": {"words": ("refund",)},
        "rare word": {"words": ("w77",)},
        "common and rare word": {"words": ("refund", "w77")},
        "no such word": {"words": ("nosuchword",)},
        "failures with a common word": {"words": ("refund",), "states": BAD},
        "last week": week,
    }
    everybody = ("newest", "failed", "agent", "failure code", "common and rare word")
    return {name: Wanted(OWNER, **{"states": SHOWN, **wanted}) for name, wanted in mine.items()} | {
        f"everybody's {name}": Wanted(None, **{"states": SHOWN, **mine[name]}) for name in everybody
    }


async def measure(size: Size, report: Report) -> None:
    """Every question in every order: the median of its first pages."""
    async with AsyncExitStack() as stack:
        server = stack.enter_context(running_mongo())
        database = await stack.enter_async_context(connected(server.url, "history", service="bench"))
        await provision(database)
        loading = await _load(database, size.stored)
        end = BEGIN + EVERY * size.stored
        took: dict[str, float] = {}
        for name, wanted in questions(BEGIN, end).items():
            for order in Order:
                took[f"{name}, by {order}"] = await _pages(History(database), wanted, order)
        slow = sorted(took.items(), key=lambda one: -one[1])
        report.add("history_median", median(took.values()), n=len(took), stored=size.stored, loading_s=loading)
        report.add("history_slowest", slow[0][1], n=len(took), stored=size.stored, slow=dict(slow[:8]))
        took = await _reports(database)
        slow = sorted(took.items(), key=lambda one: -one[1])
        report.add("history_reports", slow[0][1], n=len(took), stored=size.stored, slow=dict(slow))


async def _reports(database: Database) -> dict[str, float]:
    """How long each sort of report takes, a month of counters and a full batch of due tests being there."""
    await _load_counters(database)
    newest = [one["_id"] async for one in database["executions"].find({}, {"_id": 1}).sort("_id", -1).limit(DUE)]
    await database["executions"].update_many({"_id": {"$in": newest}}, {"$set": {"books": {"due": BEGIN}}})
    counters, end = Counters(database), BEGIN + timedelta(days=DAYS)
    asked: dict[str, Callable[[], Awaitable[object]]] = {}
    for user in (OWNER, None):
        whose = user or "everybody"
        asked[f"totals of {whose}"] = partial(counters.totals, user)
        asked[f"usage by day of {whose}"] = partial(counters.steps, Kind.DAY, user or EVERYBODY, BEGIN, end)
        asked[f"usage by hour of {whose}"] = partial(counters.steps, Kind.HOUR, user or EVERYBODY, BEGIN, end)
        for by in Grouping:
            asked[f"cost by {by} of {whose}"] = partial(counters.costs, by, user, BEGIN, end, label="team", most=1_000)
    return {name: await _median_ms(ask) for name, ask in asked.items()}


async def _median_ms(ask: Callable[[], Awaitable[object]]) -> float:
    took = []
    for _ in range(PAGES):
        begun = time.perf_counter()
        await ask()
        took.append((time.perf_counter() - begun) * 1000)
    return median(took)


async def _load_counters(database: Database) -> None:
    spread = {"count": 40, "sum": 8e4, "least": 100.0, "most": 9e4, "buckets": {str(n): 1 for n in range(100, 140)}}
    figures = {"tests": 40, "cost": Charge(0.01, 0.002, 0.0, 0.001)._asdict(), "batch": 1}
    usage = {"submitted": 40, "completed": 36, "failed": 4, "run_ms": spread, "queue_ms": spread}
    made: list[Document] = []
    for day, user in product(range(DAYS), [EVERYBODY, *(f"u{number}" for number in range(1, USERS + 1))]):
        at = BEGIN + timedelta(days=day)
        keys = [(Kind.DAY, ""), *((Kind.AGENT_DAY, f"agent{n}") for n in range(3))]
        keys += [(Kind.LABEL_DAY, key) for key in ("env=prod", f"team=t{len(user)}")]
        names = [CounterName(kind, user, at, key) for kind, key in keys]
        if user in {EVERYBODY, OWNER}:
            names += [CounterName(Kind.HOUR, user, at + timedelta(hours=hour)) for hour in range(24)]
        for name in names:
            more = usage if name.kind in {Kind.DAY, Kind.HOUR} else {}
            made.append({"_id": counter_id(name), **name._asdict(), **figures, **more})
    await database["counters"].insert_many(made, ordered=False)


async def _pages(past: History, wanted: Wanted, order: Order) -> float:
    took: list[float] = []
    after: Place | None = None
    for _ in range(PAGES):
        begun = time.perf_counter()
        after = (await past.page(wanted, order, after, PAGE)).next
        took.append((time.perf_counter() - begun) * 1000)
    return median(took)


async def _load(database: Database, stored: int) -> float:
    begun = time.perf_counter()
    tests = _documents(stored)
    while batch := list(islice(tests, BATCH)):
        await database["executions"].insert_many(batch, ordered=False)
    return time.perf_counter() - begun


def _documents(stored: int) -> Iterator[Document]:
    dice = random.Random(1)
    for number in range(stored):
        yield _document(number, dice)


def _document(number: int, dice: random.Random) -> Document:
    at = BEGIN + EVERY * number
    state = dice.choices((State.COMPLETED, State.FAILED, State.TIMED_OUT, State.ARCHIVED), (85, 10, 2, 3))[0]
    run_ms = dice.expovariate(1 / 3000)
    agent = f"agent{min(int(dice.paretovariate(0.8)), 200)}"
    code = FailureCode.OUT_OF_MEMORY if dice.random() < 0.1 else FailureCode.AGENT_EXCEPTION
    test = Execution(
        id=TestId(first_test_id(at)[:-16] + f"{dice.getrandbits(64):016x}"),
        user_id=UserId(f"u{min(int(dice.paretovariate(1.0)), 50)}"),
        agent_id=agent,
        agent_name=agent,
        labels=[f"env={'prod' if number % 3 else 'dev'}", f"team=t{number % 7}"],
        input=Input(
            name=agent,
            agent_code=CODE,
            query=" ".join((*dice.choices(VOCABULARY, k=12), "please", "refund" if dice.random() < 0.1 else "")),
            model=ModelSetting(provider=dice.choice(["ollama", "bedrock", "bedrock", "openai"])),
        ),
        request_key=f"request-{number}",
        state=state,
        attempt=1,
        history=[HistoryEntry(state=step, at=at, by="bench", attempt=1) for step in (*PASSED, state)],
        times=Times(submitted=at, queued=at, scheduled=at, started=at, finished=at + timedelta(milliseconds=run_ms)),
        failure=FailureDoc(code=code, stage=Stage.RUN, message="m", hint="h") if state in BAD else None,
        result=Result(success=state not in BAD, response_json='{"a":1}', metrics=Metrics(run_ms=run_ms, cpu_s=0.1)),
    )
    document = test.model_dump(by_alias=True, exclude_none=True)
    return document | {"facets": test.facets(), "books": {"counted": state}}
