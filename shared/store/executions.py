"""The tests: stored, found, and moved from state to state.

A move is one compare-and-set that also puts the event that tells of it into the document's outbox: no event without
its change, no change without its event. Who lost the race is told False; a replay therefore changes nothing. Which
state may follow which is `domain.lifecycle`'s.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final, NamedTuple

from pymongo import ASCENDING, DESCENDING, InsertOne, ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from shared.domain.lifecycle import ACTIVE, ENDED, WAITING, State, check_move
from shared.errors import Conflict
from shared.events.base import Event
from shared.events.letter import Letter
from shared.ids import TestId, UserId
from shared.store import outbox
from shared.store.batch import GroupCommit
from shared.store.connect import Database, quick
from shared.store.documents import RESULT_DETAILS, Document, Execution
from shared.store.outbox import Outbox
from shared.store.sealing import NOT_OPENED, Seals, unsealed

_DUPLICATE_KEY: Final = 11000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OURS: Final = {"outbox": 0, "facets": 0}
_NEVER: Final = {**_OURS, "task.nonce": 0}
_BRIEF: Final = {
    **_OURS,
    "history": 0,
    **dict.fromkeys(RESULT_DETAILS, 0),
    "output_files": 0,
    "input.project": 0,
    "input.inputs": 0,
    "input.agent_code": 0,
    "input.requirements": 0,
    "input.dockerfile": 0,
    "input.env": 0,
    "input.sealed.env": 0,
    "input.sealed.request_hash": 0,
}
WHOLE: Final = _NEVER
"""Everything that a reader may see."""
BASIC: Final = {**_BRIEF, **_NEVER}
"""Without the code, the requirements, the answer and the history."""


class NumberTaken(Conflict):
    """Another retry of the chain has this number."""


class Brief(NamedTuple):
    """What a list of the queue shows of a test."""

    state: State
    name: str
    priority: int


class Submitted(NamedTuple):
    """What a submission answers: the stored test, and whether this call stored it."""

    execution: Execution
    created: bool


@dataclass(frozen=True, slots=True)
class Move:
    """One change of state, fenced by the state and the attempt it starts from."""

    test_id: TestId
    source: State
    attempt: int
    to: State
    at: datetime
    by: str
    telling: tuple[Event, ...]
    reason: str = ""
    via: State | None = None
    """A state passed on the way in the same write (BUILDING to COMPLETED passes RUNNING)."""
    new_attempt: int | None = None
    set: Mapping[str, Any] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    guard: Mapping[str, Any] = field(default_factory=dict)
    """Further conditions, as a filter."""
    traceparent: str = ""

    def __post_init__(self) -> None:
        steps = [self.source, *([self.via] if self.via else []), self.to]
        for source, to in pairwise(steps):
            check_move(source, to)


class Executions:
    """The collection of tests."""

    def __init__(self, database: Database, told: Callable[[Sequence[Letter]], None], seals: Seals = NOT_OPENED) -> None:
        self._seals = seals
        self._collection = database["executions"]
        self._quick = quick(database, "executions")
        self._outbox = Outbox(database, "executions")
        self._told = told
        """Called with the events of a write that succeeded, so that they are published at once."""
        self._insert = GroupCommit("submit", self._insert_all)
        self._update = GroupCommit("move", self._move_all)

    # -- writing

    async def submit(self, execution: Execution, telling: Event) -> Submitted:
        """Stores a new test with the event that tells of it.

        The same user and request key give the test that is there already. Raises NumberTaken for a retry whose number
        another one has, and Unavailable where it is to be encrypted and cannot be."""
        unsealed(execution)
        letter = Letter.of(telling, execution.traceparent)
        document = execution.model_dump(by_alias=True, exclude_none=True)
        document["outbox"] = [outbox.entry(letter, telling.at)]
        document["facets"] = execution.facets(words_of_query=not self._seals.hides_words)
        document["books"] = {"due": telling.at}
        await self._seals.seal(document)
        if await self._insert(document):
            self._told([letter])
            return Submitted(execution, created=True)
        found = await self.of_request(execution.user_id, execution.request_key)
        if found is None:
            raise NumberTaken
        return Submitted(found, created=False)

    async def of_request(self, user: UserId, request_key: str) -> Execution | None:
        """The test that this request of the user made."""
        found = await self._collection.find_one({"user_id": user, "request_key": request_key}, _NEVER)
        return await self._opened(found) if found else None

    async def move(self, move: Move) -> bool:
        """Makes the move and publishes its events; False where the test is no longer where the move starts."""
        return await self._update(move)

    async def change(
        self,
        test_id: TestId,
        *,
        where: Mapping[str, Any],
        set: Mapping[str, Any],  # noqa: A002 - the name of the operator
        unset: Sequence[str] = (),
        telling: Sequence[Event] = (),
        facets: Sequence[str] = (),
        traceparent: str = "",
        brief: bool = False,
        durable: bool = True,
    ) -> Execution | None:
        """A compare-and-set that moves no state: the test as it is now, or None where `where` does not hold.

        `facets` are further ones to find it by (`domain.facets`). A `brief` answer lacks the code, the requirements,
        the answer and the history. A write that is not `durable` may be lost in a crash of the database until a
        durable one follows."""
        letters = [Letter.of(event, traceparent) for event in telling]
        update: Document = {"$set": dict(set)} if set else {}
        if unset:
            update["$unset"] = dict.fromkeys(unset, "")
        if letters:
            update["$push"] = {
                "outbox": {"$each": [outbox.entry(x, e.at) for x, e in zip(letters, telling, strict=True)]}
            }
        if facets:
            update["$addToSet"] = {"facets": {"$each": list(facets)}}
        found = await (self._collection if durable else self._quick).find_one_and_update(
            {"_id": test_id, **where}, update, _BRIEF if brief else _OURS, return_document=ReturnDocument.AFTER
        )
        if found is None:
            return None
        self._told(letters)
        return await self._opened(found)

    async def renew(self, tests: Iterable[TestId], owner: str, until: datetime) -> None:
        """Prolongs an orchestrator's leases of these tests in one write."""
        await self._quick.update_many(
            {"_id": {"$in": list(tests)}, "lease.owner": owner}, {"$set": {"lease.until": until}}
        )

    async def renew_logs(self, tests: Iterable[TestId], follower: str, until: datetime) -> None:
        """Prolongs a follower's hold on these logs in one write."""
        await self._quick.update_many(
            {"_id": {"$in": list(tests)}, "logs.follower": follower, "logs.ended": False},
            {"$set": {"logs.until": until}},
        )

    # -- reading

    async def get(self, test_id: TestId) -> Execution | None:
        """The test with everything but its outbox."""
        found = await self._collection.find_one({"_id": test_id}, _OURS)
        return await self._opened(found) if found else None

    async def get_many(self, tests: Iterable[TestId], *, whole: bool = False) -> dict[TestId, Execution]:
        """Those of `tests` that exist; without code, answers and history unless `whole`."""
        cursor = self._collection.find({"_id": {"$in": list(tests)}}, WHOLE if whole else BASIC)
        return {found["_id"]: await self._opened(found) async for found in cursor}

    async def briefs(self, tests: Iterable[TestId]) -> dict[TestId, Brief]:
        """Those of `tests` that exist, in a few words."""
        fields = {"state": 1, "input.name": 1, "input.priority": 1}
        cursor = self._collection.find({"_id": {"$in": list(tests)}}, fields)
        return {
            found["_id"]: Brief(State(found["state"]), found["input"].get("name", ""), found["input"]["priority"])
            async for found in cursor
        }

    async def attempts_under_way(self, tests: Collection[TestId]) -> dict[TestId, int]:
        """Those of `tests` that exist, by the attempt that is under way: 0 where none is."""
        cursor = self._collection.find({"_id": {"$in": list(tests)}}, {"state": 1, "attempt": 1})
        return {found["_id"]: found["attempt"] if found["state"] in ACTIVE else 0 async for found in cursor}

    async def last_retry(self, original: TestId) -> int:
        """The highest number among the retries of this test; 0 where there is none."""
        found = await self._collection.find_one(
            {"chain.original_test_id": original},
            {"_id": 0, "chain.retry_number": 1},
            sort=[("chain.original_test_id", DESCENDING), ("chain.retry_number", DESCENDING)],
        )
        return int(found["chain"]["retry_number"]) if found else 0

    async def chain(self, original: TestId, *, whole: bool = False) -> list[Execution]:
        """A test and all its retries by number; without code, answers and history unless `whole`."""
        fields = _NEVER if whole else BASIC
        first = [found async for found in self._collection.find({"_id": original}, fields)]
        retries = self._collection.find({"chain.original_test_id": original}, fields).sort(
            [("chain.original_test_id", ASCENDING), ("chain.retry_number", ASCENDING)]
        )
        return [await self._opened(found) for found in [*first, *[found async for found in retries]]]

    # -- looking for work without an event

    async def stale(self, state: State, before: datetime, limit: int, *, since: datetime = _EPOCH) -> list[Execution]:
        """Tests that are in `state` and were submitted before `before` and not before `since`, oldest first."""
        cursor = (
            self._collection.find({"state": state, "times.submitted": {"$gte": since, "$lt": before}}, BASIC)
            .sort("times.submitted", ASCENDING)
            .limit(limit)
        )
        return [await self._opened(found) async for found in cursor]

    async def unattended(self, now: datetime, limit: int) -> list[TestId]:
        """Tests whose task nobody has looked after since their lease ran out, oldest lease first."""
        cursor = (
            self._collection.find({"lease.until": {"$lt": now}}, {"_id": 1}).sort("lease.until", ASCENDING).limit(limit)
        )
        return [found["_id"] async for found in cursor]

    async def owned(self, owner: str, limit: int) -> list[TestId]:
        """Tests whose task this orchestrator looks after."""
        cursor = self._collection.find({"lease.owner": owner}, {"_id": 1}).limit(limit)
        return [found["_id"] async for found in cursor]

    async def unlaunched(self, before: datetime, limit: int) -> list[Execution]:
        """Tests that were granted a slot before `before` and that no orchestrator has taken up.

        Few: they hold slots."""
        wanted = {"state": State.BUILDING, "lease": None, "times.scheduled": {"$lt": before}}
        cursor = self._collection.find(wanted, BASIC).limit(limit)
        return [await self._opened(found) async for found in cursor]

    async def abandoned(self, runtime: str, limit: int) -> list[Execution]:
        """Ended tests with a task of this runtime that nobody stopped: no next attempt will."""
        wanted = {"task.abandoned.runtime": runtime, "state": {"$in": sorted(ENDED)}}
        cursor = self._collection.find(wanted, BASIC).limit(limit)
        return [await self._opened(found) async for found in cursor]

    async def waiting_but_unwanted(self, limit: int) -> list[TestId]:
        """Tests that wait and that somebody wants stopped."""
        wanted = {"state": {"$in": sorted(WAITING)}, "cancel.requested_at": {"$gt": _EPOCH}}
        cursor = self._collection.find(wanted, {"_id": 1}).limit(limit)
        return [found["_id"] async for found in cursor]

    async def unread(self, now: datetime, limit: int) -> list[TestId]:
        """Tests with output that nobody follows."""
        cursor = (
            self._collection.find({"logs.until": {"$lt": now}}, {"_id": 1}).sort("logs.until", ASCENDING).limit(limit)
        )
        return [found["_id"] async for found in cursor]

    async def followed_by(self, follower: str, limit: int) -> list[TestId]:
        """Tests whose output this log streamer follows."""
        cursor = self._collection.find({"logs.until": {"$gt": _EPOCH}, "logs.follower": follower}, {"_id": 1}).limit(
            limit
        )
        return [found["_id"] async for found in cursor]

    # -- the outbox (shared.bus.relay.Outboxes)

    async def clear(self, sent: Sequence[tuple[str, str]]) -> None:
        """Removes published events from their documents."""
        await self._outbox.clear(sent)

    async def unsent(self, before: datetime, limit: int) -> list[Letter]:
        """Events that were written before `before` and are still there."""
        return await self._outbox.unsent(before, limit)

    async def _opened(self, found: Document) -> Execution:
        return Execution.model_validate(await self._seals.open(found))

    # -- batches

    async def _insert_all(self, documents: Sequence[Document]) -> Sequence[bool | Exception]:
        if len(documents) == 1:
            try:
                await self._collection.insert_one(documents[0])
            except DuplicateKeyError:
                return [False]
            return [True]
        answers: list[bool | Exception] = [True] * len(documents)
        try:
            await self._collection.bulk_write([InsertOne(document) for document in documents], ordered=False)
        except BulkWriteError as error:
            for problem in error.details["writeErrors"]:
                duplicate = problem["code"] == _DUPLICATE_KEY
                answers[problem["index"]] = False if duplicate else BulkWriteError({"writeErrors": [problem]})
            if error.details.get("writeConcernErrors"):
                raise
        return answers

    async def _move_all(self, moves: Sequence[Move]) -> Sequence[bool | Exception]:
        writes = [secrets.token_hex(4) for _ in moves]
        letters = [[Letter.of(event, move.traceparent, move.by) for event in move.telling] for move in moves]
        updates = [_update(*parts) for parts in zip(moves, letters, writes, strict=True)]
        if len(moves) == 1:
            done = [(await self._collection.update_one(*updates[0])).matched_count == 1]
        else:
            result = await self._collection.bulk_write([UpdateOne(*update) for update in updates], ordered=False)
            if result.matched_count == len(moves):
                done = [True] * len(moves)
            else:  # the server counts, but does not say which: the history does
                made = await self._writes_made({move.test_id for move in moves})
                done = [write in made for write in writes]
        self._told([letter for ok, told in zip(done, letters, strict=True) if ok for letter in told])
        return list(done)

    async def _writes_made(self, tests: Iterable[TestId]) -> set[str]:
        cursor = self._collection.find({"_id": {"$in": list(tests)}}, {"history.write": 1})
        return {entry.get("write", "") async for found in cursor for entry in found["history"]}


def _update(move: Move, letters: Sequence[Letter], write: str) -> tuple[Document, Document]:
    attempt = move.attempt if move.new_attempt is None else move.new_attempt
    steps = [*([move.via] if move.via else []), move.to]
    history = [
        {"state": step, "at": move.at, "by": move.by, "attempt": attempt, "reason": move.reason, "write": write}
        for step in steps
    ]
    entries = [outbox.entry(letter, move.at) for letter in letters]
    ended = {"books.due": move.at} if move.to in ENDED else {}
    update: Document = {
        "$set": {"state": move.to, "attempt": attempt, **ended, **move.set},
        "$push": {"history": {"$each": history}, "outbox": {"$each": entries}},
    }
    if move.unset:
        update["$unset"] = dict.fromkeys(move.unset, "")
    return {"_id": move.test_id, "state": move.source, "attempt": move.attempt, **move.guard}, update
