"""Whose submission is let in: one document for each user, and one conditional update that decides.

Any number of gateways may ask at the same moment: `at` never holds more than the rate allows and `waiting` never more
than may wait, because the update that adds to them requires a place that is still free. What does not count any more is
removed when there is no free place, and the update is tried once more (`domain.ratelimit` says what counts).

Of what waits the oldest are looked at each time, since they are the next to leave, and all of it once in a while: so a
user who is refused and asks again and again costs little, and gets in soon after a test of his has left.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from pydantic import Field
from pymongo import DESCENDING
from pymongo.errors import DuplicateKeyError

from shared.domain.lifecycle import WAITING
from shared.domain.limits import MOST, Limits
from shared.domain.ratelimit import left_by
from shared.ids import TestId, UserId, first_test_id
from shared.store.connect import Database, quick
from shared.store.documents import Document, Part

UNSEEN: Final = timedelta(minutes=1)
"""A test that is listed as waiting and does not exist is about to be stored, or never will be: then it is older."""
OLDEST: Final = 100
"""So many of the tests that are listed as waiting are looked at whenever there is no free place."""
SELDOM: Final = timedelta(seconds=1)
"""All of them are looked at so often at most, for each user."""


class Submitted(Part):
    id: TestId
    t: datetime


class RateWindow(Part):
    """What a user has handed in lately. Neither list is longer than the limit it is for."""

    id: UserId = Field(alias="_id")
    at: list[Submitted] = Field(default_factory=list)
    waiting: list[TestId] = Field(default_factory=list)
    looked: datetime | None = None
    """When all that is listed as waiting was looked at last."""


class Admissions:
    """The windows of all users."""

    def __init__(self, database: Database) -> None:
        # The majority insert of the test follows on the same primary, and covers these.
        self._windows = quick(database, "rate_windows")
        self._tests = database["executions"]

    async def enter(self, user: UserId, test: TestId, now: datetime, limits: Limits) -> RateWindow | None:
        """Lets a submission in; else the window that has no place for it. A user without a limit costs no write."""
        if not limits.submissions_per_hour and not limits.max_pending:
            return None
        if await self._push(user, test, now, limits, upsert=True):
            return None
        full = await self._clear(user, now, limits)
        if full is not None:
            return full
        if await self._push(user, test, now, limits, upsert=False):
            return None
        return await self.window(user)

    async def window(self, user: UserId) -> RateWindow:
        """What a user has handed in lately, as far as a limit made it be listed. May hold entries that do not count any
        more."""
        return RateWindow.model_validate(await self._windows.find_one({"_id": user}) or {"_id": user})

    async def leave(self, user: UserId, test: TestId) -> None:
        """Gives an entry back: the test was not stored, or is there already under another id."""
        await self._windows.update_one({"_id": user}, {"$pull": {"at": {"id": test}, "waiting": test}})

    async def recall(self, user: UserId, now: datetime) -> None:
        """Lists what the user handed in within the window and what waits: of who had no limit nothing was listed."""
        own = {"user_id": user}
        recent = self._tests.find({**own, "_id": {"$gte": first_test_id(left_by(now))}}, {"times.submitted": 1})
        waiting = self._tests.find({**own, "state": {"$in": sorted(WAITING)}}, {"_id": 1})
        at = [
            {"id": found["_id"], "t": found["times"]["submitted"]}
            async for found in recent.sort("_id", DESCENDING).limit(MOST)
        ]
        wait = [found["_id"] async for found in waiting.sort("_id", DESCENDING).limit(MOST)]
        lists = {"at": {"$each": at}, "waiting": {"$each": wait}}
        await self._windows.update_one({"_id": user}, {"$addToSet": lists}, upsert=True)

    async def _push(self, user: UserId, test: TestId, now: datetime, limits: Limits, *, upsert: bool) -> bool:
        where: Document = {"_id": user}
        push: Document = {}
        if limits.submissions_per_hour:
            where[f"at.{limits.submissions_per_hour - 1}"] = {"$exists": False}
            push["at"] = {"id": test, "t": now}
        if limits.max_pending:
            where[f"waiting.{limits.max_pending - 1}"] = {"$exists": False}
            push["waiting"] = test
        try:
            result = await self._windows.update_one(where, {"$push": push}, upsert=upsert)
        except DuplicateKeyError:  # the user's document is there, and it is full; or it was made at this moment
            return False
        return result.matched_count == 1 or result.upserted_id is not None

    async def _clear(self, user: UserId, now: datetime, limits: Limits) -> RateWindow | None:
        """Removes what does not count any more; the window as it is then, where that has left no place in it."""
        await self._windows.update_one({"_id": user}, {"$pull": {"at": {"t": {"$lte": left_by(now)}}}})
        window = await self.window(user)
        if limits.max_pending and len(window.waiting) >= limits.max_pending:
            window = await self._without_gone(window, now, limits.max_pending)
        full = (
            0 < limits.submissions_per_hour <= len(window.at),
            0 < limits.max_pending <= len(window.waiting),
        )
        return window if any(full) else None

    async def _without_gone(self, window: RateWindow, now: datetime, most: int) -> RateWindow:
        """Removes tests that do not wait any more from the list: the oldest, and all where those are not enough."""
        tests = sorted(window.waiting)  # the ids sort by time
        gone = await self._gone(tests[:OLDEST], now)
        if len(tests) > OLDEST and len(tests) - len(gone) >= most and await self._may_look_at_all(window.id, now):
            gone |= await self._gone(tests[OLDEST:], now)
        if not gone:
            return window
        await self._windows.update_one({"_id": window.id}, {"$pull": {"waiting": {"$in": sorted(gone)}}})
        return window.model_copy(update={"waiting": [test for test in window.waiting if test not in gone]})

    async def _may_look_at_all(self, user: UserId, now: datetime) -> bool:
        due: list[Document] = [
            {"looked": None},
            {"looked": {"$lte": now - SELDOM}},
            {"looked": {"$gt": now + UNSEEN}},  # by a clock that was wrong
        ]
        result = await self._windows.update_one({"_id": user, "$or": due}, {"$set": {"looked": now}})
        return result.matched_count == 1

    async def _gone(self, tests: Sequence[TestId], now: datetime) -> set[TestId]:
        """Those that do not wait any more, and those that were never stored."""
        cursor = self._tests.find({"_id": {"$in": list(tests)}}, {"state": 1})
        states = {found["_id"]: found["state"] async for found in cursor}
        unseen = first_test_id(now - UNSEEN)
        return {test for test in tests if (states[test] not in WAITING if test in states else test < unseen)}
